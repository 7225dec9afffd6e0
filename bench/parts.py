"""`make bench-parts`: an answer in one call and in parts, side by side.

Simulated jobs go through the shipped handlers, worker, store and validation under a virtual clock,
without faults of the network; only the model is scripted. It writes its first token after 1 to 3 s
and then 35 tokens a second; a part has 490 tokens and a title 20. A share of its whole answers does
not fit, since one of their items does not: so an answer of one item fits more often. With `--by
call` every call has that chance, however short its answer is: then parts cost more than one call.
A phone polls as it is told to, so that "seen" is what a user waits for. Dollars are those of the
default ladder.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from random import Random
from typing import Any

from rich import box
from rich.table import Table

from bench.terminal import console
from bench.workload import TASK_NAME, different_request
from tests.simulation.campaign import find_shipped_code

PART_TOKENS, TITLE_TOKENS, FRAME_TOKENS = 490, 20, 10
TOKENS_A_SECOND = 35.0
FIRST_TOKEN_SECONDS = (1.0, 3.0)
JOBS_A_WORLD = 25
SECONDS_BETWEEN_JOBS = 20.0
RATES = (0.05, 0.1, 0.2)
COUNTS = (1, 2, 3, 4, 5)
# What three parts keep at a tenth of wrong answers, against the same in one call.
HELD = {"whole, median": 0.55, "whole, 95 %": 0.5, "$ / 1,000": 1.0}
FIRST_TITLE_SECONDS = 6.0

type Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a phone saw of one job, in seconds since its submit; and what the job took."""

    title_seconds: float | None
    part_seconds: float | None
    whole_seconds: float | None  # None: it failed
    output_tokens: int
    dollars: float
    calls: int
    polls: int
    writes: float = 0.0  # to the table, the ledger's among them


def jobs_in_a_world(
    seed: int, count: int, wrong: float, in_parts: bool, by_item: bool = True
) -> list[Seen]:
    """A few jobs, one after the other. `wrong` is the share of whole answers that do not fit."""
    find_shipped_code()
    import pytest

    import climb
    from simmer.task import find_task
    from tests.simulation.faults import FaultPlan
    from tests.simulation.scenario import schedule_of
    from tests.simulation.weather import Trouble, Weather

    weather = Weather(Trouble.ONE_FAULT, FaultPlan(Random(seed)))  # of no call
    with (
        pytest.MonkeyPatch.context() as patch,
        schedule_of(seed, weather, max_steps=50_000_000) as schedule,
    ):
        if not in_parts:
            patch.setattr(climb, "find_task", lambda name: replace(find_task(name), parts=None))
        schedule.ladder = _default_ladder()
        schedule.model = _Writer(schedule.world, wrong, count if by_item else None)  # type: ignore[assignment]
        schedule.reads_ledger = True
        schedule.budget_usd = 0.0
        schedule.mapping.batch, schedule.mapping.max_workers = 1, 100
        schedule._settings = replace(
            schedule._settings,
            daily_job_quota=10_000,
            jobs_in_flight=1000,
            job_deadline_seconds=300,
            cache_scope="user",
        )
        seen: list[Seen] = schedule.world.run(_live(schedule, count))
        return seen


class _Writer:
    """The model: slow, and wrong as often as it was told to be."""

    def __init__(self, world: Any, wrong: float, count: int | None) -> None:
        """`wrong` is the chance of a whole of `count` items, or of each call if that is None."""
        from local.model.chat import Tasks

        self._world, self._wrong, self._count, self._tasks = world, wrong, count, Tasks()

    async def ask(
        self, _: Any, messages: Any, response_format: Any, *, timeout_seconds: float, **__: Any
    ) -> Any:
        from local.model.chat import order_of
        from local.model.contents import content_of
        from prompt import estimated_tokens
        from provider import Answer, Down
        from simmer.jobs.job import Usage

        random = self._world.random
        order = order_of(self._tasks, messages, response_format)
        assert order is not None
        [items] = order.result.values()
        is_outline = order.task.name.endswith("_outline")
        tokens = FRAME_TOKENS + len(items) * (TITLE_TOKENS if is_outline else PART_TOKENS)
        seconds = random.uniform(*FIRST_TOKEN_SECONDS) + tokens / TOKENS_A_SECOND
        await asyncio.sleep(min(seconds, timeout_seconds))
        if seconds > timeout_seconds:
            raise Down("timeout")
        text = order.text()
        share = 1.0 if self._count is None else (1 if is_outline else len(items)) / self._count
        if random.random() < 1 - (1 - self._wrong) ** share:
            text = content_of("prose" if is_outline else "unfit", order).text or ""
        used = Usage(calls=1, input_tokens=estimated_tokens(messages), output_tokens=tokens)
        return Answer(text, "stop", used)


async def _live(schedule: Any, count: int) -> list[Seen]:
    mapping = asyncio.create_task(schedule.mapping.run())
    before = _writes(schedule)
    seen = await asyncio.gather(
        *(_watch(schedule, i, count, i * SECONDS_BETWEEN_JOBS) for i in range(JOBS_A_WORLD))
    )
    writes = (_writes(schedule) - before) / JOBS_A_WORLD
    mapping.cancel()
    return [replace(each, writes=writes) for each in seen]


def _writes(schedule: Any) -> int:
    return sum(
        times
        for (call, _), times in schedule.world.faults.coverage.items()
        if any(each in call for each in ("update_item", "transact_write", "put_item"))
    )


async def _watch(schedule: Any, number: int, count: int, after_seconds: float) -> Seen:
    """Submit, and poll as one is told to."""
    from functions.status import app as status_app
    from functions.submit import app as submit_app

    await asyncio.sleep(after_seconds)
    started = asyncio.get_running_loop().time()
    body = json.dumps(different_request(number, count))
    accepted = await _call(schedule, submit_app.handler, body=body)
    job_id = accepted["jobId"]
    title = part = None
    polls = 0
    while True:
        document = await _call(schedule, status_app.handler, jobId=job_id)
        polls += 1
        elapsed = asyncio.get_running_loop().time() - started
        if title is None and ("outline" in document or "result" in document):
            title = elapsed
        if part is None and ("partialResult" in document or "result" in document):
            part = elapsed
        if document["status"] in ("completed", "failed", "cancelled"):
            break
        await asyncio.sleep(document["pollAfterMs"] / 1000)
    stored = schedule.dynamodb.item(f"job#{job_id}")
    return Seen(
        title_seconds=title,
        part_seconds=part,
        whole_seconds=elapsed if document["status"] == "completed" else None,
        output_tokens=int(stored["output_tokens"]["N"]),
        dollars=int(stored["cost_microusd"]["N"]) / 1e6,
        calls=int(stored["calls"]["N"]),
        polls=polls,
    )


async def _call(
    schedule: Any, handler: Callable[..., Any], *, body: str = "", **path: str
) -> dict[str, Any]:
    event = {
        "headers": {"content-type": "application/json"},
        "pathParameters": {"task": TASK_NAME, **path},
        "requestContext": {"authorizer": {"jwt": {"claims": {"sub": "ann"}}}},
        "body": body,
    }
    answer = await schedule.world.start(schedule.world.process("api"), handler, event, None)
    assert answer["statusCode"] in (200, 202), answer
    document: dict[str, Any] = json.loads(answer["body"])
    return document


def _default_ladder() -> str:
    from local.emulator import sam
    from local.toolchain import TEMPLATE

    ladder: str = sam.read(TEMPLATE)["Parameters"]["ModelLadder"]["Default"]
    return ladder


# ── What it comes to ──────────────────────────────────────────────────────────────────────────────


def quantile(values: Sequence[float | None], share: float) -> float:
    """Of all jobs; those that have none of it come last."""
    ordered = sorted(float("inf") if value is None else value for value in values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def measured(seen: Sequence[Seen]) -> Row:
    """A row's figures."""
    whole = [each.whole_seconds for each in seen]

    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    return {
        "first title": quantile([each.title_seconds for each in seen], 0.5),
        "first part": quantile([each.part_seconds for each in seen], 0.5),
        "whole, median": quantile(whole, 0.5),
        "whole, 95 %": quantile(whole, 0.95),
        "whole, 99 %": quantile(whole, 0.99),
        "tokens": mean([each.output_tokens for each in seen]),
        "$ / 1,000": 1000 * mean([each.dollars for each in seen]),
        "calls": mean([each.calls for each in seen]),
        "writes": mean([each.writes for each in seen]),
        "polls": mean([each.polls for each in seen]),
    }


def broken_bounds(one_call: Row, in_parts: Row) -> list[str]:
    """The bounds that parts do not keep."""
    broken = [
        f"{name}: {in_parts[name] / one_call[name]:.2f} of one call's, more than {most}"
        for name, most in HELD.items()
        if in_parts[name] > most * one_call[name]
    ]
    if in_parts["first title"] > FIRST_TITLE_SECONDS:
        broken.append(f"first title: after {in_parts['first title']:.1f} s")
    return broken


def compare(
    rates: Sequence[float], counts: Sequence[int], jobs: int, by_item: bool
) -> dict[tuple[float, int, bool], Row]:
    """The figures by share of wrong answers, number of parts, and whether they are asked alone."""
    cells = [(rate, count, way) for rate in rates for count in counts for way in (False, True)]
    worlds = range(-(-jobs // JOBS_A_WORLD))
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        running = {
            (rate, count, way): [
                pool.submit(jobs_in_a_world, seed, count, rate, way, by_item) for seed in worlds
            ]
            for rate, count, way in cells
        }
        return {
            cell: measured([seen for future in futures for seen in future.result()])
            for cell, futures in running.items()
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100, help="for each row")
    terminal = console()
    parser.add_argument("--by", choices=("item", "call"), default="item", help="what goes wrong")
    given = parser.parse_args()
    found = compare(RATES, COUNTS, given.jobs, given.by == "item")
    for rate in RATES:
        table = Table(
            box=box.SIMPLE_HEAD,
            title=f"{rate:.0%} of the answers are wrong; seconds as a phone saw them",
        )
        columns = list(found[rate, 1, False])
        table.add_column("parts")
        for name in ("", *columns):
            table.add_column(name, justify="right" if name else "left")
        for count in COUNTS:
            for in_parts in (False, True):
                row = found[rate, count, in_parts]
                digits = {"tokens": 0, "$ / 1,000": 2}
                table.add_row(
                    str(count),
                    "parts" if in_parts else "one",
                    *(f"{row[name]:.{digits.get(name, 1)}f}" for name in columns),
                )
        terminal.print(table)
    broken = broken_bounds(found[0.1, 3, False], found[0.1, 3, True])
    for each in broken:
        terminal.print(each, style="red")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
