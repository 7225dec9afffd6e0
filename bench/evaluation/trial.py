"""One golden request on one ladder, through the worker's own climb, prompt, provider and checks."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from answer import InvalidAnswer, validated
from ascent import Completed, Failed
from climb import Climb
from ladder import Ladder, Rung
from part_tasks import outline_task
from prices import priced
from prompt import Message
from provider import Provider
from providers.outcomes import Answer
from simmer.jobs.job import Job, Usage
from simmer.task import AnyTask, find_task
from simmer.task.reading import as_stored, read_request
from simmer.task.schema import wire_schema
from simmer.task.strict_schema import strict
from simmer.web import http  # noqa: F401  the parent of all loggers, which calls name themselves to

SECONDS_A_CALL = 180.0


class BudgetReached(Exception):
    """The next call could exceed the budget, so it was not made."""


@dataclass
class Purse:
    """What may be spent in all, None for no limit; what calls under way could cost is set aside."""

    limit_usd: float | None
    spent_usd: float = 0
    reserved_usd: float = 0

    def reserve(self, usd: float) -> None:
        if self.limit_usd is not None and self.spent_usd + self.reserved_usd + usd > self.limit_usd:
            raise BudgetReached
        self.reserved_usd += usd

    def settle(self, reserved_usd: float, spent_usd: float) -> None:
        self.reserved_usd -= reserved_usd
        self.spent_usd += spent_usd


class _Key:
    """The keys secret, with one key under every name."""

    def __init__(self, key: str, names: set[str]) -> None:
        self._secret = json.dumps(dict.fromkeys(names, key))

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803, ARG002
        return {"SecretString": self._secret}


@dataclass
class _Watched(Provider):
    """The real provider; keeps what was answered, and makes no call that the purse forbids."""

    inner: Provider
    purse: Purse
    task: AnyTask
    request: Any
    calls: int = 0
    twice: int = 0  # answers with two titles alike
    complaints: list[str] = field(default_factory=list)

    async def ask(
        self,
        rung: Rung,
        messages: list[Message],
        response_format: Mapping[str, Any] | None,
        *,
        max_output_tokens: int,
        timeout_seconds: float,
    ) -> Answer:
        schema = json.dumps(response_format or {})
        most = Usage(  # a token is a byte at least
            input_tokens=sum(len(str(each).encode()) for each in (*messages, schema)),
            output_tokens=max_output_tokens,
        )
        most_usd = _usd(most, rung)
        self.purse.reserve(most_usd)
        spent_usd = most_usd  # of a call that fails nobody knows
        self.calls += 1
        try:
            answer = await self.inner.ask(
                rung,
                messages,
                response_format,
                max_output_tokens=max_output_tokens,
                timeout_seconds=timeout_seconds,
            )
            spent_usd = _usd(answer.usage, rung)
        finally:
            self.purse.settle(most_usd, spent_usd)
        if answer.ending != "stop":
            self.complaints.append(answer.ending)
            return answer
        task, request = self._asked_for(messages)
        self.twice += self._has_twins(answer.text)
        try:
            await asyncio.to_thread(validated, task, request, answer.text)
        except InvalidAnswer as invalid:
            self.complaints += sorted({_place(task, each) for each in invalid.complaints})
        return answer

    def _asked_for(self, messages: list[Message]) -> tuple[AnyTask, Any]:
        """What this call's answer is to be: the whole one, an outline, or one part."""
        parts = self.task.parts
        if parts is None:
            return self.task, self.request
        system, user = (str(each.get("content")) for each in messages[:2])
        if system.startswith(parts.outline_instructions):
            return outline_task(self.task, parts, self.task.part_count(self.request)), self.request
        if "<outline>" in user.splitlines():
            return self.task, parts.asking_for(self.request, 1)
        return self.task, self.request

    def _has_twins(self, text: str) -> bool:
        """Whether two titles of the answer are alike but for case, spaces and marks."""
        if self.task.parts is None:
            return False
        names = {"title", self.task.parts.title}
        try:
            [items] = json.loads(text).values()
            titles = [item[name] for item in items for name in names if name in item]
            letters = ["".join(filter(str.isalnum, title.casefold())) for title in titles]
        except (ValueError, TypeError, AttributeError):
            return False
        return len(set(letters)) < len(letters)


def _usd(usage: Usage, rung: Rung) -> float:
    return priced(usage, rung.model, rung.price).cost_microusd / 1e6


def _place(task: AnyTask, complaint: str) -> str:
    """Where the complaint is, without a word of the answer: a path of names that the schema has."""
    path, colon, _ = complaint.partition(":")
    if not colon or " " in path:
        return "the answer"
    known = json.dumps(strict(wire_schema(task.result_model), bounds=False))
    return ".".join(
        "*" if part.isdecimal() or f'"{part}"' not in known else part for part in path.split(".")
    )


async def run(
    task_name: str,
    golden: Mapping[str, Any],
    rungs: list[Rung],
    key: str,
    purse: Purse,
    *,
    is_whole: bool = True,
) -> dict[str, Any]:
    """The trial as it is kept: JSON, with no word of request or answer. Or `BudgetReached`. The
    answer is asked for in one call if `is_whole`, else in parts."""
    task = find_task(task_name)
    request = read_request(task.wire_model, golden["request"])
    names = {rung.key for rung in rungs if rung.key}
    watched = _Watched(Provider("", _Key(key, names)), purse, task, request)
    climbing = Climb(
        ladder=Ladder(rungs),
        provider=watched,
        job=_job(task_name, as_stored(request), request.locale),
        seconds_for_a_call=lambda: SECONDS_A_CALL,
        is_whole=is_whole,
    )
    started = time.monotonic()
    outcome = await climbing.run()
    seconds = time.monotonic() - started
    is_valid = isinstance(outcome, Completed)
    expected = golden.get("expect", {})
    result = json.loads(outcome.result) if isinstance(outcome, Completed) else None
    count = 1 if is_whole else task.part_count(request)
    end = outcome.error_code if isinstance(outcome, Failed) else "no_capacity"
    return {
        "end": "valid" if is_valid else str(end),
        "calls": watched.calls,
        "least": 1 if count == 1 else 1 + count,
        "twice": watched.twice,
        "complaints": watched.complaints,
        "seconds": round(seconds, 3),
        "tokens": climbing.usage.input_tokens + climbing.usage.output_tokens,
        "usd": climbing.usage.cost_microusd / 1e6,
        "expected": len(expected),
        "met": sum(is_valid and at(result, path) == want for path, want in expected.items()),
    }


_NOTHING = object()


def at(document: Any, pointer: str) -> Any:
    """What stands in a document at a JSON pointer (RFC 6901); something equal to nothing if none
    does."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        try:
            document = document[int(name)] if isinstance(document, list) else document[name]
        except (KeyError, IndexError, ValueError, TypeError):
            return _NOTHING
    return document


def _job(task: str, request: str, locale: str) -> Job:
    return Job(
        job_id="0" * 32,
        run_id="eval",
        task=task,
        owner="eval",
        is_shared=False,
        request=request,
        request_hash="",
        locale=locale,
        created_at_ms=0,
        deadline_at_ms=300_000,
        expires_at_seconds=100_000,
    )
