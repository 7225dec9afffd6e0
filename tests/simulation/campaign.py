"""Many schedules: in parallel over all cores, or one after another until a seeded bug is caught."""

import gc
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.scenario import Finished

ROOT = Path(__file__).parents[2]
CHUNK = 20
POLITE = 10  # how far back to stand, for tests of real time that run beside
HUNTED = 2000  # schedules within which a seeded bug must be caught

# What is slow to import and knows nothing of Simmer: the interpreters of seeded bugs start with it.
THIRD_PARTY = ("aws_lambda_powertools", "boto3", "greenlet", "openai", "pydantic", "s3transfer")

type Failure = tuple[int, str]


def find_shipped_code() -> None:
    """Make what ships importable, as pytest's settings do."""
    for folder in ("layers/common", "functions/worker"):
        if str(ROOT / folder) not in sys.path:
            sys.path.insert(0, str(ROOT / folder))


def run_chunk(seeds: range) -> "tuple[list[Finished], list[Failure]]":
    """Run these schedules; what finished, and for each that did not its seed and why."""
    find_shipped_code()
    from tests.simulation.scenario import run_schedule

    _collect_garbage()
    finished, failures = [], []
    for seed in seeds:
        try:
            finished.append(run_schedule(seed))
        except Exception as error:
            failures.append((seed, f"{type(error).__name__}: {error}"))
    return finished, failures


def trace_hash(seed: int) -> str:
    """A hash of all that happens in the schedule of that seed."""
    find_shipped_code()
    from tests.simulation.scenario import schedule_of

    with schedule_of(seed) as schedule:
        schedule.world.run(schedule.main())
    return schedule.world.trace_hash()


def _collect_garbage() -> None:
    """Collect once in a while, which is a fifth cheaper than Python's own way."""
    if gc.isenabled():
        gc.disable()
        gc.freeze()  # what is imported stays
    gc.collect()


def run_all(first: int, count: int) -> "Iterator[tuple[list[Finished], list[Failure]]]":
    """Run `count` schedules from that seed on over all cores; chunk by chunk, in order."""
    find_shipped_code()  # here too, for what comes back is made of it
    starts = range(first, first + count, CHUNK)
    chunks = [range(start, min(start + CHUNK, first + count)) for start in starts]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), os.nice, (POLITE,)) as pool:
        yield from pool.map(run_chunk, chunks)


@dataclass(frozen=True, slots=True)
class Caught:
    """By which promise a seeded bug was caught, after how many schedules."""

    schedules: int
    promise: str
    why: str


def hunt(bug: int, first: int, count: int) -> Caught | None:
    """Seed the bug and run until it is caught. Anything but a broken promise is an error of ours
    and raised. For a fresh interpreter, which has it from then on."""
    find_shipped_code()
    from tests.simulation import mutations

    mutations.apply(mutations.MUTATIONS[bug])
    from tests.simulation.history import Violation
    from tests.simulation.scenario import run_schedule

    for tried, seed in enumerate(range(first, first + count), 1):
        if tried % CHUNK == 1:
            _collect_garbage()
        try:
            run_schedule(seed)
        except Violation as violation:
            return Caught(tried, violation.promise, str(violation))
    return None


def hunt_all(first: int, count: int) -> Iterator[Caught | None]:
    """Hunt every seeded bug over all cores, each in an interpreter of its own; in order."""
    from tests.simulation.mutations import MUTATIONS

    context = get_context("forkserver")
    context.set_forkserver_preload([*THIRD_PARTY])
    bugs = range(len(MUTATIONS))
    with ProcessPoolExecutor(
        os.cpu_count(), context, os.nice, (POLITE,), max_tasks_per_child=1
    ) as pool:
        yield from pool.map(hunt, bugs, [first] * len(bugs), [count] * len(bugs))
