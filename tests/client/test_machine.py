"""What a machine's own settings do (proxies, SOCKS, authorities), and what crosses borders."""

import asyncio
import concurrent.futures
import copy
import multiprocessing
import pickle
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simmer_client import (
    ApiProblem,
    AsyncClient,
    Client,
    JobCancelled,
    JobFailed,
    ProtocolError,
    SetupError,
    SimmerError,
    State,
    Timing,
    Unreachable,
    Update,
    WaitTimeout,
    network,
)
from tests.client.driving import JOB, RESULT
from tests.client.misbehaving import MisbehavingServer

BODY = {"ingredients": ["egg"]}
QUICK = Timing(first_backoff=0.01, longest_backoff=0.05, shortest_poll=0.01)
NOBODY = "socks5://127.0.0.1:9"

# ── Settings that cannot be used ──────────────────────────────────────────────────────────────────


def without_socks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ALL_PROXY", NOBODY, r'ALL_PROXY names a SOCKS proxy.*"simmer-client\[socks\]"'),
        ("all_proxy", "socks://127.0.0.1:9/", "all_proxy names a SOCKS proxy"),
        ("http_proxy", "ftp://127.0.0.1:9", "http_proxy is no proxy's address"),
        ("HTTP_PROXY", "http://", "HTTP_PROXY is no proxy's address"),
        ("HTTP_PROXY", "http://127.0.0.1:x", "HTTP_PROXY is no proxy's address"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    without_socks(monkeypatch)
    monkeypatch.setenv(name, value)
    with MisbehavingServer() as server:
        with Client(server.url) as client, pytest.raises(SetupError, match=words) as caught:
            client.submit("recipe", BODY)
        assert "or name 127.0.0.1 in NO_PROXY" in str(caught.value)

        with pytest.raises(SetupError, match=words):
            asyncio.run(AsyncClient(server.url).submit("recipe", BODY))

        monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.0/8")
        with Client(server.url, timing=QUICK) as client:
            assert client.submit("recipe", BODY).wait().result == RESULT


@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_a_proxy_that_is_blank_is_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, value)
    with MisbehavingServer() as server, Client(server.url, timing=QUICK) as client:
        assert client.submit("recipe", BODY).wait().result == RESULT


def test_a_proxys_password_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    without_socks(monkeypatch)
    monkeypatch.setenv("ALL_PROXY", "socks5://me:secret@127.0.0.1:9")
    with Client("http://127.0.0.1:9") as client, pytest.raises(SetupError) as caught:
        client.get("recipe", JOB)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", ["missing", "empty", "folder"])
def test_authorities_that_cannot_be_read_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "ca.pem"
    if kind == "empty":
        file.write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_DIR" if kind == "folder" else "SSL_CERT_FILE", str(file))
    for client in (Client("https://127.0.0.1:9"), Client("https://x.test", ca_file=str(file))):
        with client, pytest.raises(SetupError, match=r"names .*ca\.pem, which cannot be used"):
            client.get("recipe", JOB)

    with MisbehavingServer() as server, Client(server.url, timing=QUICK) as plain:
        assert plain.submit("recipe", BODY).wait().state is State.COMPLETED  # nothing is encrypted


@pytest.mark.parametrize("how", ["SSL_CERT_FILE", "ca_file"])
def test_an_authority_of_ones_own_is_trusted_for_requests_and_the_socket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    pytest.importorskip("cryptography", reason="certificates for a test")
    from tests.unit.simmer.certificates import Authority

    authority = Authority(tmp_path)
    file = str(authority.file)
    with MisbehavingServer(push=["10,done"] * 2, tls=authority.context("localhost")) as server:
        with (
            Client(server.url, timing=QUICK) as client,
            pytest.raises(Unreachable, match="ca_file"),
        ):
            client.get("recipe", JOB)
        if how == "SSL_CERT_FILE":
            monkeypatch.setenv(how, file)
        given = {"ca_file": file} if how == "ca_file" else {}

        with Client(server.url, **given) as client:
            assert client.submit("recipe", BODY).wait().result == RESULT

        async def main() -> object:
            async with AsyncClient(server.url, **given) as client:
                return (await client.job("recipe", BODY).wait()).result

        assert asyncio.run(main()) == RESULT
        assert (server.count("push"), server.count("status")) == (2, 0)
        another_name = server.url.replace("localhost", "127.0.0.1")
        client = Client(another_name, timing=QUICK, **given)
        with client, pytest.raises(Unreachable, match="certificate"):
            client.get("recipe", JOB)


def test_a_setting_that_only_sockets_look_at_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("socks_proxy", NOBODY)
    with MisbehavingServer(push=["10,done"]) as server, Client(server.url) as client:
        assert client.submit("recipe", BODY).wait().result == RESULT
        assert server.count("push") == 1


@pytest.mark.parametrize("kind", [ImportError, RuntimeError, AssertionError])
def test_sockets_that_cannot_be_had_cost_only_push(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise kind("no sockets here")

    async def main(url: str) -> object:
        async with AsyncClient(url, timing=QUICK) as client:
            return (await client.job("recipe", BODY).wait()).result

    monkeypatch.setattr("simmer_client.sockets._options", fail)
    with MisbehavingServer(push=["done"]) as server:
        with Client(server.url, timing=QUICK) as client:
            assert client.submit("recipe", BODY).wait().result == RESULT
        assert asyncio.run(main(server.url)) == RESULT
        assert (server.count("push"), server.count("status")) == (0, 2)


# ── Proxies that work ─────────────────────────────────────────────────────────────────────────────


@contextmanager
def socks_proxy() -> Iterator[tuple[int, list[int]]]:
    """SOCKS 5 without a password, by RFC 1928: its port, and the ports it was asked for."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[int] = []

    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve(client: socket.socket) -> None:
        with client:
            client.recv(client.recv(2)[1])
            client.sendall(b"\x05\x00")
            kind = client.recv(4)[3]
            client.recv(4 if kind == 1 else client.recv(1)[0])
            asked.append(int.from_bytes(client.recv(2)))
            with socket.create_connection(("127.0.0.1", asked[-1])) as server:
                client.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
                back = threading.Thread(target=pump, args=(server, client), daemon=True)
                back.start()
                pump(client, server)
                back.join()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], asked
    finally:
        listener.close()


@pytest.mark.parametrize("how", ["environment", "argument"])
def test_everything_goes_through_a_socks_proxy(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    with socks_proxy() as (port, asked), MisbehavingServer(push=["10,done"]) as server:
        given = {"proxy": f"socks5://127.0.0.1:{port}"} if how == "argument" else {}
        if not given:
            monkeypatch.setenv("ALL_PROXY", f"socks://127.0.0.1:{port}")

        async def main() -> object:
            async with AsyncClient(server.url, **given) as client:
                return (await client.job("recipe", BODY).wait()).result

        with Client(server.url, **given) as client:
            assert client.submit("recipe", BODY).wait().result == RESULT
        assert asyncio.run(main()) == RESULT

        assert asked == [server._port] * 4  # HTTP and the socket, of each
        assert server.count("push") == 2


def test_nobody_there_is_named_with_the_address() -> None:
    words = r"from http://127\.0\.0\.1:9/api: Connection refused"
    client = Client("http://user:secret@127.0.0.1:9/api", timing=QUICK)
    with client, pytest.raises(Unreachable, match=words) as caught:
        client.get("recipe", JOB)

    assert "secret" not in str(caught.value)


def test_a_proxy_that_is_not_there_is_named_with_its_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://me:secret@127.0.0.1:9")
    words = "through the proxy of ALL_PROXY: Connection refused"
    client = Client("http://127.0.0.1:9", timing=QUICK)
    with client, pytest.raises(Unreachable, match=words) as caught:
        client.get("recipe", JOB)

    assert "secret" not in str(caught.value)


def test_a_socket_that_is_sent_elsewhere_goes_nowhere() -> None:
    async def main(url: str) -> object:
        async with AsyncClient(url, timing=QUICK) as client:
            return (await client.job("recipe", BODY).wait()).result

    with (
        MisbehavingServer(push=["done"]) as other,
        MisbehavingServer(push=("elsewhere", f"ws://127.0.0.1:{other._port}/push")) as server,
    ):
        with Client(server.url, timing=QUICK) as client:
            assert client.submit("recipe", BODY).wait().result == RESULT
        assert asyncio.run(main(server.url)) == RESULT

        assert other.met == []
        assert server.count("status") == 2


# ── One token for all ─────────────────────────────────────────────────────────────────────────────


def test_requests_that_are_refused_at_once_ask_for_one_new_token() -> None:
    asked: list[str] = []

    def slowly() -> str:
        asked.append("old" if not asked else "new")
        time.sleep(0.05)
        return asked[-1]

    with (
        MisbehavingServer(good_token="new", together=8) as server,
        Client(server.url, slowly, timing=QUICK) as client,
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        seen = list(pool.map(lambda _: client.get("recipe", JOB).state, range(8)))

    assert seen == [State.COMPLETED] * 8
    assert asked == ["old", "new"]


def test_asynchronous_requests_that_are_refused_at_once_ask_for_one_new_token() -> None:
    asked: list[str] = []

    async def slowly() -> str:
        asked.append("old" if not asked else "new")
        await asyncio.sleep(0.05)
        return asked[-1]

    async def main(url: str) -> list[Update]:
        async with AsyncClient(url, slowly, timing=QUICK) as client:
            return await asyncio.gather(*(client.get("recipe", JOB) for _ in range(8)))

    with MisbehavingServer(good_token="new", together=8) as server:
        seen = asyncio.run(main(server.url))

    assert [update.state for update in seen] == [State.COMPLETED] * 8
    assert asked == ["old", "new"]


# ── Event loops ───────────────────────────────────────────────────────────────────────────────────


def test_one_asynchronous_client_works_in_one_loop_after_another() -> None:
    with MisbehavingServer(push=["10,done"]) as server:
        client = AsyncClient(server.url, "token")

        async def main() -> object:
            return (await client.job("recipe", BODY).wait()).result

        assert [asyncio.run(main()) for _ in range(3)] == [RESULT] * 3


def test_a_job_is_followed_on_in_another_loop() -> None:
    with MisbehavingServer(status=["10", "10", "done"]) as server:
        client = AsyncClient(server.url, "token", timing=QUICK)
        job = client.job("recipe", BODY)

        async def first() -> None:
            async for update in job.updates():
                if update.progress == 10:
                    return

        asyncio.run(first())

        assert asyncio.run(job.wait()).result == RESULT


def test_one_asynchronous_client_works_in_two_loops_at_once() -> None:
    with (
        MisbehavingServer(status=["10", "done"]) as server,
        concurrent.futures.ThreadPoolExecutor(2) as pool,
    ):
        client = AsyncClient(server.url, "token", timing=QUICK)
        wait = lambda _: asyncio.run(client.job("recipe", BODY).wait()).result  # noqa: E731

        assert list(pool.map(wait, range(2))) == [RESULT] * 2


# ── Errors cross borders ──────────────────────────────────────────────────────────────────────────

SEEN = Update(task="recipe", job_id=JOB, state=State.FAILED, error="No.", error_code="refused")
ERRORS: list[SimmerError] = [
    ApiProblem(SEEN, status=422, code="invalid_request", title="t", retry_after_seconds=7.0),
    JobFailed(SEEN),
    JobCancelled(Update(task="recipe", job_id=JOB, goes_on=True)),
    WaitTimeout("late", SEEN),
    Unreachable("gone", SEEN),
    ProtocolError("odd", SEEN),
    SetupError("unset it", SEEN),
]


class OfATeam(JobFailed):
    """One that needs an argument of its own."""

    def __init__(self, job: Update, ticket: int) -> None:
        super().__init__(job)
        self.ticket = ticket


def is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and str(one) == str(other) and vars(one) == vars(other)


@pytest.mark.parametrize("error", [*ERRORS, OfATeam(SEEN, 7)], ids=lambda each: type(each).__name__)
def test_an_error_is_the_same_after_a_journey(error: SimmerError) -> None:
    error.add_note("seen in the nightly run")

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert is_same(pickle.loads(pickle.dumps(error, protocol)), error)
    assert is_same(copy.deepcopy(error), error)
    assert is_same(copy.copy(error), error)


def fail(_: int) -> None:
    raise JobFailed(SEEN)


def test_an_error_comes_out_of_a_worker_process() -> None:
    spawning = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawning) as pool:
        with pytest.raises(JobFailed, match=r"No\.") as caught:
            pool.submit(fail, 1).result(timeout=60)
        assert pool.submit(len, "abc").result(timeout=60) == 3

    assert (caught.value.error_code, caught.value.job) == ("refused", SEEN)
