"""`make bench-progress`: the error of the bar, job after job, while it learns.

Each job is measured by those before it, as a job is that carries what the ledger had when it was
admitted. Undo the bar's shape (10 to 95), and it stands for a quantile q: a share q of the jobs
should be done by the time their bar stands there. The error is how far that is off, on average over
all q, in points. Every bar is also looked at over its whole life, with a worker lost or a job given
back in between: it may never go back, nor pass 95 before there is a result.
"""

import argparse
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rich import box
from rich.table import Table

from bench.durations import DRAWS, IN_PARTS, MEANINGS, Course, Draw, a_job, course_of, learned
from bench.terminal import console
from simmer.jobs.job import Job, JobStatus
from simmer.waiting.progress import progress

JOBS = 500
LEARNED_AFTER = 100  # from this job on it is promised
MAX_ERROR_POINTS = 5.0

LOOKS = 30  # at a bar
BEFORE_SECONDS = 0.001  # the last look sees no result yet, so not the part that comes with it


@dataclass(frozen=True, slots=True)
class Run:
    """One history, from the first job on: where each bar stood when its job was done."""

    last_seen: Sequence[int]
    steps_back: int
    too_early: int  # bars past 95 while there was no result

    def error_points(self, first: int, last: int) -> float:
        """Over the jobs of these numbers, which count from 1."""
        bars = self.last_seen[first - 1 : last]
        errors = [abs(sum(bar < 10 + k for bar in bars) / len(bars) - k / 85) for k in range(1, 85)]
        return 100 * statistics.mean(errors)


def run(draw: Draw, seed: int, jobs: int = JOBS, parts: int = 1) -> Run:
    """Jobs one after the other, of so many parts."""
    chance = random.Random(seed)
    past: list[float] = []
    last_seen = []
    steps_back = too_early = 0
    for _ in range(jobs):
        course = course_of(draw(chance))
        bars = _bars(a_job(learned(past), parts), course, chance)
        steps_back += sum(after < before for before, after in pairwise(bars))
        too_early += sum(bar > 95 for bar in bars)
        last_seen.append(bars[-1])
        past.append(course.took_seconds)
    return Run(last_seen, steps_back, too_early)


def _bars(job: Job, course: Course, chance: random.Random) -> list[int]:
    """The values of a job's bar from the submit to its end."""
    started_ms = chance.choice((0, 200, 30_000))
    done_ms = started_ms + round(course.took_seconds * 1000)
    working = replace(job, status=JobStatus.PROCESSING, started_at_ms=started_ms)
    released = replace(working, status=JobStatus.PENDING, awaits_capacity=True)
    bars = []
    for now_ms in (*sorted(chance.randrange(done_ms + 1) for _ in range(LOOKS)), done_ms):
        if now_ms < started_ms:
            seen = job
        else:
            seen = released if now_ms < done_ms and chance.random() < 0.1 else working
            at_seconds = min((now_ms - started_ms) / 1000, course.took_seconds - BEFORE_SECONDS)
            seen = course.seen(seen, at_seconds)
        bars.append(progress(seen, now_ms))
    return bars


def main() -> int:
    arguments = argparse.ArgumentParser(prog="make bench-progress", description=__doc__)
    arguments.add_argument("--runs", type=int, default=20, help="how often to begin with nothing")
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    out = console()
    for name, meaning in MEANINGS.items():
        out.print(f"{name}: {meaning}")
    out.print("1 to 5 parts, a tenth wrong; tokens scatter more than in `make bench-parts`")
    out.print(f"\n{given.runs} times {JOBS} jobs, seed {given.seed}; the error in points of 100")
    windows = [(1, LEARNED_AFTER - 1), (LEARNED_AFTER, 200), (LEARNED_AFTER, JOBS)]
    table = Table("", box=box.SIMPLE_HEAD)
    for first, last in windows:
        table.add_column(f"jobs {first} to {last}", justify="right")
    table.add_column("the worst time", justify="right")
    table.add_column("back, or past 95", justify="right")
    is_as_promised = True
    whole = {name: (1, draw) for name, draw in DRAWS.items()}
    in_parts = {
        f"{parts} part{'s' * (parts > 1)}": (parts, draw) for parts, draw in IN_PARTS.items()
    }
    for name, (parts, draw) in (whole | in_parts).items():
        runs = [run(draw, given.seed + i, parts=parts) for i in range(given.runs)]
        means = [statistics.mean(each.error_points(*window) for each in runs) for window in windows]
        worst = max(each.error_points(*windows[-1]) for each in runs)
        steps_back = sum(each.steps_back + each.too_early for each in runs)
        table.add_row(name, *(f"{mean:.1f}" for mean in means), f"{worst:.1f}", str(steps_back))
        is_as_promised &= max(means[1:]) < MAX_ERROR_POINTS and not steps_back
    out.print(table)
    out.print(
        f"Under {MAX_ERROR_POINTS:.0f} points from job {LEARNED_AFTER} on, and no bar goes back: "
        + ("yes." if is_as_promised else "NO.")
    )
    return 0 if is_as_promised else 1


if __name__ == "__main__":
    sys.exit(main())
