"""The promises of `make bench-polling`, on fewer jobs and several seeds."""

import pytest

from bench.durations import DRAWS, LADDER, ONE_MODEL, a_job
from bench.polling import ARTICLE, FIXED, OURS, PICKUP_MS, is_as_promised, watch, watch_all
from simmer.jobs.job import Job

PAST, JOBS = 500, 1500


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("name", [ONE_MODEL, LADDER])
def test_half_the_polls_of_every_two_seconds_tell_sooner(name: str, seed: int) -> None:
    watched = watch_all(DRAWS[name], past=PAST, jobs=JOBS, seed=seed)
    fixed, ours = watched[FIXED], watched[OURS]

    assert ours.polls_a_job <= fixed.polls_a_job / 2
    assert ours.median_ms < 0.9 * fixed.median_ms
    assert ours.p95_ms < 3000
    assert is_as_promised(watched)


@pytest.mark.parametrize("seed", range(1, 6))
def test_where_one_model_answers_ours_tells_soonest_of_all_three(seed: int) -> None:
    watched = watch_all(DRAWS[ONE_MODEL], past=PAST, jobs=JOBS, seed=seed)

    assert watched[OURS].median_ms < min(watched[FIXED].median_ms, watched[ARTICLE].median_ms)
    assert watched[OURS].polls_a_job < watched[FIXED].polls_a_job < watched[ARTICLE].polls_a_job


@pytest.mark.parametrize("past", [10, 30, 100])
@pytest.mark.parametrize("name", DRAWS)
def test_little_history_is_no_worse_than_none(name: str, past: int) -> None:
    watched = watch_all(DRAWS[name], past=past, jobs=JOBS, seed=1)

    assert watched[OURS].polls_a_job < watched[FIXED].polls_a_job < watched[ARTICLE].polls_a_job
    assert watched[OURS].mean_ms < 1.6 * watched[FIXED].mean_ms


def test_the_first_poll_is_at_once_and_the_last_one_sees_the_end() -> None:
    asked: list[tuple[int, bool]] = []

    def every_second(job: Job, now_ms: int) -> int:
        asked.append((now_ms, job.started_at_ms is not None))
        return 1000

    polls, delay_ms = watch(a_job(""), 2.5, every_second)

    assert asked == [(0, False), (1000, True), (2000, True)]
    assert (polls, delay_ms) == (4, 3000 - 2500 - PICKUP_MS)
