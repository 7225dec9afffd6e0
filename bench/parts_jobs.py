"""The jobs of `bench.parts`: the shipped code under a virtual clock, with a scripted model."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from bench.workload import TASK_NAME, different_request
from tests.simulation.campaign import find_shipped_code

PART_TOKENS, TITLE_TOKENS, FRAME_TOKENS = 490, 20, 10
TOKENS_A_SECOND = 35.0
FIRST_TOKEN_SECONDS = (1.0, 3.0)
JOBS_A_WORLD = 25
SECONDS_BETWEEN_JOBS = 20.0
SLOWER = (3.0, 20.0)  # so many times as long takes a slow call
KNOWN_CALLS = 300  # of each kind


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
    seed: int,
    count: int,
    wrong: float,
    in_parts: bool,
    by_item: bool = True,
    slow: float = 0.0,
    knows_calls: bool = False,
) -> list[Seen]:
    """A few jobs, one after the other. `wrong` is the share of whole answers that do not fit,
    `slow` that of slow calls; `knows_calls` says whether the ledger has durations of calls."""
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
        schedule.model = _Writer(schedule.world, wrong, count if by_item else None, slow)  # type: ignore[assignment]
        schedule.reads_ledger = True
        schedule.without_cache()
        schedule.budget_usd = 0.0
        # A worker a job, as its instances are many: nothing is measured of how jobs share one.
        schedule.room, schedule.mapping.batch, schedule.mapping.max_workers = 1, 1, 100
        schedule._settings = replace(
            schedule._settings,
            daily_job_quota=10_000,
            jobs_in_flight=1000,
            job_deadline_seconds=300,
            cache_scope="user",
        )
        if knows_calls:
            _teach(schedule, count, slow)
        seen: list[Seen] = schedule.world.run(_live(schedule, count))
        return seen


def _teach(schedule: Any, count: int, slow: float) -> None:
    """Put calls into the ledger, as earlier jobs would have left them."""
    from simmer import clock
    from simmer.books.ledger import Ledger
    from simmer.jobs.job import Usage
    from simmer.table import Table
    from simmer.waiting.durations import bucket

    chance = Random(schedule.world.seed)
    ledger = Ledger(Table(schedule.dynamodb, "jobs"))
    tokens = {0: FRAME_TOKENS + count * TITLE_TOKENS}
    tokens |= {items: FRAME_TOKENS + items * PART_TOKENS for items in (1, count)}
    calls = Counter(
        (items, bucket(call_seconds(chance, tokens[items], slow)))
        for items in tokens
        for _ in range(KNOWN_CALLS)
    )
    for rung in json.loads(schedule.ladder):
        ledger.add(TASK_NAME, rung["model"], Usage(), now_ms=clock.now_ms(), calls=calls)


def call_seconds(chance: Random, tokens: int, slow: float) -> float:
    """The time that a call takes; of slow ones there is that share."""
    seconds = chance.uniform(*FIRST_TOKEN_SECONDS) + tokens / TOKENS_A_SECOND
    return seconds * (chance.uniform(*SLOWER) if chance.random() < slow else 1)


class _Writer:
    """The model: slow, and wrong as often as it was told to be."""

    def __init__(self, world: Any, wrong: float, count: int | None, slow: float) -> None:
        """`wrong` is the chance of a whole of `count` items, or of each call if that is None."""
        from local.model.chat import Tasks

        self._world, self._wrong, self._count, self._tasks = world, wrong, count, Tasks()
        self._slow = slow

    async def ask(
        self, _: Any, messages: Any, response_format: Any, *, timeout_seconds: float, **__: Any
    ) -> Any:
        from local.model.chat import order_of
        from local.model.contents import content_of
        from prompt import estimated_tokens
        from providers.outcomes import UNREPORTED, Answer, Down
        from simmer.jobs.job import Usage

        random = self._world.random
        order = order_of(self._tasks, messages, response_format)
        assert order is not None
        [items] = order.result.values()
        is_outline = order.task.name.endswith("_outline")
        tokens = FRAME_TOKENS + len(items) * (TITLE_TOKENS if is_outline else PART_TOKENS)
        seconds = call_seconds(random, tokens, self._slow)
        await asyncio.sleep(min(seconds, timeout_seconds))
        if seconds > timeout_seconds:
            raise Down("timeout", UNREPORTED)
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
