"""The durations of the jobs in the benches of progress and polling; all from a seed."""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from simmer.jobs.job import Job
from simmer.waiting.durations import Durations, bucket


@dataclass(frozen=True, slots=True)
class Course:
    """The seconds from a job's first claim until its result, its outline and each part stand."""

    took_seconds: float
    outline_seconds: float = math.inf
    parts_seconds: Sequence[float] = ()

    def seen(self, job: Job, at_seconds: float) -> Job:
        """The job with what stands by then. The last part comes with the result."""
        if at_seconds < self.outline_seconds:
            return job
        standing = {i: "{}" for i, each in enumerate(self.parts_seconds) if each <= at_seconds}
        return replace(job, outline="{}", parts=standing)


type Draw = Callable[[random.Random], float | Course]  # one duration, in seconds


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

# Answers in parts, much as `bench.parts` has them: 35 tokens a second from the first one on, which
# comes after 1 to 3 s; a part has 500 tokens, a title 20, give or take a fifth; of whole answers a
# tenth is asked for again.


def in_parts(count: int, chance: random.Random) -> Course:
    """An answer of so many parts; one part is one call."""
    if count == 1:
        return in_one_call(1, chance)
    outline = _calls_seconds(chance, 10 + 20 * count, 1 / count)
    parts = [outline + _calls_seconds(chance, 500, 1 / count) for _ in range(count)]
    return Course(max(parts), outline, parts)


def in_one_call(count: int, chance: random.Random) -> Course:
    return Course(_calls_seconds(chance, 500 * count, 1))


def _calls_seconds(chance: random.Random, tokens: int, share: float) -> float:
    """The time of a call for that share of the answer, and of those after it."""
    seconds = 0.0
    while not seconds or chance.random() > 0.9**share:
        seconds += chance.uniform(1, 3) + tokens * chance.lognormvariate(0, 0.2) / 35
    return seconds


IN_PARTS: dict[int, Draw] = {count: partial(in_parts, count) for count in range(1, 6)}

TASK = "any"  # a bar moves by durations, whatever the task


def learned(past_seconds: Iterable[float]) -> str:
    """The durations learned from such jobs, as a job carries them."""
    return str(Durations(Counter(bucket(each) for each in past_seconds)))


def course_of(drawn: float | Course) -> Course:
    return drawn if isinstance(drawn, Course) else Course(drawn)


def a_job(durations: str, parts: int = 1) -> Job:
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
        parts_count=parts if parts > 1 else None,
    )
