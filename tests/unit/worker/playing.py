"""A job on real endpoints: the real worker and SDK against scripted servers, until the job ends.

What a delay of the queue would take passes at once, on the tests' clock.
"""

import asyncio
import itertools
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

import app
import provider as provider_module
from provider import Provider
from simmer.jobs.job import Job
from tests.unit.worker.servers import Served
from tests.unit.worker.workshop import Context, Keys, Workshop

PRICE = {"input": 1, "cachedInput": 0.1, "output": 10}


@dataclass(frozen=True)
class Call:
    """A request as an endpoint saw it."""

    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def cap(self) -> int | None:
        caps = [self.body.get(name) for name in ("max_tokens", "max_completion_tokens")]
        return next((cap for cap in caps if cap is not None), None)


@dataclass(frozen=True)
class Reply:
    """What it answers; `body` is sent as it is if it is text."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0
    is_dropped: bool = False  # the connection is closed without a word


type Endpoint = Callable[[Call], Reply]


def in_turn(replies: Iterable[Reply], repeats_last: bool = True) -> Endpoint:
    """Answers with each of them once, and then with the last."""
    replies = list(replies)
    each = itertools.chain(replies, itertools.repeat(replies[-1]) if repeats_last else ())
    return lambda _: next(each, Reply({"error": {"message": "script is over"}}, 500))


class Endpoints(Served):
    """Each endpoint under a path of its own, and the calls it had."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        app = web.Application()
        app.router.add_post("/{number}/{tail:.*}", self._complete)
        super().__init__(app)
        self._endpoints = endpoints
        self.calls: list[list[Call]] = [[] for _ in endpoints]

    def address(self, number: int) -> str:
        return f"{self.url}/{number}"

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["number"])
        call = Call(
            path=request.match_info["tail"],
            query=dict(request.query),
            headers=request.headers,
            body=await request.json(),
        )
        self.calls[number].append(call)
        reply = self._endpoints[number](call)
        await asyncio.sleep(reply.delay_seconds)
        if reply.is_dropped and request.transport is not None:
            request.transport.close()
        text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        return web.Response(
            text=text,
            status=reply.status,
            headers=dict(reply.headers),
            content_type="text/html" if text.startswith("<") else "application/json",
        )


@dataclass
class Played:
    """How a job went."""

    stored: dict[str, Any]
    calls: list[list[Call]]
    delays: list[int]  # of each return to the queue
    lines: list[dict[str, Any]]  # "model call", with `level`

    @property
    def ended(self) -> str:
        """`completed`, or the error's code."""
        return str(self.stored.get("error_code") or self.stored["status"])

    @property
    def counts(self) -> list[int]:
        return [len(calls) for calls in self.calls]

    @property
    def endings(self) -> list[str]:
        return [line["ending"] for line in self.lines]

    @property
    def alarms(self) -> list[dict[str, Any]]:
        """The lines that the misconfigured-model alarm counts."""
        return [line for line in self.lines if line["level"] == "ERROR"]


class Player:
    """Plays jobs on a ladder whose rungs are these endpoints, with one worker process."""

    def __init__(
        self,
        shop: Workshop,
        records: list[logging.LogRecord],
        server: Endpoints,
        ladder: Sequence[Mapping[str, Any]],
        keys: Keys | None = None,
    ) -> None:
        self.shop = shop
        self._records = records
        self._server = server
        self._ladder = [
            {"price": PRICE, **rung, "baseUrl": server.address(number) + rung.get("path", "/v1")}
            for number, rung in enumerate(ladder)
        ]
        for rung in self._ladder:
            rung.pop("path", None)
        self._provider = Provider("keys", keys or Keys())

    def play(self) -> Played:
        """A new job, from its admission to its end."""
        shop, delays = self.shop, list[int]()
        send = shop.queue.send

        def send_at_once(job: Job, delay_seconds: int = 0, **_: str | None) -> None:
            delays.append(delay_seconds)
            shop.clock.advance(delay_seconds)
            send(job)

        self._records.clear()
        before = [len(calls) for calls in self._server.calls]
        job = shop.admit()
        shop.queue.send = send_at_once  # type: ignore[method-assign]
        provider_module._client.cache_clear()  # its connections are of another loop
        worker = shop.worker(self._provider, self._ladder)
        try:
            with asyncio.Runner() as runner:  # one loop, so that connections are kept
                while shop.cloud.job(job.job_id)["status"] in ("pending", "processing"):
                    event = {"Records": shop.receive()}
                    runner.run(app.process(event, Context(), worker))
        finally:
            shop.queue.send = send  # type: ignore[method-assign]
        lines = [vars(record) for record in self._records if record.msg == "model call"]
        return Played(
            stored=shop.cloud.job(job.job_id),
            calls=[calls[had:] for calls, had in zip(self._server.calls, before, strict=True)],
            delays=delays,
            lines=[{**line, "level": line["levelname"]} for line in lines],
        )
