"""`make try-provider RUNG='{"provider": "mistral", "model": "…"}' KEY=…`: ten real calls.

They go the shipped way: the ladder's rung, the prompt, the SDK, the validator. Printed is what came
back of each, and which dialect the endpoint speaks; never a word of a prompt, an answer or the key.
The calls cost what ten recipes cost.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from rich.table import Table

from answer import InvalidAnswer, validated
from bench.small_model import REQUESTS
from bench.terminal import console
from ladder import Ladder, Rung, UnusableLadder
from prompt import first_ask, response_format
from provider import Provider
from providers import error_bodies, replies
from providers.outcomes import ProviderFailure
from providers.unwrap import without_reasoning
from simmer.task import find_task
from simmer.web import http  # noqa: F401  the parent of all loggers, which calls name themselves to


class OneKey:
    """A keys secret with this key under every name."""

    def __init__(self, key: str) -> None:
        self._key = key

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803
        return {"SecretString": json.dumps({"default": self._key, SecretId: self._key})}


@dataclass
class Dialect:
    """What was seen of an endpoint's forms, and how often."""

    seen: Counter[str] = field(default_factory=Counter)

    def reply(self, body: Any) -> None:
        """A 200."""
        for fact in _facts(body):
            self.seen[fact] += 1

    def error(self, said: error_bodies.Said) -> None:
        """What an error comes to is in the calls; here is its form."""
        self.seen[f"an error of status {said.status}"] += 1
        if said.parameter:
            self.seen[f"it names the parameter {said.parameter}"] += 1


def _facts(body: Any) -> Iterator[str]:
    choices = body.get("choices") if isinstance(body, Mapping) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        yield "a 200 without choices"
        return
    message = choices[0].get("message") or {}
    reason = choices[0].get("finish_reason")
    yield f"finish_reason {str(reason)[:30]}"
    content = message.get("content")
    text = content if isinstance(content, str) else ""
    yield f"content is {type(content).__name__}"
    if text != without_reasoning(text):
        yield "thoughts before the answer, in its content"
    for name in ("reasoning", "reasoning_content"):
        if message.get(name):
            yield f"thoughts in {name}" + ("" if text.strip() else ", and no content")
    yield from _usage_facts(body.get("usage"))


def _usage_facts(used: Any) -> Iterator[str]:
    if not isinstance(used, Mapping) or not used.get("prompt_tokens"):
        yield "no usage: cost would be estimated"
        return
    asked, written = used["prompt_tokens"], used.get("completion_tokens") or 0
    total = used.get("total_tokens") or asked + written
    reasoned = (used.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    if total > asked + written:
        yield "reasoning is billed beside completion_tokens"
    elif reasoned:
        yield "reasoning is among completion_tokens"
    if (used.get("prompt_tokens_details") or {}).get("cached_tokens"):
        yield "cached tokens in prompt_tokens_details"
    elif used.get("cached_tokens") or used.get("prompt_cache_hit_tokens"):
        yield "cached tokens at the top of usage"


@contextmanager
def listening(dialect: Dialect) -> Iterator[None]:
    """Whatever is read meanwhile is looked at, too."""
    read_reply, read_error = replies.read, error_bodies.read

    def reply(body: Any, *rest: Any) -> Any:
        dialect.reply(body)
        return read_reply(body, *rest)

    def error(*said: Any) -> Any:
        read = read_error(*said)
        dialect.error(read)
        return read

    with patch.object(replies, "read", reply), patch.object(error_bodies, "read", error):
        yield


async def ask(provider: Provider, rung: Rung, request: Mapping[str, Any]) -> tuple[str, str, int]:
    """One call: how it ended, what the validator says, and its output tokens."""
    task = find_task("recipe")
    text = json.dumps(request, ensure_ascii=False)
    try:
        answer = await provider.ask(
            rung,
            first_ask(task, rung, text),
            response_format(task, rung),
            max_output_tokens=rung.max_output_tokens,
            timeout_seconds=rung.timeout_seconds,
        )
    except ProviderFailure as failure:
        named = f" ({failure.parameter})" if failure.parameter else ""
        return failure.kind + named, "–", failure.usage.output_tokens
    verdict = "–"
    if answer.ending == "stop":
        try:
            validated(task, task.wire_model.model_validate_json(text), answer.text)
            verdict = "valid"
        except InvalidAnswer as invalid:
            verdict = f"{len(invalid.complaints)} complaints"
    return answer.ending, verdict, answer.usage.output_tokens


async def try_out(
    rung: Rung, key: str, requests: Sequence[Mapping[str, Any]], show: Callable[[Any], None]
) -> bool:
    """Ask, and show what came back; whether any answer was valid."""
    provider, dialect = Provider("keys", OneKey(key)), Dialect()
    table = Table("", "ended", "the validator", "seconds", "output tokens")
    verdicts = []
    with listening(dialect):
        for number, request in enumerate(requests, 1):
            started = time.monotonic()
            ended, verdict, tokens = await ask(provider, rung, request)
            seconds = time.monotonic() - started
            table.add_row(str(number), ended, verdict, f"{seconds:.1f}", str(tokens))
            verdicts.append(verdict)
    show(table)
    show(f"[bold]{rung.model}[/] at {rung.base_url} speaks like this:")
    for fact, count in dialect.seen.most_common():
        show(f"  {count:>3} × {fact}")
    return "valid" in verdicts


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make try-provider", description=__doc__)
    parser.add_argument("--rung", required=True, help="a rung of the ladder, as JSON")
    parser.add_argument("--n", type=int, default=len(REQUESTS), help="how many calls")
    given = parser.parse_args(arguments)
    screen = console()
    try:
        [rung] = Ladder.parse(f"[{given.rung}]")
    except UnusableLadder as error:
        screen.print(str(error), markup=False)
        return 2
    except ValueError:
        screen.print("RUNG is no JSON object with a rung's fields (docs/providers.md)")
        return 2
    key = os.environ.get("KEY", "")
    if rung.key and not key:
        screen.print("KEY is not set, and this provider wants one")
        return 2
    rung = rung.model_copy(update={"key": rung.key and "default"})
    return 0 if asyncio.run(try_out(rung, key, REQUESTS[: given.n], screen.print)) else 1


if __name__ == "__main__":
    sys.exit(main())
