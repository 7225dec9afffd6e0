"""A stand-in for an OpenAI-compatible server: `python -m local.model.server --port 0 --delay 3`.

It answers `POST /v1/chat/completions` and `GET /v1/models` over real HTTP to the real SDK, for
every task of `simmer.tasks`: the request is a JSON object between a `<request>` and a `</request>`
line of a user message; the task is the name of the schema, or follows from the instructions. It
behaves, until told otherwise:

    POST /control/script {"answers": ["prose", "429:5"], "match": "tofu", "model": "stand-in-small"}
        the next matching calls are answered like that, in this order; `match` (a part of a
        user message) and `model` may be left out
    POST /control/mix    {"rates": {"429": 0.3, "hang": 0.05}, "seed": 1}
        of the calls without a script, these shares go wrong
    POST /control/delay  {"seconds": 2}     the mean time a good answer takes
    POST /control/reset                     all as at the start, no calls remembered
    GET  /control/calls?match=tofu          {"count", "calls": [{at, model, answer, closedEarly}]}

The kinds of answer are the keys of `contents.CONTENTS` and `faults.FAULTS`, those that a task has
of its own (`own`), and `{"kind": "raw", "content": …, "finish_reason": …}`.
"""

import argparse
import asyncio
import contextlib
import random
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from local.guarded import for_programs
from local.model import MODELS
from local.model.chat import Order, Tasks, order_of, text_of
from local.model.contents import CONTENTS, Content, content_of
from local.model.faults import FAULTS
from local.model.own import all_kinds

type Json = dict[str, Any]

_DELAY_SPREAD = 0.3  # an answer takes the mean time, give or take this share of it
_BYTES_A_TOKEN = 4


@dataclass(frozen=True)
class Usage:
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass
class Script:
    """Answers to give to the calls that match, one each."""

    answers: list[str | Json]
    match: str = ""
    model: str | None = None


@dataclass
class Call:
    at: float
    model: str
    user_text: str
    answer: str
    closed_early: bool = False

    def as_json(self) -> Json:
        return {
            "at": self.at,
            "model": self.model,
            "answer": self.answer,
            "closedEarly": self.closed_early,
        }


@dataclass
class Model:
    """What the server has been told and has seen."""

    default_delay_seconds: float
    delay_seconds: float = 0.0
    scripts: list[Script] = field(default_factory=list)
    rates: dict[str, float] = field(default_factory=dict)
    chance: random.Random = field(default_factory=random.Random)
    calls: list[Call] = field(default_factory=list)
    seen_prefixes: set[str] = field(default_factory=set)
    tasks: Tasks = field(default_factory=Tasks)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.delay_seconds = self.default_delay_seconds
        self.scripts, self.rates, self.calls = [], {}, []
        self.seen_prefixes = set()

    def next_answer(self, model: str, user_text: str) -> str | Json:
        """Scripts first, the oldest that matches; then the mix; then "ok"."""
        for script in self.scripts:
            if script.answers and script.match in user_text and script.model in (None, model):
                return script.answers.pop(0)
        draw = self.chance.random()
        for kind, rate in self.rates.items():
            draw -= rate
            if draw < 0:
                return kind
        return "ok"

    def usage(self, messages: list[Json], completion: str) -> Usage:
        system = "".join(text_of(each) for each in messages if each.get("role") == "system")
        cached = _tokens(system) if system in self.seen_prefixes else 0
        self.seen_prefixes.add(system)
        prompt = sum(_tokens(text_of(each)) + 4 for each in messages)
        return Usage(prompt, _tokens(completion), cached)


_MODEL = web.AppKey("model", Model)


async def complete(request: web.Request) -> web.StreamResponse:
    """POST /v1/chat/completions"""
    model = request.app[_MODEL]
    if not request.headers.get("Authorization", "").startswith("Bearer "):
        return await FAULTS["401"](request, "")
    body = await request.json()
    messages, name = body["messages"], body["model"]
    user_texts = [text_of(each) for each in messages if each.get("role") == "user"]
    answer = model.next_answer(name, "\n".join(user_texts))
    kind = answer["kind"] if isinstance(answer, dict) else answer
    call = Call(time.time(), name, "\n".join(user_texts), kind)
    model.calls.append(call)
    try:
        kind, _, argument = kind.partition(":")
        if kind in FAULTS:
            return await FAULTS[kind](request, argument)
        delay = float(argument) if kind == "slow" else model.delay_seconds
        await asyncio.sleep(delay * random.uniform(1 - _DELAY_SPREAD, 1 + _DELAY_SPREAD))
        content = await asyncio.to_thread(_said, answer, kind, body, model.tasks)
        usage = model.usage(messages, content.text or "")
        return web.json_response(_completion(name, content, usage))
    except asyncio.CancelledError:  # aiohttp's word for a client that has gone
        call.closed_early = True
        raise


def _said(answer: str | Json, kind: str, body: Json, tasks: Tasks) -> Content:
    """What to say; in a thread, for an answer may take some looking for."""
    order = order_of(tasks, body["messages"], body.get("response_format") or {})
    return _content(answer, kind, order)


def _content(answer: str | Json, kind: str, order: Order | None) -> Content:
    if isinstance(answer, dict):
        return Content(answer.get("content"), answer.get("finish_reason", "stop"))
    if order is None:
        return Content("I see no request of a task here.")
    return content_of("ok" if kind == "slow" else kind, order)


def _completion(model: str, content: Content, usage: Usage) -> Json:
    message = {"role": "assistant", "content": content.text, "refusal": content.refusal}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": content.finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        },
    }


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_A_TOKEN)


async def models(_: web.Request) -> web.StreamResponse:
    """GET /v1/models"""
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "simmer"} for name in MODELS]
    return web.json_response({"object": "list", "data": data})


async def control_script(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    script = Script(list(body["answers"]), body.get("match") or "", body.get("model"))
    for answer in script.answers:
        _check_kind(answer)
    request.app[_MODEL].scripts.append(script)
    return web.json_response({"queued": len(script.answers)})


async def control_mix(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    for kind in body["rates"]:
        _check_kind(kind)
    model = request.app[_MODEL]
    model.rates = body["rates"]
    model.chance = random.Random(body.get("seed"))
    return web.json_response({"rates": model.rates})


def _check_kind(answer: str | Json) -> None:
    """A misspelt kind must not pass for a good answer."""
    kind = answer["kind"] if isinstance(answer, dict) else answer.partition(":")[0]
    if kind not in CONTENTS.keys() | FAULTS.keys() | all_kinds() | {"raw", "slow"}:
        raise web.HTTPBadRequest(text=f"unknown kind of answer: {kind}")


async def control_delay(request: web.Request) -> web.StreamResponse:
    request.app[_MODEL].delay_seconds = float((await request.json())["seconds"])
    return web.json_response({})


async def control_reset(request: web.Request) -> web.StreamResponse:
    request.app[_MODEL].reset()
    return web.json_response({})


async def control_calls(request: web.Request) -> web.StreamResponse:
    match = request.query.get("match", "")
    calls = [call.as_json() for call in request.app[_MODEL].calls if match in call.user_text]
    return web.json_response({"count": len(calls), "calls": calls})


def application(delay_seconds: float, *, reloads: bool = False) -> web.Application:
    """The server; a good answer takes `delay_seconds` on average; `reloads` as for `Tasks`."""
    app = web.Application(client_max_size=16 * 1024**2, middlewares=[for_programs])
    app[_MODEL] = Model(delay_seconds, tasks=Tasks(reloads=reloads))
    app.add_routes(
        [
            web.post("/v1/chat/completions", complete),
            web.get("/v1/models", models),
            web.post("/control/script", control_script),
            web.post("/control/mix", control_mix),
            web.post("/control/delay", control_delay),
            web.post("/control/reset", control_reset),
            web.get("/control/calls", control_calls),
        ]
    )
    return app


async def serve(port: int, delay_seconds: float) -> None:
    # Cancellation is how a handler learns that its client has gone.
    app = application(delay_seconds, reloads=True)
    app[_MODEL].tasks.load()
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print(f"listening on {runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    arguments = argparse.ArgumentParser(description="A stand-in OpenAI-compatible server.")
    arguments.add_argument("--port", type=int, default=0, help="0 picks a free one")
    arguments.add_argument("--delay", type=float, default=4.0, help="mean seconds an answer takes")
    given = arguments.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.port, given.delay))


if __name__ == "__main__":
    main()
