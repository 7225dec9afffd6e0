"""A Valkey (or Redis) server, asked for one thing at a time, in as much of its protocol (RESP2) as
that takes. The client libraries are larger than all that a poll loads: docs/decisions.md weighs
them.
"""

from socket import create_connection, socket
from typing import BinaryIO
from urllib.parse import urlsplit

from simmer.connection import AMAZON_ROOTS, tls_context

# For a connection, and for each answer: who asks has another way to find out.
PATIENCE_SECONDS = 0.1


class Server:
    """The server at `url`: `redis://host:port` or, over TLS with Amazon's roots, `rediss://…`.

    `server("GET", "key")` is the text that it answers, None for an answer without one, or an error,
    an `OSError` mostly. Safe to use from several threads. What was not answered may be sent twice.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[socket] = []  # `append` and `pop` are atomic

    def __call__(self, *words: str) -> bytes | None:
        try:
            return self._ask(self._idle.pop(), words)
        except (IndexError, OSError):  # what was kept may be cut, without a word, in our sleep
            self._idle.clear()
            return self._ask(self._connected(), words)

    def _ask(self, sock: socket, words: tuple[str, ...]) -> bytes | None:
        lengths = [b"$%d\r\n%b\r\n" % (len(word), word) for word in map(str.encode, words)]
        try:
            sock.sendall(b"*%d\r\n" % len(words) + b"".join(lengths))
            with sock.makefile("rb") as reader:
                answer = _answer(reader)
        except BaseException:
            sock.close()
            raise
        self._idle.append(sock)
        return answer

    def _connected(self) -> socket:
        parts = urlsplit(self._url)
        host = parts.hostname or ""
        sock = create_connection((host, parts.port or 6379), PATIENCE_SECONDS)
        if parts.scheme == "rediss":
            return tls_context(AMAZON_ROOTS).wrap_socket(sock, server_hostname=host)
        return sock


def _answer(reader: BinaryIO) -> bytes | None:
    line = reader.readline(1000)
    if line[:1] == b"$" and (size := int(line[1:])) >= 0:
        text = reader.read(size + 2)
        if len(text) == size + 2:
            return text[:-2]
    elif line[:1] in (b"+", b":", b"$"):
        return None
    raise ConnectionError  # the end, or a refusal
