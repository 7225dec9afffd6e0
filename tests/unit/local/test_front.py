"""The front of `make run`, over real sockets: requests passed on, and its own answers."""

import asyncio
import logging

import pytest
from aiohttp import web

from local import front

pytestmark = pytest.mark.enable_socket

HERE = frozenset(("here",))


def _exchange(request: bytes) -> tuple[bytes, bytes]:
    """The request that an API behind the front hears (None: the front answers), and the answer."""
    heard = b""

    async def api(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    async def exchange() -> bytes:
        server = await asyncio.start_server(api, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        runner = front.runner(
            front.application(f"http://{host}:{port}", str, "stand-in", hosts=HERE)
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            reader, writer = await asyncio.open_connection(*runner.addresses[0])
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            writer.close()
            return answer
        finally:
            await runner.cleanup()
            server.close()

    answer = asyncio.run(asyncio.wait_for(exchange(), 30))
    return heard, answer


def _get(path: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"GET " + path + b" HTTP/1.1", b"Host: here", *headers, b"", b""])


@pytest.mark.parametrize("value", [b"k\xe9y", "kéy".encode()], ids=["latin-1", "utf-8"])
def test_a_header_outside_ascii_reaches_the_api(value: bytes) -> None:
    heard, answer = _exchange(_get(b"/recipe/status/a", b"Idempotency-Key: " + value))

    assert answer.startswith(b"HTTP/1.1 204 ")
    assert b"idempotency-key: " + "kéy".encode() in heard.lower()


def test_a_path_with_line_ends_reaches_the_api_as_it_came() -> None:
    heard, answer = _exchange(_get(b"/recipe/status/%0d%0a"))

    assert answer.startswith(b"HTTP/1.1 204 ")
    assert heard.startswith(b"GET /recipe/status/%0d%0a HTTP/1.1\r\n")


@pytest.mark.parametrize("header", [b"Idempotency-Key: a\x7f", b"Content-Length: abc"])
def test_what_is_no_http_is_refused_without_a_word_on_the_terminal(
    header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        heard, answer = _exchange(_get(b"/recipe/status/a", header))

    assert b" 400 " in answer.splitlines()[0]
    assert not heard
    assert not caplog.records


@pytest.mark.parametrize("host", [b"attacker.example", b"127.0.0.1", b"here.attacker.example"])
def test_a_foreign_host_is_refused_and_the_api_is_not_asked(host: bytes) -> None:
    heard, answer = _exchange(_get(b"/dev/token?user=alice").replace(b"here", host))

    assert answer.startswith(b"HTTP/1.1 421 ")
    assert not heard


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machines_own_names_are_served(name: str) -> None:
    async def ask() -> bytes:
        runner = front.runner(front.application("http://127.0.0.1:9", lambda _: "t", "stand-in"))
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0]
            reader, writer = await asyncio.open_connection(host, port)
            request = _get(b"/dev/token?user=alice").replace(b"here", f"{name}:{port}".encode())
            writer.write(request)
            status = await reader.readline()
            writer.close()
            return status
        finally:
            await runner.cleanup()

    assert asyncio.run(asyncio.wait_for(ask(), 30)).startswith(b"HTTP/1.1 200 ")


def test_a_mistake_of_our_own_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def no_token(user: str) -> str:
        raise RuntimeError("the pool is gone")

    async def ask() -> None:
        runner = front.runner(
            front.application("http://127.0.0.1:9", no_token, "stand-in", hosts=HERE)
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            reader, writer = await asyncio.open_connection(*runner.addresses[0])
            writer.write(_get(b"/dev/token?user=alice"))
            assert (await reader.readline()).startswith(b"HTTP/1.1 500 ")
            writer.close()
        finally:
            await runner.cleanup()

    asyncio.run(asyncio.wait_for(ask(), 30))

    assert "the pool is gone" in caplog.text


def test_the_tasks_are_served_as_they_are_at_that_moment() -> None:
    tasks: list[dict[str, str]] = []

    async def ask() -> list[bytes]:
        runner = front.runner(
            front.application(
                "http://127.0.0.1:9", str, "stand-in", tasks=lambda: tasks, hosts=HERE
            )
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            bodies = []
            for name in ("poem", "song"):
                tasks[:] = [{"name": name}]
                reader, writer = await asyncio.open_connection(*runner.addresses[0])
                writer.write(_get(b"/dev/tasks", b"Connection: close"))
                bodies.append((await reader.read()).partition(b"\r\n\r\n")[2])
                writer.close()
            return bodies
        finally:
            await runner.cleanup()

    bodies = asyncio.run(asyncio.wait_for(ask(), 30))

    assert bodies == [b'[{"name": "poem"}]', b'[{"name": "song"}]']
