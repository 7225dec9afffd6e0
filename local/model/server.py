"""A stand-in for an OpenAI-compatible server: `python -m local.model.server --port 0 --delay 3`.

It answers `POST /v1/chat/completions` and `GET /v1/models` over real HTTP to the real SDK. A
request for recipes is a JSON object between a `<request>` and a `</request>` line of a user
message. It behaves, until told otherwise:

    POST /control/script {"answers": ["prose", "429:5"], "match": "tofu", "model": "stand-in-small"}
        the next matching calls are answered like that, in this order; `match` (a part of a
        user message) and `model` may be left out
    POST /control/mix    {"rates": {"429": 0.3, "hang": 0.05}, "seed": 1}
        of the calls without a script, these shares go wrong
    POST /control/delay  {"seconds": 2}     the mean time a good answer takes
    POST /control/reset                     all as at the start, no calls remembered
    GET  /control/calls?match=tofu          {"count", "calls": [{at, model, answer, closedEarly}]}

The kinds of answer are the keys of `CONTENTS` and `FAULTS`, and `{"kind": "raw", "content": …,
"finish_reason": …}`.
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import socket
import struct
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from local.model.recipes import Json, cook

MODELS = ("stand-in-small", "stand-in-large")

_HANG_SECONDS = 300.0
_DELAY_SPREAD = 0.3  # an answer takes the mean time, give or take this share of it
_BYTES_A_TOKEN = 4
_HUGE_BYTES = 1_200_000
_NESTED_LEVELS = 100_000
_DEFAULT_RETRY_AFTER_SECONDS = 2
_REQUEST = re.compile(r"^<request>[ \t]*\n(.*?)\n</request>[ \t]*$", re.DOTALL | re.MULTILINE)


# --- Answers of status 200 whose content is, mostly, not what was asked ---------------------


@dataclass(frozen=True)
class Content:
    """What a message says, and why it ended there."""

    text: str | None
    finish_reason: str = "stop"
    refusal: str | None = None


@dataclass(frozen=True)
class Order:
    """A request for recipes, as read from a chat, and the good answer to it."""

    request: Json
    recipes: list[Json]

    def text(self, recipes: list[Json] | None = None) -> str:
        answer = {"recipes": self.recipes if recipes is None else recipes}
        return json.dumps(answer, ensure_ascii=False)

    def with_first(self, **changes: Any) -> Content:
        """The good answer with these fields of its first recipe changed."""
        return Content(self.text([{**self.recipes[0], **changes}, *self.recipes[1:]]))

    def without_first(self, name: str) -> Content:
        first = {key: value for key, value in self.recipes[0].items() if key != name}
        return Content(self.text([first, *self.recipes[1:]]))

    def cut(self) -> str:
        return self.text()[: len(self.text()) * 2 // 3]


def _duplicate_names(order: Order) -> Content:
    same = [{**recipe, "name": order.recipes[0]["name"]} for recipe in order.recipes]
    return Content(order.text(same if len(same) > 1 else same * 2))


def _replaced(order: Order, key: str, becomes: str) -> Content:
    """The good answer with the text of the first `"key": number` replaced."""
    return Content(re.sub(rf'"{key}": \d+', becomes, order.text(), count=1))


def _control_characters(order: Order) -> Content:
    return order.with_first(instructions="1. \u0000Boil.\u0007\u001b[31m Serve.\u202e")


def _lone_surrogate(order: Order) -> Content:
    """Half a character, as an escape within the JSON text: the text itself is sound."""
    name = order.recipes[0]["name"]
    return Content(order.text().replace(f'"{name}"', f'"{name} \\ud83d"', 1))


def _markup(order: Order) -> Content:
    return order.with_first(
        name='<img src=x onerror="alert(1)">', instructions="<script>alert('recipe')</script>"
    )


CONTENTS: dict[str, Callable[[Order], Content]] = {
    "ok": lambda order: Content(order.text()),
    "prose": lambda _: Content("Sure! Here are some lovely ideas for dinner: first, a stew…"),
    "fenced": lambda order: Content(f"```json\n{order.text()}\n```"),
    "truncated": lambda order: Content(order.cut(), "length"),
    "truncated_stop": lambda order: Content(order.cut()),
    "wrong_types": lambda order: order.with_first(cookingTime="15 minutes", servings="2"),
    "unknown_field": lambda order: order.with_first(calories=420),
    "missing_field": lambda order: order.without_first("instructions"),
    "foreign_ingredient": lambda order: order.with_first(
        ingredients=[*order.recipes[0]["ingredients"], "unicorn fillet"]
    ),
    "too_few": lambda order: Content(order.text(order.recipes[:-1])),
    "duplicate_names": _duplicate_names,
    "wrong_servings": lambda order: order.with_first(servings=order.recipes[0]["servings"] + 1),
    "too_long": lambda order: order.with_first(
        cookingTime=(order.request.get("maxCookingTime") or 100_000) + 1
    ),
    "empty_text": lambda order: order.with_first(instructions=""),
    # Of two keys most parsers keep the last, so only a strict one notices.
    "duplicate_keys": lambda order: _replaced(
        order, "servings", f'"servings": 99, "servings": {order.recipes[0]["servings"]}'
    ),
    "nan": lambda order: _replaced(order, "cookingTime", '"cookingTime": NaN'),
    "trailing_text": lambda order: Content(order.text() + "\n\nEnjoy your meal!"),
    "nested": lambda _: Content('{"recipes": ' + "[" * _NESTED_LEVELS + "]" * _NESTED_LEVELS + "}"),
    "huge": lambda order: order.with_first(instructions="Stir. " * (_HUGE_BYTES // 6)),
    "control_chars": _control_characters,
    "markup": _markup,
    "lone_surrogate": _lone_surrogate,
    "refusal": lambda _: Content(None, refusal="I'm sorry, but I can't help with that."),
    "content_filter": lambda order: Content(order.cut()[:40], "content_filter"),
    "empty": lambda _: Content(""),
    "null_content": lambda _: Content(None),
}


# --- Answers that are none ------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """An error of the API, in OpenAI's words."""

    status: int
    code: str | None
    message: str
    type: str = "invalid_request_error"
    retry_after: bool = False

    async def answer(self, _: web.Request, argument: str) -> web.StreamResponse:
        """`argument`: the seconds of a Retry-After header, or empty."""
        seconds = argument or (str(_DEFAULT_RETRY_AFTER_SECONDS) if self.retry_after else "")
        error = {"message": self.message, "type": self.type, "param": None, "code": self.code}
        headers = {"Retry-After": seconds} if seconds else {}
        return web.json_response({"error": error}, status=self.status, headers=headers)


async def _html(_: web.Request, __: str) -> web.StreamResponse:
    return web.Response(text="<html><body>Welcome!</body></html>", content_type="text/html")


async def _no_choices(_: web.Request, __: str) -> web.StreamResponse:
    return web.json_response({**_completion(MODELS[0], Content(""), Usage()), "choices": None})


async def _broken_json(_: web.Request, __: str) -> web.StreamResponse:
    return web.Response(
        text='{"id": "chatcmpl-1", "choices": [{"ind', content_type="application/json"
    )


async def _nothing(_: web.Request, __: str) -> web.StreamResponse:
    return web.Response(content_type="application/json")


async def _drop(request: web.Request, _: str) -> web.StreamResponse:
    """Half an answer, then a reset of the connection."""
    response = web.StreamResponse(headers={"Content-Length": "5000"})
    response.content_type = "application/json"
    await response.prepare(request)
    await response.write(b'{"id": "chatcmpl-1", "choices": [')
    transport = request.transport
    if transport is not None:
        # Closing with unsent data forbidden to linger makes the kernel send RST, not FIN.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return response


async def _hang(_: web.Request, __: str) -> web.StreamResponse:
    await asyncio.sleep(_HANG_SECONDS)
    return web.Response(status=504)


FAULTS: dict[str, Callable[[web.Request, str], Awaitable[web.StreamResponse]]] = {
    "401": Fault(401, "invalid_api_key", "Incorrect API key provided.").answer,
    "403": Fault(403, "unsupported_country_region_territory", "Not available here.").answer,
    "404": Fault(404, "model_not_found", "The model does not exist.").answer,
    # "429:5", or "503:5", asks for five seconds of patience.
    "429": Fault(
        429, "rate_limit_exceeded", "Rate limit reached.", "requests", retry_after=True
    ).answer,
    "quota": Fault(
        429, "insufficient_quota", "You exceeded your current quota.", "insufficient_quota"
    ).answer,
    "500": Fault(500, None, "The server had an error.", "server_error").answer,
    "503": Fault(503, None, "The engine is overloaded.", "server_error").answer,
    "overloaded": Fault(529, None, "Overloaded.", "overloaded_error").answer,
    "html": _html,
    "no_choices": _no_choices,
    "broken_json": _broken_json,
    "nothing": _nothing,
    "drop": _drop,
    "hang": _hang,
}


# --- The server -----------------------------------------------------------------------------


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
        system = "".join(_text(each) for each in messages if each.get("role") == "system")
        cached = _tokens(system) if system in self.seen_prefixes else 0
        self.seen_prefixes.add(system)
        prompt = sum(_tokens(_text(each)) + 4 for each in messages)
        return Usage(prompt, _tokens(completion), cached)


_MODEL = web.AppKey("model", Model)


async def complete(request: web.Request) -> web.StreamResponse:
    """POST /v1/chat/completions"""
    model = request.app[_MODEL]
    if not request.headers.get("Authorization", "").startswith("Bearer "):
        return await FAULTS["401"](request, "")
    body = await request.json()
    messages, name = body["messages"], body["model"]
    user_texts = [_text(each) for each in messages if each.get("role") == "user"]
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
        order = _order(user_texts, body.get("response_format") or {})
        content = _content(answer, kind, order)
        usage = model.usage(messages, content.text or "")
        return web.json_response(_completion(name, content, usage))
    except asyncio.CancelledError:  # aiohttp's word for a client that has gone
        call.closed_early = True
        raise


def _content(answer: str | Json, kind: str, order: Order | None) -> Content:
    if isinstance(answer, dict):
        return Content(answer.get("content"), answer.get("finish_reason", "stop"))
    if order is None:
        return Content("I see no request here.")
    return CONTENTS["ok" if kind == "slow" else kind](order)


def _order(user_texts: list[str], response_format: Json) -> Order | None:
    """The last request in the chat: when a bad answer is asked again, it is not the last text."""
    for text in reversed(user_texts):
        if found := _REQUEST.findall(text):
            request = json.loads(found[-1])
            fields = _recipe_fields(response_format)
            recipes = cook(request)
            if fields is not None:
                # A strict schema wants every field, and null where there is nothing to say.
                recipes = [{key: each.get(key) for key in fields} for each in recipes]
            return Order(request, recipes)
    return None


def _recipe_fields(schema: Any) -> list[str] | None:
    """The fields of a recipe by a JSON Schema, wherever in it a recipe is described."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict) and "cookingTime" in properties:
            return list(properties)
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            if fields := _recipe_fields(part):
                return fields
    return None


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


def _text(message: Json) -> str:
    """The text of a message, whose content is a string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


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
    if kind not in CONTENTS.keys() | FAULTS.keys() | {"raw", "slow"}:
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


def application(delay_seconds: float) -> web.Application:
    """The server; a good answer takes `delay_seconds` on average."""
    app = web.Application(client_max_size=16 * 1024**2)
    app[_MODEL] = Model(delay_seconds)
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
    runner = web.AppRunner(application(delay_seconds), handler_cancellation=True)
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
