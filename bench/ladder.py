"""`make bench-ladder`: the cost of valid answers on a cheap model, a strong model, a ladder.

Simulated jobs go through the shipped climb, prompt, validation and price table; only the provider
is scripted: its answer is a good one, or wrong in one of the ways of models. Two worlds are shown,
for nobody knows which one is real: in one every call has its own chance, so that a re-ask may
mend it; in the other a model that got a request wrong gets it wrong again.
"""

import argparse
import asyncio
import json
import logging
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.progress import track
from rich.table import Table

from ascent import Completed, Failed
from bench.meter import Meter, o200k
from bench.terminal import console, side_by_side
from bench.workload import admitted, raw_requests, recipes_for
from climb import Climb
from ladder import Ladder, Rung
from local.emulator import sam
from local.model.chat import Order
from local.model.contents import content_of
from local.toolchain import TEMPLATE
from prompt import Message
from provider import Provider
from providers.outcomes import Answer
from simmer.jobs.job import Job, Usage
from simmer.task import find_task
from tests.fuzz.judge import objections

WRONG = (
    *("prose", "truncated", "truncated_stop", "wrong_types", "unknown_field", "missing_field"),
    *("foreign_ingredient", "too_few", "duplicate_names", "wrong_servings", "empty_text"),
    *("duplicate_keys", "trailing_text", "markup"),
)
CALLS_A_RUNG = 2  # at the most; the climbing rules say so

type World = Literal["anew", "again"]
WORLDS: dict[World, str] = {
    "anew": "every call has its own chance: a re-ask may mend what was wrong",
    "again": "a model that got a request wrong gets it wrong again: a re-ask mends nothing",
}


class Fate:
    """The calls that go wrong, for exactly that share of `jobs` jobs; the same on every ladder."""

    def __init__(
        self, wrong_rates: Mapping[str, float], world: World, *, jobs: int, seed: int
    ) -> None:
        self._wrong: dict[tuple[str, int], dict[int, str]] = {}
        for model, rate in wrong_rates.items():
            for call in range(CALLS_A_RUNG):
                drawn = 0 if world == "again" else call
                chance = random.Random(f"{seed}/{model}/{drawn}")
                unlucky = chance.sample(range(jobs), round(rate * jobs))
                self._wrong[model, call] = {job: chance.choice(WRONG) for job in unlucky}

    def wrong(self, job: int, model: str, call: int) -> str | None:
        """The flaw of that call's answer, None if it is good; jobs and calls count from 0."""
        return self._wrong[model, call].get(job)

    def dooms(self, job: int, models: Iterable[str]) -> bool:
        """True if every call that may be made goes wrong."""
        return all(self.wrong(job, model, call) for model in models for call in range(CALLS_A_RUNG))


@dataclass
class ScriptedProvider(Provider):
    """Answers the calls of one job, without HTTP."""

    fate: Fate
    meter: Meter
    job: int
    request: str
    calls: Counter[str] = field(default_factory=Counter)
    said: str = ""  # the last answer

    async def ask(
        self,
        rung: Rung,
        messages: list[Message],
        response_format: Mapping[str, Any] | None,
        **_: object,
    ) -> Answer:
        kind = self.fate.wrong(self.job, rung.model, self.calls[rung.model]) or "ok"
        self.calls[rung.model] += 1
        good = {"recipes": recipes_for(self.request)}
        content = content_of(kind, Order(find_task("recipe"), json.loads(self.request), given=good))
        self.said = content.text or ""
        ending: Literal["truncated", "stop"] = (
            "truncated" if content.finish_reason == "length" else "stop"
        )
        return Answer(self.said, ending, self.meter.bill(messages, response_format, self.said))


@dataclass(slots=True)
class Result:
    """The results of all jobs on one ladder."""

    valid: int = 0
    invalid: int = 0  # delivered, and the independent judge objects: must stay 0
    failed: Counter[str] = field(default_factory=Counter)
    doomed: int = 0  # jobs for which every call there may be is wrong
    usage: Usage = field(default_factory=Usage)

    @property
    def is_as_promised(self) -> bool:
        """Valid answers for all jobs but those that every model fails."""
        return not self.invalid and self.failed.total() == self.doomed

    @property
    def usd(self) -> float:
        return self.usage.cost_microusd / 1e6


async def climb_all(rungs: list[Rung], requests: Iterable[str], fate: Fate, meter: Meter) -> Result:
    """Run a job for each request up the ladder of these rungs."""
    result = Result()
    ladder, models = Ladder(rungs), [rung.model for rung in rungs]
    for n, request in enumerate(requests):
        provider = ScriptedProvider(fate, meter, n, request)
        climbing = Climb(
            ladder=ladder,
            provider=provider,
            job=_job(n, request),
            seconds_for_a_call=lambda: 60.0,
            is_whole=True,
        )
        outcome = await climbing.run()
        result.usage += climbing.usage
        result.doomed += fate.dooms(n, models)
        match outcome:
            case Completed(delivered):
                wrong = objections(json.loads(request), provider.said, delivered)
                result.invalid += bool(wrong)
                result.valid += not wrong
            case Failed(error_code):
                result.failed[error_code] += 1
            case _:
                raise AssertionError(outcome)
    return result


def _job(n: int, request: str) -> Job:
    return Job(
        job_id=f"{n:032x}",
        run_id="run",
        task="recipe",
        owner="alice",
        is_shared=False,
        request=request,
        request_hash="",
        locale=json.loads(request)["locale"],
        created_at_ms=0,
        deadline_at_ms=300_000,
        expires_at_seconds=100_000,
    )


def main() -> int:
    arguments = argparse.ArgumentParser(prog="make bench-ladder", description=__doc__)
    arguments.add_argument("--n", type=int, default=1000, help="how many jobs")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--cheap-wrong", type=float, default=0.20, metavar="RATE")
    arguments.add_argument("--strong-wrong", type=float, default=0.02, metavar="RATE")
    given = arguments.parse_args()
    logging.disable()  # the climb logs every call
    out = console()
    cheap, strong = template_ladder()
    rates = {cheap.model: given.cheap_wrong, strong.model: given.strong_wrong}
    ladders = {"cheap only": [cheap], "strong only": [strong], "ladder": [cheap, strong]}
    requests = [admitted(raw) for raw in raw_requests(given.n, given.seed)]
    wrong = "\n".join(
        f"{word}: {model}, wrong {rate:.0%} of the time"
        for word, (model, rate) in zip(("cheap", "strong"), rates.items(), strict=True)
    )
    out.print(f"{given.n:,} jobs, seed {given.seed}\n{wrong}")
    encode = o200k()
    is_as_promised = True
    for world, meaning in WORLDS.items():
        fate = Fate(rates, world, jobs=given.n, seed=given.seed)
        results = {}
        for name, rungs in ladders.items():
            shown = track(requests, name, console=out, transient=True, disable=not out.is_terminal)
            results[name] = asyncio.run(climb_all(rungs, shown, fate, Meter(encode)))
        out.print(f"\n{meaning}", _table(results, given.n), sep="\n")
        is_as_promised &= all(result.is_as_promised for result in results.values())
    out.print(
        "A valid answer for every job but those that each model of the ladder got wrong."
        if is_as_promised
        else "NOT AS PROMISED: a job failed that could be answered, or an invalid answer got out."
    )
    return 0 if is_as_promised else 1


def template_ladder() -> tuple[Rung, Rung]:
    """The cheap and the strong model that the template comes with."""
    parsed = Ladder.parse(sam.read(TEMPLATE)["Parameters"]["ModelLadder"]["Default"])
    cheap, strong = parsed
    return cheap, strong


def _table(results: Mapping[str, Result], n: int) -> Table:
    rows: list[tuple[str, Callable[[Result], str]]] = [
        ("valid answers", lambda each: f"{each.valid:,}"),
        ("failed, by name", lambda each: f"{each.failed.total():,}"),
        ("wrong on every call", lambda each: f"{each.doomed:,}"),
        ("invalid answers delivered", lambda each: f"{each.invalid:,}"),
        ("model calls", lambda each: f"{each.usage.calls:,}"),
        ("input tokens", lambda each: f"{each.usage.input_tokens:,}"),
        ("output tokens", lambda each: f"{each.usage.output_tokens:,}"),
        ("USD per 1,000 jobs", lambda each: f"{1000 * each.usd / n:.2f}"),
        ("USD per 1,000 valid answers", lambda each: f"{1000 * each.usd / max(1, each.valid):.2f}"),
    ]
    return side_by_side(results, rows)


if __name__ == "__main__":
    sys.exit(main())
