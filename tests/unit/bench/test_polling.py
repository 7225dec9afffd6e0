"""The promises of `make bench-polling`, on fewer jobs and several seeds."""

import pytest

from bench.durations import DRAWS, IN_PARTS, LADDER, ONE_MODEL, Course, a_job
from bench.polling import (
    ARTICLE,
    END_ALONE,
    FIXED,
    OURS,
    PICKUP_MS,
    are_parts_as_promised,
    is_as_promised,
    watch,
    watch_all,
    watch_parts,
    watched,
)
from simmer.jobs.job import Job

PAST, JOBS = 500, 1500


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("name", [ONE_MODEL, LADDER])
def test_half_the_polls_of_every_two_seconds_tell_sooner(name: str, seed: int) -> None:
    ways = watch_all(DRAWS[name], past=PAST, jobs=JOBS, seed=seed)
    fixed, ours = ways[FIXED], ways[OURS]

    assert ours.polls_a_job <= fixed.polls_a_job / 2
    assert ours.median_ms < 0.9 * fixed.median_ms
    assert ours.p95_ms < 3000
    assert is_as_promised(ways)


@pytest.mark.parametrize("seed", range(1, 6))
def test_where_one_model_answers_ours_tells_soonest_of_all_three(seed: int) -> None:
    ways = watch_all(DRAWS[ONE_MODEL], past=PAST, jobs=JOBS, seed=seed)

    assert ways[OURS].median_ms < min(ways[FIXED].median_ms, ways[ARTICLE].median_ms)
    assert ways[OURS].polls_a_job < ways[FIXED].polls_a_job < ways[ARTICLE].polls_a_job


@pytest.mark.parametrize("past", [10, 30, 100])
@pytest.mark.parametrize("name", DRAWS)
def test_little_history_is_no_worse_than_none(name: str, past: int) -> None:
    ways = watch_all(DRAWS[name], past=past, jobs=JOBS, seed=1)

    assert ways[OURS].polls_a_job < ways[FIXED].polls_a_job < ways[ARTICLE].polls_a_job
    assert ways[OURS].mean_ms < 1.6 * ways[FIXED].mean_ms


def test_the_first_poll_is_at_once_and_the_last_one_sees_the_end() -> None:
    asked: list[tuple[int, bool]] = []

    def every_second(job: Job, now_ms: int) -> int:
        asked.append((now_ms, job.started_at_ms is not None))
        return 1000

    course = Course(2.5)
    polls = watch(a_job(""), course, every_second)

    assert asked == [(0, False), (1000, True), (2000, True)]
    assert watched([course], [polls]).polls == [4]
    assert watched([course], [polls]).delays_ms == [3000 - 2500 - PICKUP_MS]


@pytest.mark.parametrize("parts", list(IN_PARTS)[1:])
def test_titles_and_parts_are_seen_soon_with_no_more_polls_than_one_call_takes(parts: int) -> None:
    ways = watch_parts(parts, past=PAST, jobs=JOBS, seed=2)

    assert are_parts_as_promised(ways)
    assert not are_parts_as_promised(ways | {OURS: ways[FIXED]})
    assert not are_parts_as_promised(ways | {OURS: ways[END_ALONE]})
