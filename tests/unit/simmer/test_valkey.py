"""What the cache's client makes of answers, of those, too, that no real server gives."""

import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from simmer.valkey import Server

pytestmark = pytest.mark.enable_socket


class Scripted:
    """Answers each connection with its next list of texts, one for each command, then hangs up."""

    def __init__(self) -> None:
        self.script: list[list[bytes]] = []
        self.heard: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                for answer in self.script.pop(0) if self.script else []:
                    if not (heard := connection.recv(4096)):
                        break
                    self.heard.append(heard)
                    connection.sendall(answer)

    def stop(self) -> None:
        self._socket.close()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"$5\r\nhello\r\n", b"hello"),
        (b"$0\r\n\r\n", b""),
        (b"$4\r\na\r\nb\r\n", b"a\r\nb"),
        (b"$-1\r\n", None),
        (b"+OK\r\n", None),
        (b":1\r\n", None),
    ],
)
def test_answers_are_read(scripted: Scripted, answer: bytes, text: bytes | None) -> None:
    scripted.script = [[answer, answer]]
    server = Server(scripted.url)

    assert server("GET", "é") == text
    assert server("GET", "é") == text  # by the same connection: nothing of the first is left
    assert scripted.heard[0] == b"*2\r\n$3\r\nGET\r\n$2\r\n\xc3\xa9\r\n"


@pytest.mark.parametrize(
    "answer",
    [b"-ERR no\r\n", b"-MOVED 1 x:1\r\n", b"", b"$9\r\nhalf", b"$x\r\n", b"*1\r\n:1\r\n", b"?"],
)
def test_what_is_no_answer_is_an_error_and_its_connection_is_not_used_again(
    scripted: Scripted, answer: bytes
) -> None:
    scripted.script = [[answer, b"$5\r\nstale\r\n"], [b"$2\r\nok\r\n"]]
    server = Server(scripted.url)

    with pytest.raises((OSError, ValueError)):
        server("GET", "key")
    assert server("GET", "key") == b"ok"


def test_connection_that_was_cut_meanwhile_is_made_anew(scripted: Scripted) -> None:
    scripted.script = [[b"+OK\r\n"], [b"$2\r\nok\r\n"]]
    server = Server(scripted.url)

    assert server("PING") is None
    assert server("GET", "key") == b"ok"


def test_server_without_tls_is_not_trusted_where_tls_is_asked_for(scripted: Scripted) -> None:
    scripted.script = [[b"+OK\r\n"]]

    with pytest.raises(ssl.SSLError):
        Server(scripted.url.replace("redis:", "rediss:"))("PING")


def test_who_is_not_there_is_an_error() -> None:
    with pytest.raises(ConnectionRefusedError):
        Server("redis://127.0.0.1:1")("PING")
