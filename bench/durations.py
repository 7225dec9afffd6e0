"""The durations of the jobs in the benches of progress and polling; all from a seed."""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable

from simmer.jobs.job import Job
from simmer.waiting.durations import Durations, bucket

type Draw = Callable[[random.Random], float]  # one duration, in seconds


def _one_model(chance: random.Random) -> float:
    return chance.lognormvariate(math.log(42), 0.2)


def _ladder(chance: random.Random) -> float:
    return max(1.0, chance.gauss(8, 1) if chance.random() < 0.8 else chance.gauss(40, 5))


def _scattered(chance: random.Random) -> float:
    return chance.lognormvariate(math.log(12), 0.6)


DRAWS: dict[str, Draw] = {
    "one model": _one_model,
    "ladder": _ladder,
    "scattered": _scattered,
}
ONE_MODEL, LADDER, SCATTERED = DRAWS
MEANINGS = {
    ONE_MODEL: "30 to 60 s (lognormal, median 42 s)",
    LADDER: "8 s for 80 % of the jobs, 40 s for the others",
    SCATTERED: "4 to 40 s (lognormal, median 12 s)",
}


TASK = "any"  # a bar moves by durations, whatever the task


def learned(past_seconds: Iterable[float]) -> str:
    """The durations learned from such jobs, as a job carries them."""
    return str(Durations(Counter(bucket(each) for each in past_seconds)))


def a_job(durations: str) -> Job:
    """Just admitted, at 0 ms, with the template's default deadline."""
    return Job(
        job_id="0" * 32,
        run_id="run",
        task=TASK,
        owner="alice",
        is_shared=False,
        request="{}",
        request_hash="",
        locale="en",
        created_at_ms=0,
        deadline_at_ms=300_000,
        expires_at_seconds=100_000,
        durations={TASK: durations},
    )
