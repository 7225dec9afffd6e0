"""HTTP servers on 127.0.0.1 for the real SDK to talk to: the stand-in model, and a cruder one."""

import asyncio
import json
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import web

from local.model.server import application
from tests.patience import HANG_SECONDS


class Served:
    """An application that is served from a thread of its own while the block lasts."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(HANG_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(HANG_SECONDS)
        self._loop.close()

    def _serve(self) -> None:
        # Cancellation is how a handler learns that its client has gone.
        runner = web.AppRunner(self._app, handler_cancellation=True, shutdown_timeout=0)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())


class StandIn(Served):
    """`local.model.server`, scripted and asked about over its own HTTP interface."""

    def __init__(self) -> None:
        super().__init__(application(delay_seconds=0))

    def script(self, *answers: str | dict[str, Any]) -> None:
        self._control("script", {"answers": answers})

    def reset(self) -> None:
        self._control("reset", {})

    def calls(self) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = self._control("calls", None)["calls"]
        return calls

    def _control(self, name: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(
            f"{self.url}/control/{name}", data, timeout=HANG_SECONDS
        ) as answer:
            return json.load(answer)


type Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Crude(Served):
    """Answers every call in the way it was last told, and remembers what it was sent."""

    def __init__(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        super().__init__(app)
        self.answer: Answering = says({})
        self.authorizations: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.named: list[str] = []  # the calls, by the client
        self.connections: set[object] = set()  # the client's addresses
        self.closed_early = 0

    def reset(self) -> None:
        self.authorizations, self.bodies, self.connections = [], [], set()
        self.named = []
        self.closed_early = 0

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.authorizations.append(request.headers.get("Authorization", ""))
        self.bodies.append(await request.json())
        self.named.append(request.headers.get("X-Client-Request-Id", ""))
        if request.transport is not None:
            self.connections.add(request.transport.get_extra_info("peername"))
        try:
            return await self.answer(request)
        except (asyncio.CancelledError, ConnectionError):
            self.closed_early += 1
            raise


def says(body: Any, status: int = 200, **headers: str) -> Answering:
    """The JSON document, or the text as it is."""

    async def answer(_: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(
            text=text, status=status, headers=names, content_type="application/json"
        )

    return answer


def trickles(text: str, seconds_a_byte: float) -> Answering:
    """A byte now and then: no read of the client's ever takes long."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for byte in text.encode():
            await response.write(bytes([byte]))
            await asyncio.sleep(seconds_a_byte)
        return response

    return answer


def completion(**changes: Any) -> dict[str, Any]:
    """A chat completion, with these fields of its only choice changed or `usage` replaced."""
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": "hello", "refusal": None},
        "logprobs": None,
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "usage": changes.pop("usage", usage),
        "choices": [{**choice, **changes}],
    }


def eventually(holds: Callable[[], object], within_seconds: float = HANG_SECONDS) -> None:
    """Wait for something that another thread is about to bring about."""
    ends_at = time.monotonic() + within_seconds
    while not holds():
        assert time.monotonic() < ends_at, "it did not happen"
        time.sleep(0.01)
