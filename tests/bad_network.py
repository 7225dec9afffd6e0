"""A proxy between a client and the API that does what networks do, by seeded chance.

Each request of a job has a fate of its own, by the seed, the job's name and its number, whatever
else happens at the time. Whoever follows a redirect is `caught`.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any, Self

import aiohttp
from aiohttp import WSMsgType, web

# What happens to a request, and how often in a hundred.
FATES: Mapping[str, float] = {
    "portal": 4,  # a login page answers in the API's place
    "portal in JSON": 3,
    "redirect": 4,
    "408": 3,
    "503": 3,
    "reset": 4,  # before the API has heard of it
    "answer lost": 6,  # after
    "answer cut short": 5,
    "silence": 1,
    "wrong date": 6,
}
# What happens to a socket.
SOCKET_FATES: Mapping[str, float] = {
    "refused": 15,
    "closed": 15,
    "reset": 15,
    "nonsense": 10,
    "silence": 5,
}
_PAGE, _HTML = b"<html>Sign in</html>", {"Content-Type": "text/html"}
_JSON = {"Content-Type": "application/json"}
# In which forms login pages come.
PORTALS: tuple[tuple[int, bytes, dict[str, str]], ...] = (
    (200, _PAGE, _HTML),
    (200, b"", _JSON),
    (200, b'{"jobId": "', _JSON),
    (200, _PAGE, {**_JSON, "Content-Encoding": "gzip"}),  # which it is not
    (401, _PAGE, {**_HTML, "WWW-Authenticate": 'Basic realm="Wi-Fi"'}),
    (403, _PAGE, _HTML),
    (404, _PAGE, _HTML),
    (407, b"", {"Proxy-Authenticate": 'Basic realm="proxy"'}),
    (511, _PAGE, {**_HTML, "Retry-After": "3600"}),
)
_DATES = ("Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT", "yesterday")


class BadNetwork:
    """In the running event loop, on a free port of 127.0.0.1; `url` stands for the API's own."""

    def __init__(self, api_url: str, seed: int) -> None:
        self._api_url = api_url
        self._origin = "/".join(api_url.split("/")[:3])
        self._seed = seed
        self._names: dict[str, str] = {}  # by job id
        self._asked: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()
        self.caught: list[str] = []
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._meet)
        self._runner = web.AppRunner(app, shutdown_timeout=1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._own = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.url = self._own + self._api_url.removeprefix(self._origin)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await self._runner.cleanup()
        await self._http.close()

    def _fate(self, name: str, fates: Mapping[str, float]) -> tuple[str, Random]:
        self._asked[name] += 1
        chance = Random(f"{self._seed} {name} {self._asked[name]}")
        kinds = [*fates, "nothing"]
        fate = chance.choices(kinds, [*fates.values(), 100 - sum(fates.values())])[0]
        self.fates[fate] += 1
        return fate, chance

    async def _meet(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/login":
            self.caught.append(request.method)
            return web.Response(text="<html>", content_type="text/html")
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await self._tunnel(request)
        return await self._answer(request, await request.read())

    async def _answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.path.endswith("/generate"):
            name = json.loads(body)["ingredients"][0]
        else:
            name = self._names.get(request.path.rpartition("/")[2], "?")
        fate, chance = self._fate(name, FATES)
        if fate == "silence":
            await self._over.wait()
        if fate in ("silence", "reset"):
            return self._cut(request)
        if answered := self._foreign(fate, chance):
            return answered
        answer, text = await self._forward(request, body, name)
        if fate == "wrong date":
            answer.headers["Date"] = chance.choice(_DATES)
        if fate == "answer lost":
            return self._cut(request)
        if fate == "answer cut short":
            cut = web.StreamResponse(status=answer.status, headers=answer.headers)
            cut.content_length = len(text)
            await cut.prepare(request)
            await cut.write(text[: chance.randrange(len(text))])
            return self._cut(request)
        answer.body = text
        return answer

    def _foreign(self, fate: str, chance: Random) -> web.Response | None:
        """What answers in the API's place."""
        match fate:
            case "portal":
                status, body, headers = chance.choice(PORTALS)
                return web.Response(status=status, body=body, headers=headers)
            case "portal in JSON":
                return web.json_response({"login": "https://portal.test/", "status": "completed"})
            case "redirect":
                code = chance.choice([301, 302, 303, 307, 308])
                return web.Response(status=code, headers={"Location": f"{self._own}/login"})
            case "408" | "503":
                return web.Response(status=int(fate), text="<html>", content_type="text/html")
        return None

    def _cut(self, request: web.Request) -> web.Response:
        if request.transport:
            request.transport.abort()
        return web.Response()

    async def _forward(
        self, request: web.Request, body: bytes, name: str
    ) -> tuple[web.Response, bytes]:
        kept = ("authorization", "content-type", "idempotency-key")
        headers = {key: request.headers[key] for key in kept if key in request.headers}
        target = self._origin + request.raw_path
        async with self._http.request(
            request.method, target, data=body or None, headers=headers
        ) as answer:
            text = await answer.read()
        fields: Any = json.loads(text)
        if isinstance(fields.get("jobId"), str):
            self._names[fields["jobId"]] = name
        # The socket goes through here, too.
        ours, theirs = (each.removeprefix("http") for each in (self._own, self._origin))
        text = text.replace(f"ws{theirs}".encode(), f"ws{ours}".encode())
        passed = ("content-type", "date", "retry-after", "cache-control")
        return web.Response(
            status=answer.status,
            headers={key: answer.headers[key] for key in passed if key in answer.headers},
        ), text

    async def _tunnel(self, request: web.Request) -> web.StreamResponse:
        fate, chance = self._fate(f"socket {len(self._asked)}", SOCKET_FATES)
        if fate == "refused":
            return web.Response(status=403)
        client = web.WebSocketResponse()
        await client.prepare(request)
        passing = chance.randrange(3)  # so many frames come first
        target = f"ws{self._origin.removeprefix('http')}{request.raw_path}"
        async with self._http.ws_connect(target) as server:
            asking = asyncio.create_task(self._pass_on(client, server))
            try:
                async for frame in server:
                    if frame.type is not WSMsgType.TEXT:
                        break
                    if fate == "nothing" or passing > 0:
                        await client.send_str(frame.data)
                    elif fate == "nonsense":
                        await client.send_str("}{")
                    elif fate == "reset" and request.transport:
                        request.transport.abort()
                        break
                    elif fate == "closed":
                        break
                    passing -= 1
            finally:
                asking.cancel()
        await client.close()
        return client

    async def _pass_on(
        self, client: web.WebSocketResponse, server: aiohttp.ClientWebSocketResponse
    ) -> None:
        async for frame in client:
            if frame.type is WSMsgType.TEXT:
                await server.send_str(frame.data)
        await server.close()
