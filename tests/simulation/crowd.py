"""One user floods the queue, then another sends a single job: how many are taken before his.

What runs is what ships, as in `scenario`, without faults. The queue hands out the oldest first, so
that only its fairness can bring the single job forward.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from random import Random

from tests.simulation.campaign import find_shipped_code
from tests.simulation.mutations import Mutation, apply

CROWD = 650
WORKERS = 5  # the template's default, thirty jobs each


@dataclass(frozen=True, slots=True)
class Fate:
    """Of the single job: how long it waited, and how many of the crowd's jobs were taken meanwhile
    (all that were left, if it was last)."""

    waited_seconds: float
    taken_before: int


def fate_of_one_behind_a_crowd(
    seed: int = 0,
    *,
    workers: int = WORKERS,
    batch: int = 10,
    room: int = 30,
    crowd: int = CROWD,
    joins: bool = False,
) -> Fate:
    """The fate of ben's only job behind so many of ann's; with `joins` he asks for what the last of
    hers asks for, where users share jobs."""
    find_shipped_code()
    from tests.simulation.faults import FaultPlan
    from tests.simulation.scenario import schedule_of
    from tests.simulation.weather import Trouble, Weather

    weather = Weather(Trouble.ONE_FAULT, FaultPlan(Random(seed)))  # of no call
    with schedule_of(seed, weather, max_steps=20_000_000) as schedule:
        schedule.sqs.is_oldest_first = True
        schedule.mapping.batch, schedule.mapping.max_workers = batch, workers
        schedule.room = room
        schedule._settings = replace(
            schedule._settings,
            daily_job_quota=crowd + 1,
            jobs_in_flight=crowd,
            job_deadline_seconds=3600,
            cache_scope="shared" if joins else "user",
        )
        fate: Fate = schedule.world.run(_live(schedule, crowd, joins))
        return fate


async def _live(schedule, crowd: int, joins: bool) -> Fate:  # type: ignore[no-untyped-def]
    """Ann's jobs are all in the queue and the workers busy with her when ben comes."""
    await asyncio.gather(*(_submit(schedule, "ann", f"anns {i}") for i in range(crowd)))
    mapping = asyncio.create_task(schedule.mapping.run())
    await asyncio.sleep(5)
    bens = await _submit(schedule, "ben", f"anns {crowd - 1}" if joins else "bens")
    sent_at, before = schedule.now_ms(), _taken(schedule)
    while "started_at_ms" not in schedule.dynamodb.item(f"job#{bens}"):
        await asyncio.sleep(0.25)
    mapping.cancel()
    waited_seconds = (schedule.now_ms() - sent_at) / 1000
    return Fate(waited_seconds, _taken(schedule) - before - 1)


def _taken(schedule) -> int:  # type: ignore[no-untyped-def]
    return sum(run.claims > 0 for run in schedule.history.runs.values())


async def _submit(schedule, user: str, ingredient: str) -> str:  # type: ignore[no-untyped-def]
    from functions.submit import app as submit_app

    event = {
        "headers": {"content-type": "application/json"},
        "pathParameters": {"task": "recipe"},
        "requestContext": {"authorizer": {"jwt": {"claims": {"sub": user}}}},
        "body": json.dumps({"ingredients": [ingredient], "count": 1, "locale": "en"}),
    }
    process = schedule.world.process("api")
    answer = await schedule.world.start(process, submit_app.handler, event, None)
    assert answer["statusCode"] == 202, answer
    job_id: str = json.loads(answer["body"])["jobId"]
    return job_id


def fate_with(mutation: Mutation, *, joins: bool = False) -> Fate:
    """The same with a bug seeded into the shipped code, in an interpreter of its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_with, (mutation, joins))


def _with(mutation: Mutation, joins: bool) -> Fate:
    find_shipped_code()
    apply(mutation)
    return fate_of_one_behind_a_crowd(joins=joins)


QUEUE = "layers/common/simmer/jobs/queue.py"
SEEDED: Sequence[Mutation] = (
    Mutation(
        "send without a group",
        QUEUE,
        "MessageGroupId=hashlib.sha256(user.encode()).hexdigest()[:32],",
        "",
    ),
    Mutation(
        "one group for all",
        QUEUE,
        "hashlib.sha256(user.encode())",
        "hashlib.sha256(job.task.encode())",
    ),
    Mutation(
        "a group for each job",
        QUEUE,
        "hashlib.sha256(user.encode())",
        "hashlib.sha256(job.job_id.encode())",
    ),
)
OWNERS_GROUP = Mutation(
    "a joiner's message in the owner's group",
    QUEUE,
    "on_behalf_of or job.owner",
    "job.owner",
)
