"""Many schedules: in parallel over all cores, or one after another until a seeded bug is caught."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.scenario import Finished

ROOT = Path(__file__).parents[2]
CHUNK = 20

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

    finished, failures = [], []
    for seed in seeds:
        try:
            finished.append(run_schedule(seed))
        except Exception as error:
            failures.append((seed, f"{type(error).__name__}: {error}"))
    return finished, failures


def run_all(first: int, count: int) -> "Iterator[tuple[list[Finished], list[Failure]]]":
    """Run `count` schedules from that seed on over all cores; chunk by chunk, in order."""
    find_shipped_code()  # here too, for what comes back is made of it
    starts = range(first, first + count, CHUNK)
    chunks = [range(start, min(start + CHUNK, first + count)) for start in starts]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        yield from pool.map(run_chunk, chunks)


def hunt(bug: int, first: int, count: int) -> tuple[int, str] | None:
    """Seed the bug and run until it is caught: after how many schedules, and by which promise."""
    find_shipped_code()
    from tests.simulation import mutations

    mutations.apply(mutations.MUTATIONS[bug])
    from tests.simulation.scenario import run_schedule

    for tried, seed in enumerate(range(first, first + count), 1):
        try:
            run_schedule(seed)
        except Exception as error:
            return tried, getattr(error, "promise", type(error).__name__)
    return None
