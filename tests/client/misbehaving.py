"""A server as the client may meet it: over real sockets, and doing what a test tells it.

    with MisbehavingServer(status=["10", "drop", "done"]) as server:
        ... Client(server.url, "token") ...
        assert server.count("status") == 3

A list of orders is followed one request after the other; the last one is repeated.
"""

import asyncio
import json
import ssl
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

from aiohttp import WSMsgType, web

from tests.client.driving import JOB, RESULT, in_parts, status

DOCUMENTS: dict[str, tuple[int, dict[str, Any]]] = {
    "10": (200, status("processing", 10, pollAfterMs=10)),
    "40": (200, status("processing", 40, pollAfterMs=10)),
    "titles": (200, status("processing", 10, pollAfterMs=10, **in_parts())),
    "second": (200, status("processing", 40, pollAfterMs=10, **in_parts(1))),
    "both": (200, status("processing", 60, pollAfterMs=10, **in_parts(0, 1))),
    "large": (200, status("completed", 100)),
    "done": (200, status("completed", 100, result=RESULT)),
    "failed": (200, status("failed", 95, error="No.", errorCode="refused", retryable=True)),
    "cancelled": (200, status("cancelled", 95)),
    "cached": (
        200,
        {"jobId": JOB, "status": "completed", "progress": 100, "result": RESULT, "cached": True},
    ),
    "401": (401, {"message": "Unauthorized"}),
    "404": (404, {"code": "job_not_found", "title": "No such job", "status": 404}),
    "422": (
        422,
        {
            "code": "invalid_request",
            "title": "Not its shape",
            "errors": [{"field": "ingredients.1", "message": "must \x1b[31m[bold]not[/bold]"}],
        },
    ),
    "500": (500, {"code": "internal"}),
    "problem": (0, {"type": "about:blank", "status": 401, "code": "invalid_push_token"}),
}


class MisbehavingServer:
    """Listens on a free port of 127.0.0.1. `push`: what its sockets do, subscription after
    subscription; None: it offers none."""

    def __init__(
        self,
        *,
        submit: Sequence[str] = ("accepted",),
        status: Sequence[str] = ("done",),
        cancel: Sequence[str] = ("cancelled",),
        push: Sequence[str] | None = None,
        result: object = RESULT,
        good_token: str | None = None,
        together: int = 1,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._orders = {"generate": submit, "status": status, "cancel": cancel, "push": push or ()}
        self._offers_push = push is not None
        self._result = result
        self._good_token = good_token
        self._together = together  # so many requests are refused at once: each waits for the rest
        self._tls = tls  # of a host that is called localhost
        self._refused = 0
        self._all_refused = asyncio.Event()
        self.met: list[tuple[str, web.BaseRequest]] = []
        self.bodies: list[object] = []  # of the submits
        self.submitted = threading.Event()
        self.subscribed = threading.Event()
        self.polled = threading.Event()
        self._done: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._hold = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def count(self, operation: str) -> int:
        """How many requests (for push: subscriptions) there were."""
        return sum(each == operation for each, _ in self.met)

    def _do(self, what: Any) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(timeout=30)

    async def _start(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.post("/api/{task}/generate", self._answer),
                web.get("/api/{task}/status/{job}", self._answer),
                web.post("/api/{task}/cancel/{job}", self._answer),
                web.get("/push", self._socket),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http{self._origin(self._port)}/api"

    def _origin(self, port: int) -> str:
        return f"s://localhost:{port}" if self._tls else f"://127.0.0.1:{port}"

    async def _stop(self) -> None:
        self._hold.set()
        await self._runner.cleanup()

    def _next(self, operation: str) -> str:
        orders = self._orders[operation]
        self._done[operation] += 1
        return orders[min(self._done[operation], len(orders)) - 1]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        operation = request.path.split("/")[3]
        self.met.append((operation, request))
        authorization = request.headers.get("authorization")
        if self._good_token and authorization != f"Bearer {self._good_token}":
            self._refused += 1
            if self._refused == self._together:
                self._all_refused.set()
            await self._all_refused.wait()
            return self._document("401")
        order = self._next(operation)
        if operation == "generate":
            self.bodies.append(await request.json())
            self.submitted.set()
        if operation == "status":
            self.polled.set()
        if order in ("drop", "half", "drip", "slow"):
            return await self._break(request, order)
        if order == "accepted":
            return web.json_response(self._accepted(), status=202)
        if order == "html":
            return web.Response(text="<html>", content_type="text/html")
        if order == "redirect":
            return web.Response(status=302, headers={"location": self.url})
        return self._document(order)

    async def _break(self, request: web.Request, order: str) -> web.StreamResponse:
        assert request.transport
        response = web.StreamResponse(headers={"content-length": "1000"})
        if order == "drop":
            request.transport.abort()
            return response
        if order == "slow":
            await self._hold.wait()
            return response
        await response.prepare(request)
        await response.write(b'{"jobId": ')
        while order == "drip" and not self._hold.is_set():
            await asyncio.sleep(0.05)
            await response.write(b" ")
        request.transport.close()
        return response

    def _accepted(self) -> dict[str, object]:
        accepted: dict[str, object] = {"jobId": JOB, "status": "submitted", "message": "Accepted."}
        if self._offers_push:
            # Port 9 is nobody's.
            port = 9 if self._orders["push"] == ("nobody",) else self._port
            accepted["push"] = {"url": f"ws{self._origin(port)}/push", "token": "push-token"}
        return accepted

    def _document(self, order: str) -> web.Response:
        return web.json_response(self._fields(order), status=DOCUMENTS[order][0])

    def _fields(self, order: str) -> dict[str, Any]:
        fields = DOCUMENTS[order][1]
        return {**fields, "result": self._result} if "result" in fields else fields

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        match self._orders["push"]:
            case ("forbidden",):
                return web.Response(status=403)
            case ("elsewhere", url):
                return web.Response(status=302, headers={"location": url})
        return await self._talk(request)

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            wanted = {"action": "subscribe", "jobId": JOB, "token": "push-token"}
            assert json.loads(message.data) == wanted
            self.met.append(("push", request))
            self.subscribed.set()
            for order in self._next("push").split(","):
                match order:
                    case "silence":
                        pass
                    case "close":
                        await socket.close()
                    case "kill":
                        assert request.transport
                        request.transport.abort()
                    case "nonsense":
                        await socket.send_str("}{")
                    case "bytes":
                        await socket.send_bytes(b"\x00\xff")
                    case _:
                        await socket.send_json(self._fields(order))
        return socket
