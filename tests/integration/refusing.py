"""A proxy between the functions and the emulator that can refuse one of the services."""

import asyncio
import threading
from collections import Counter
from typing import Self

from aiohttp import ClientSession, DummyCookieJar, web

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class RefusingProxy:
    """Hands everything on to `upstream` but what `refused` names (dynamodb, sqs): that is a 503."""

    def __init__(self, upstream: str) -> None:
        self.refused: set[str] = set()
        self.refusals: Counter[str] = Counter()
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._session.close())
        self._loop.run_until_complete(self._runner.cleanup())

    async def _start(self) -> None:
        self._session = ClientSession(cookie_jar=DummyCookieJar(), auto_decompress=False)
        app = web.Application(client_max_size=20 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._forward)
        self._runner = web.AppRunner(app, auto_decompress=False, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _forward(self, request: web.Request) -> web.Response:
        target = request.headers.get("x-amz-target", "").lower()
        service = next((name for name in ("dynamodb", "sqs") if name in target), "")
        if service in self.refused:
            self.refusals[service] += 1
            return web.json_response({"__type": "ServiceUnavailable"}, status=503)
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP
        }
        async with self._session.request(
            request.method,
            self._upstream + request.raw_path,
            headers=headers,
            data=await request.read(),
        ) as answer:
            kept = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in HOP_BY_HOP
            }
            return web.Response(status=answer.status, headers=kept, body=await answer.read())
