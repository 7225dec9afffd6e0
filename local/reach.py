"""Simmer on this machine as others reach it: a phone's emulator, a phone on the desk, a tunnel.

The API offers a socket at 127.0.0.1, which is another machine to each of them. So who came by
another name is offered one of the front's, by that name; what is sent there goes on to the API's.
"""

import asyncio
import contextlib
import json
import socket

from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSMsgType, web

SOCKET_PATH = "/dev/push"

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

# Android's emulator has the machine that it runs on at this address.
ANDROIDS_HOST = "10.0.2.2"

type Side = web.WebSocketResponse | ClientWebSocketResponse


def own_hosts(request: web.Request) -> frozenset[str]:
    """The Host headers of this machine that the request may have: names of loopback, and the
    address that was connected to. No page of a foreign name is of one origin with an address."""
    if not request.transport:
        return frozenset()
    address, port = request.transport.get_extra_info("sockname")[:2]
    return frozenset(f"{name}:{port}" for name in (*LOOPBACK, ANDROIDS_HOST, address))


def network_address() -> str | None:
    """The address that this machine has in its network; None without one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: an address that is nobody's
        except OSError:
            return None
        return str(probe.getsockname()[0])


class Sockets:
    """The front's socket, in front of the API's."""

    def __init__(self) -> None:
        self._url = ""  # the API's, as it says itself

    def offered(self, request: web.Request, body: bytes) -> bytes:
        """An answer of the API, with a `push.url` that its client can reach."""
        host = request.headers.get("Host", "")
        if host.rpartition(":")[0] in LOOPBACK:
            return body
        try:
            document = json.loads(body)
            url = document["push"]["url"]
        except (ValueError, TypeError, KeyError):
            return body
        self._url = str(url)
        # A tunnel ends TLS, and says so.
        is_secure = request.headers.get("X-Forwarded-Proto", "").lower() == "https"
        document["push"]["url"] = f"{'wss' if is_secure else 'ws'}://{host}{SOCKET_PATH}"
        return json.dumps(document, ensure_ascii=False).encode()

    async def serve(self, request: web.Request, session: ClientSession) -> web.StreamResponse:
        """One socket, until either side is gone."""
        if not self._url:
            raise web.HTTPNotFound(text="no job has been offered this socket yet\n")
        try:
            upstream = await session.ws_connect(self._url)
        except (ClientError, TimeoutError) as error:
            raise web.HTTPBadGateway(text=f"the API's socket is gone: {error}\n") from None
        async with upstream:
            downstream = web.WebSocketResponse()
            await downstream.prepare(request)
            pumps = [
                asyncio.create_task(_pump(downstream, upstream)),
                asyncio.create_task(_pump(upstream, downstream)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
            await downstream.close()
            return downstream


async def _pump(source: Side, sink: Side) -> None:
    with contextlib.suppress(ConnectionError, ClientError):  # the other side is gone
        async for message in source:
            if message.type is WSMsgType.TEXT:
                await sink.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await sink.send_bytes(message.data)
