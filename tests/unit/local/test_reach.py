"""`make run` as others reach it, over real sockets: by which names, and with which socket."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientSession, WSServerHandshakeError, web

from local import front, reach, serving
from local.child import free_port
from local.toolchain import REPOSITORY

pytestmark = pytest.mark.enable_socket

SECOND = "127.0.0.2"  # another address of this machine: to the front it is a network's
TUNNEL = "abc.tunnel.example:443"

type Ask = Callable[[ClientSession, str, int], Awaitable[None]]


def _with_front(ask: Ask, address: str = SECOND) -> None:
    """`ask(client, url, port)`, with a front at that address, and an API with a socket."""

    async def main() -> None:
        api_port = free_port()

        async def generate(_: web.Request) -> web.Response:
            push = {"url": f"ws://127.0.0.1:{api_port}/push", "token": "t"}
            document = {"jobId": "7", "status": "submitted", "message": "알았어요", "push": push}
            return web.json_response(document, status=202)

        async def push(request: web.Request) -> web.WebSocketResponse:
            sock = web.WebSocketResponse()
            await sock.prepare(request)
            async for message in sock:
                await sock.send_str(f"heard {message.data}")
                if message.data == "end":
                    break
            return sock

        api = web.Application()
        api.add_routes([web.post("/recipe/generate", generate), web.get("/push", push)])
        behind = web.AppRunner(api)
        await behind.setup()
        await web.TCPSite(behind, "127.0.0.1", api_port).start()
        runner = front.runner(
            front.application(
                f"http://127.0.0.1:{api_port}", str, "stand-in", hosts=frozenset((TUNNEL,))
            )
        )
        await runner.setup()
        await web.TCPSite(runner, address, 0).start()
        port = runner.addresses[0][1]
        try:
            async with ClientSession() as client:
                await ask(client, f"http://{address}:{port}", port)
        finally:
            await runner.cleanup()
            await behind.cleanup()

    asyncio.run(asyncio.wait_for(main(), 60))


async def _push_url(client: ClientSession, url: str, **headers: str) -> str:
    async with client.post(f"{url}/recipe/generate", headers=headers) as answer:
        assert answer.status == 202
        document = json.loads(await answer.read())
        assert document["message"] == "알았어요"
        return str(document["push"]["url"])


def test_the_address_that_was_connected_to_is_served() -> None:
    async def ask(client: ClientSession, url: str, port: int) -> None:
        async with client.get(f"{url}/dev/token?user=alice") as answer:
            assert (answer.status, await answer.text()) == (200, "alice")

    _with_front(ask)


@pytest.mark.parametrize(
    "host", ["attacker.example", "127.0.0.3", "192.0.2.7", "10.0.2.2.evil.example"]
)
def test_no_other_host_is_served(host: str) -> None:
    async def ask(client: ClientSession, url: str, port: int) -> None:
        headers = {"Host": f"{host}:{port}"}
        async with client.get(f"{url}/dev/token?user=alice", headers=headers) as answer:
            assert answer.status == 421
        with pytest.raises(WSServerHandshakeError):
            await client.ws_connect(f"{url}{reach.SOCKET_PATH}", headers=headers)

    _with_front(ask)


def test_androids_emulator_reaches_this_machines_loopback() -> None:
    async def ask(client: ClientSession, url: str, port: int) -> None:
        host = f"10.0.2.2:{port}"
        assert await _push_url(client, url, Host=host) == f"ws://{host}/dev/push"

    _with_front(ask, "127.0.0.1")


def test_who_is_on_this_machine_is_offered_the_apis_own_socket() -> None:
    async def ask(client: ClientSession, url: str, port: int) -> None:
        for name in ("127.0.0.1", "localhost"):
            offered = await _push_url(client, url, Host=f"{name}:{port}")
            assert offered.endswith("/push")
            assert "/dev/" not in offered

    _with_front(ask, "127.0.0.1")


@pytest.mark.parametrize(("proto", "scheme"), [("https", "wss"), ("http", "ws")])
def test_a_tunnels_client_is_offered_a_socket_of_the_tunnel(proto: str, scheme: str) -> None:
    async def ask(client: ClientSession, url: str, port: int) -> None:
        offered = await _push_url(client, url, Host=TUNNEL, **{"X-Forwarded-Proto": proto})
        assert offered == f"{scheme}://{TUNNEL}/dev/push"

    _with_front(ask, "127.0.0.1")


def test_the_socket_that_is_offered_is_the_apis() -> None:
    async def ask(client: ClientSession, url: str, port: int) -> None:
        offered = await _push_url(client, url)
        assert offered == f"ws://{SECOND}:{port}/dev/push"
        async with client.ws_connect(offered) as sock:
            await sock.send_str("subscribe")
            assert await sock.receive_str() == "heard subscribe"
            await sock.send_str("end")
            assert await sock.receive_str() == "heard end"
            assert (await sock.receive()).type.name in ("CLOSE", "CLOSED", "CLOSING")

    _with_front(ask)


def test_before_any_job_there_is_no_socket() -> None:
    async def ask(client: ClientSession, url: str, port: int) -> None:
        with pytest.raises(WSServerHandshakeError, match="404"):
            await client.ws_connect(f"{url}{reach.SOCKET_PATH}")

    _with_front(ask)


def test_an_address_that_this_machine_does_not_have_is_named() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "local.run", "--port", "0", "--bind", "192.0.2.7"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )

    assert said.returncode == 1
    assert "of 192.0.2.7: cannot assign requested address" in said.stderr
    assert "HOST=0.0.0.0" in said.stderr


@pytest.mark.parametrize(
    ("address", "told"),
    [("0.0.0.0", "http://192.168.1.20:3000"), ("10.1.2.3", "http://10.1.2.3:3000")],
)
def test_who_lets_others_in_is_told_what_they_can_do(
    address: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "network_address", lambda: "192.168.1.20")

    said = serving.warning(address, 3000)

    assert told in said
    assert "everybody in your network" in said
