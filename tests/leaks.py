"""What must stand in no log and no file of an emulator: marked texts, tokens, keys."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

from local.emulator.stack import Emulator

# Whatever the tests were about: a signed token, a ticket or a push token, a key of a provider's.
SECRETS = re.compile(
    r"\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.|\bticket=[\w.-]{20,}|\bsk-[A-Za-z0-9]{12,}|whsec_[\w+/]{20,}"
    r"|\bstand-in-key\b|(?:\.eJ|\bWyI)[\w-]{40,}\.[\w-]{43}\b"
)
# A shorter text may stand anywhere.
LEAST_CHARACTERS = 12

# What the tests of this process have said to an API, and heard from it.
SAID: set[str] = set()


def heed(response: httpx2.Response) -> None:
    """Remember what an exchange held: the texts and keys of the request, the token; of the answer
    the model's texts and what opens the WebSocket."""
    headers = response.request.headers
    said = [
        headers.get("authorization", "").removeprefix("Bearer "),
        headers.get("idempotency-key", ""),
        *_texts(_document(response.request.content)),
    ]
    answer = _document(response.read())
    if isinstance(answer, dict):
        push = answer.get("push", {})
        said += [push.get("token", ""), push.get("url", "").partition("?ticket=")[2]]
        said += _texts([answer.get(each) for each in ("result", "partialResult", "outline")])
    SAID.update(each for each in said if len(each) >= LEAST_CHARACTERS)


def _document(body: bytes) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(body)
    return None


def _texts(document: Any) -> Iterator[str]:
    left = [document]  # no recursion: some tests send what is nested too deeply
    while left:
        match left.pop():
            case str() as text:
                yield text
            case list() as nodes:
                left += nodes
            case dict() as members:
                left += members.values()


def texts_of(emulator: Emulator) -> Iterator[tuple[str, str]]:
    """Where, and what stands there: its own log, the functions' lines, the log groups, the metrics,
    and every file that it keeps beside the code that it runs."""
    for file in (emulator.log, emulator.functions_log):
        yield file.name, file.read_text(errors="replace")
    logs = emulator.client("logs")
    for group in logs.get_paginator("describe_log_groups").paginate().search("logGroups[]"):
        name = group["logGroupName"]
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=name)
        yield name, "\n".join(each["message"] for each in pages.search("events[]") if each)
    metrics = emulator.client("cloudwatch").get_paginator("list_metrics").paginate()
    yield "metrics", json.dumps(list(metrics.search("Metrics[]")))
    for file in emulator.files():
        yield str(file), _read(file)


def leaks(emulator: Emulator, marks: Iterable[str] = ()) -> list[str]:
    """The places that hold a mark, or what looks like a token or a key; not the secret itself."""
    named = list(marks)
    return [
        where
        for where, text in texts_of(emulator)
        if SECRETS.search(text) or any(mark in text for mark in named)
    ]


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode("latin-1")
    except OSError:  # it was there for a moment
        return ""
