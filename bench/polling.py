"""`make bench-polling`: the polls of a job, and the delay until its client sees the end.

Three ways to choose the next poll, on the same jobs: every 2 s; the article's three steps
(docs/glossary.md), which the server uses while it has no history; and the learned interval. The
server learns from other jobs than those that the bench watches. A client polls at once, and then
after each pause. The network takes no time here: it is the same for all three.
"""

import argparse
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.table import Table

from bench.durations import DRAWS, LADDER, MEANINGS, ONE_MODEL, Draw, a_job, learned
from bench.terminal import console, side_by_side
from simmer.jobs.job import Job, JobStatus
from simmer.waiting.progress import poll_after_ms

PICKUP_MS = 200  # from the submit to the first claim
# For these it is promised: at most half the polls of the fixed interval, and a lower median delay.
PROMISED = (ONE_MODEL, LADDER)

FIXED, ARTICLE, OURS = "every 2 s", "the article's", "ours"

type NextPoll = Callable[[Job, int], int]


@dataclass(frozen=True, slots=True)
class Watched:
    """The polls and the delays of all jobs."""

    polls: Sequence[int]
    delays_ms: Sequence[int]  # from done to seen

    @property
    def polls_a_job(self) -> float:
        return statistics.mean(self.polls)

    @property
    def median_ms(self) -> float:
        return statistics.median(self.delays_ms)

    @property
    def p95_ms(self) -> float:
        return statistics.quantiles(self.delays_ms, n=20)[-1]

    @property
    def mean_ms(self) -> float:
        return statistics.mean(self.delays_ms)


def watch(job: Job, took_seconds: float, next_poll: NextPoll) -> tuple[int, int]:
    """The number of polls until the client sees that the job is done, and its delay."""
    working = replace(job, status=JobStatus.PROCESSING, started_at_ms=PICKUP_MS)
    done_ms = PICKUP_MS + round(took_seconds * 1000)
    now_ms, polls = 0, 1
    while now_ms < done_ms:
        now_ms += next_poll(job if now_ms < PICKUP_MS else working, now_ms)
        polls += 1
    return polls, now_ms - done_ms


def watch_all(draw: Draw, *, past: int, jobs: int, seed: int) -> dict[str, Watched]:
    """The same jobs, watched in the three ways."""
    chance = random.Random(seed)
    informed = a_job(learned(draw(chance) for _ in range(past)))
    took = [draw(chance) for _ in range(jobs)]
    ways: dict[str, tuple[Job, NextPoll]] = {
        FIXED: (informed, lambda _job, _now_ms: 2000),
        ARTICLE: (a_job(""), poll_after_ms),
        OURS: (informed, poll_after_ms),
    }
    watched = {}
    for name, (job, next_poll) in ways.items():
        polls, delays = zip(*(watch(job, each, next_poll) for each in took), strict=True)
        watched[name] = Watched(polls, delays)
    return watched


def is_as_promised(watched: dict[str, Watched]) -> bool:
    fixed, ours = watched[FIXED], watched[OURS]
    return ours.polls_a_job <= fixed.polls_a_job / 2 and ours.median_ms < fixed.median_ms


def main() -> int:
    arguments = argparse.ArgumentParser(prog="make bench-polling", description=__doc__)
    arguments.add_argument("--n", type=int, default=5000, help="how many jobs are watched")
    arguments.add_argument("--past", type=int, default=300, help="how many were learned from")
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    out = console()
    out.print(f"{given.n:,} jobs a table, learned from {given.past:,} others, seed {given.seed}")
    are_as_promised = True
    for name, draw in DRAWS.items():
        watched = watch_all(draw, past=given.past, jobs=given.n, seed=given.seed)
        out.print(f"\n{name}: {MEANINGS[name]}", _table(watched), sep="\n")
        are_as_promised &= name not in PROMISED or is_as_promised(watched)
    out.print(
        "Half the polls of every 2 s at most and a lower median delay, in the first two: "
        + ("yes." if are_as_promised else "NO.")
        + "\nWhere durations scatter, half the polls would tell people late: there ours takes more."
    )
    return 0 if are_as_promised else 1


def _table(watched: dict[str, Watched]) -> Table:
    fixed = watched[FIXED]
    rows: list[tuple[str, Callable[[Watched], str]]] = [
        ("polls a job", lambda each: f"{each.polls_a_job:.1f}"),
        ("  of every 2 s", lambda each: f"{each.polls_a_job / fixed.polls_a_job:.0%}"),
        ("done to seen, median", lambda each: f"{each.median_ms / 1000:.2f} s"),
        ("done to seen, mean", lambda each: f"{each.mean_ms / 1000:.2f} s"),
        ("done to seen, 95 of 100", lambda each: f"{each.p95_ms / 1000:.2f} s"),
    ]
    return side_by_side(watched, rows)


if __name__ == "__main__":
    sys.exit(main())
