"""`make bench-polling`: the polls of a job, and the delay until its client sees the end.

Three ways to choose the next poll, on the same jobs: every 2 s; the article's three steps
(docs/glossary.md), which the server uses while it has no history; and the learned interval. The
server learns from other jobs than those that the bench watches. A client polls at once, and then
after each pause. The network takes no time here: it is the same for all three.

Of an answer in parts the titles and each part are to be seen soon, too: there it is beside the
polls that the end alone asks for, and those of the same answer in one call, which are its limit.
"""

import argparse
import random
import statistics
import sys
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from rich.table import Table

from bench.durations import (
    DRAWS,
    IN_PARTS,
    LADDER,
    MEANINGS,
    ONE_MODEL,
    Course,
    Draw,
    a_job,
    course_of,
    in_one_call,
    learned,
)
from bench.terminal import console, side_by_side
from simmer.jobs.job import Job, JobStatus
from simmer.waiting.progress import poll_after_ms

PICKUP_MS = 200  # from the submit to the first claim
# For these it is promised: at most half the polls of the fixed interval, and a lower median delay.
PROMISED = (ONE_MODEL, LADDER)
# Titles and the first part are seen within this time of standing, in the median.
NEWS_WITHIN_MS = 1500

FIXED, ARTICLE, OURS = "every 2 s", "the article's", "ours"
END_ALONE, ONE_CALL = "for the end alone", "in one call"  # of an answer in parts

type NextPoll = Callable[[Job, int], int]


@dataclass(frozen=True, slots=True)
class Watched:
    """The polls and the delays of all jobs."""

    polls: Sequence[int]
    delays_ms: Sequence[int]  # from done to seen
    title_delays_ms: Sequence[int] = ()
    part_delays_ms: Sequence[int] = ()  # each job's first

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


def watch(job: Job, course: Course, next_poll: NextPoll) -> Sequence[int]:
    """The moments of the polls, in milliseconds from the submit, until the client sees that the job
    is done."""
    working = replace(job, status=JobStatus.PROCESSING, started_at_ms=PICKUP_MS)
    done_ms = PICKUP_MS + round(course.took_seconds * 1000)
    polls = [0]
    while polls[-1] < done_ms:
        now_ms = polls[-1]
        seen = course.seen(working, (now_ms - PICKUP_MS) / 1000) if now_ms >= PICKUP_MS else job
        polls.append(now_ms + next_poll(seen, now_ms))
    return polls


def watched(courses: Sequence[Course], polls: Sequence[Sequence[int]]) -> Watched:
    """The delays of each job's news at those polls."""

    def delay(moments: Sequence[int], at_seconds: float) -> int:
        at_ms = PICKUP_MS + round(at_seconds * 1000)
        return moments[bisect_left(moments, at_ms)] - at_ms

    pairs = list(zip(courses, polls, strict=True))
    in_parts = [(course, moments) for course, moments in pairs if course.parts_seconds]
    return Watched(
        polls=[len(moments) for moments in polls],
        delays_ms=[delay(moments, course.took_seconds) for course, moments in pairs],
        title_delays_ms=[delay(moments, course.outline_seconds) for course, moments in in_parts],
        part_delays_ms=[delay(moments, min(course.parts_seconds)) for course, moments in in_parts],
    )


def watch_all(draw: Draw, *, past: int, jobs: int, seed: int, parts: int = 1) -> dict[str, Watched]:
    """The same jobs, watched in each way."""
    chance = random.Random(seed)
    history = learned(course_of(draw(chance)).took_seconds for _ in range(past))
    courses = [course_of(draw(chance)) for _ in range(jobs)]
    ways: dict[str, tuple[Job, NextPoll]] = {
        FIXED: (a_job(history, parts), lambda _job, _now_ms: 2000),
        ARTICLE: (a_job("", parts), poll_after_ms),
    }
    if parts > 1:
        ways[END_ALONE] = (a_job(history), poll_after_ms)
    ways[OURS] = (a_job(history, parts), poll_after_ms)
    return {
        name: watched(courses, [watch(job, each, next_poll) for each in courses])
        for name, (job, next_poll) in ways.items()
    }


def is_as_promised(watched: dict[str, Watched]) -> bool:
    fixed, ours = watched[FIXED], watched[OURS]
    return ours.polls_a_job <= fixed.polls_a_job / 2 and ours.median_ms < fixed.median_ms


def watch_parts(count: int, *, past: int, jobs: int, seed: int) -> dict[str, Watched]:
    """Answers of so many parts, and such answers in one call."""
    ways = watch_all(IN_PARTS[count], past=past, jobs=jobs, seed=seed, parts=count)
    whole = watch_all(partial(in_one_call, count), past=past, jobs=jobs, seed=seed)
    return {name: ways[name] for name in (FIXED, END_ALONE, OURS)} | {ONE_CALL: whole[OURS]}


def are_parts_as_promised(watched: dict[str, Watched]) -> bool:
    """No more polls than for the same in one call, and news is seen soon."""
    ours, end_alone = watched[OURS], watched[END_ALONE]
    return (
        ours.polls_a_job <= watched[ONE_CALL].polls_a_job
        and statistics.median(ours.title_delays_ms) <= NEWS_WITHIN_MS
        and statistics.median(ours.part_delays_ms) <= NEWS_WITHIN_MS
        and ours.median_ms <= 1.1 * end_alone.median_ms
    )


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
    out.print("\nAnswers in parts, a tenth wrong; tokens scatter more than in `make bench-parts`")
    for count in list(IN_PARTS)[1:]:
        watched = watch_parts(count, past=given.past, jobs=given.n, seed=given.seed)
        out.print(f"\n{count} parts", _table(watched), sep="\n")
        are_as_promised &= are_parts_as_promised(watched)
    out.print(
        "Half the polls of every 2 s at most and a lower median delay, in the first two: "
        + ("yes." if are_as_promised else "NO.")
        + "\nThe first part within 1.5 s and no more polls than in one call is held, too."
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
    if watched[OURS].part_delays_ms:
        rows[2:2] = [
            ("titles to seen, median", lambda each: _median(each.title_delays_ms)),
            ("first part to seen, median", lambda each: _median(each.part_delays_ms)),
        ]
    return side_by_side(watched, rows)


def _median(delays_ms: Sequence[int]) -> str:
    return f"{statistics.median(delays_ms) / 1000:.2f} s" if delays_ms else "–"


if __name__ == "__main__":
    sys.exit(main())
