"""Stand-ins that keep state: a provider with a queue of answers and a list of its questions."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ladder import Rung
from prompt import Message
from provider import Provider
from providers.outcomes import Answer
from simmer.jobs.job import Job, Usage
from simmer.task import find_task
from simmer.task.schema import wire_schema
from simmer.task.strict_schema import strict
from tests.patience import HANG_SECONDS

# What one answered call of the fake provider consumes.
USAGE = Usage(calls=1, input_tokens=100, cached_input_tokens=40, output_tokens=10)

REQUEST = {
    "ingredients": ["두부", "Tofu", "crème fraîche"],
    "servings": 2,
    "count": 2,
    "maxCookingTime": 30,
    "locale": "en",
}
RECIPE: dict[str, Any] = {
    "name": "Fried tofu",
    "description": "Crisp.",
    "ingredients": ["Tofu"],
    "additionalIngredients": ["salt"],
    "instructions": "1. Cut it.\n2. Fry at < 180 °C & serve.",
    "cookingTime": 15,
    "difficulty": "easy",
    "servings": 2,
}
RECIPES: list[dict[str, Any]] = [
    RECIPE,
    {**RECIPE, "name": "두부조림", "ingredients": ["두부", "crème fraîche"]},
]
VALID = json.dumps({"recipes": RECIPES}, ensure_ascii=False)


def job(**changes: Any) -> Job:
    """A job for `REQUEST` that a worker has not seen yet, or one with these fields changed."""
    fields: dict[str, Any] = {
        "job_id": "1" * 32,
        "run_id": "run-1",
        "task": "recipe",
        "owner": "alice",
        "is_shared": False,
        "request": json.dumps(REQUEST, ensure_ascii=False),
        "request_hash": "hash",
        "locale": "en",
        "created_at_ms": 0,
        "deadline_at_ms": 300_000,
        "expires_at_seconds": 100_000,
    }
    return Job(**{**fields, **changes})


@dataclass(frozen=True, slots=True)
class Asked:
    """One call as the provider saw it."""

    rung: Rung
    messages: list[Message]
    response_format: Mapping[str, Any] | None
    max_output_tokens: int
    timeout_seconds: float

    @property
    def kind(self) -> str:
        """`first`, `re-ask` (with the wrong answer and its errors) or `bigger` (twice the cap)."""
        if len(self.messages) == 4:
            return "re-ask"
        is_bigger = self.max_output_tokens == 2 * self.rung.max_output_tokens
        return "bigger" if is_bigger else "first"

    @property
    def texts(self) -> list[str]:
        return [str(message.get("content")) for message in self.messages]


class Hang:
    """An answer that never comes."""


type Said = str | Answer | Exception | Hang


@dataclass
class FakeProvider(Provider):
    """Gives its answers in turn: a text, an `Answer`, a failure to raise, or a `Hang`.

    A function among them is called in the middle of the call, and gives one of these.
    """

    answers: Iterable[Said | Callable[[], Said]] = ()
    asked: list[Asked] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    aborted: int = 0  # calls that were cancelled before they had an answer
    waits_for: int = 0  # nobody gets an answer before that many calls are in flight

    def __post_init__(self) -> None:
        self._left = iter(self.answers)
        self.called = asyncio.Event()
        self._all_in_flight = asyncio.Event()

    async def ask(
        self,
        rung: Rung,
        messages: list[Message],
        response_format: Mapping[str, Any] | None,
        *,
        max_output_tokens: int,
        timeout_seconds: float,
    ) -> Answer:
        self.asked.append(
            Asked(rung, messages, response_format, max_output_tokens, timeout_seconds)
        )
        self.called.set()
        answer = next(self._left)
        if callable(answer):
            answer = answer()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if isinstance(answer, Hang):
                await asyncio.Event().wait()
            if self.in_flight >= self.waits_for:
                self._all_in_flight.set()
            await asyncio.wait_for(self._all_in_flight.wait(), HANG_SECONDS)
        except asyncio.CancelledError:
            self.aborted += 1
            raise
        finally:
            self.in_flight -= 1
        match answer:
            case str():
                return Answer(answer, "stop", USAGE)
            case Answer():
                return answer
            case Exception():
                raise answer
        raise AssertionError(answer)


def refused() -> Answer:
    return Answer("", "refused", USAGE)


def truncated(text: str = VALID[:100]) -> Answer:
    return Answer(text, "truncated", USAGE)


def answer_schema(task_name: str, bounds: bool) -> dict[str, Any]:
    """The schema of the task's result as an endpoint is sent it."""
    return strict(wire_schema(find_task(task_name).result_model), bounds=bounds)
