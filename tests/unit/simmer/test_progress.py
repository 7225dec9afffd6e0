"""How far a job seems to be."""

from dataclasses import replace

import pytest

from simmer.job import CLOCK_SKEW_MS, Job, JobStatus
from simmer.progress import (
    estimated_seconds_remaining,
    poll_after_ms,
    progress,
    takes_longer_than_usual,
)
from tests.unit.clock import Clock
from tests.unit.jobs import a_job


def _started(clock: Clock, **fields: int) -> Job:
    return a_job(clock, status=JobStatus.PROCESSING, started_at_ms=clock.now_ms, **fields)


def test_progress_never_goes_back_over_a_whole_life(clock: Clock) -> None:
    waiting = a_job(clock)
    born_ms = clock.now_ms
    working = replace(waiting, status=JobStatus.PROCESSING, started_at_ms=born_ms + 25_000)
    released = replace(working, status=JobStatus.PENDING, awaits_capacity=True)
    done = replace(working, status=JobStatus.COMPLETED, completed_at_ms=born_ms + 120_000)
    life = [(0, waiting), (25_000, working), (40_000, released), (55_000, working), (120_000, done)]

    seen = []
    for since_ms in range(0, 130_000, 250):
        job = [job for start_ms, job in life if start_ms <= since_ms][-1]
        seen.append(progress(job, born_ms + since_ms))

    assert seen == sorted(seen)
    assert seen[0] == 0
    assert max(value for value in seen if value != 100) == 95
    assert seen[-1] == 100


@pytest.mark.parametrize(
    ("waited_seconds", "expected"), [(-5, 0), (0, 0), (2, 1), (18, 9), (19, 9), (299, 9)]
)
def test_queued_job_stays_below_ten(clock: Clock, waited_seconds: int, expected: int) -> None:
    assert progress(a_job(clock), clock.now_ms + waited_seconds * 1000) == expected


@pytest.mark.parametrize(
    ("elapsed_seconds", "expected"),
    [(-1, 10), (0, 10), (42, 49), (43, 50), (45, 52), (89.9, 94), (90, 95), (299, 95)],
)
def test_running_job_goes_from_10_to_95(
    clock: Clock, elapsed_seconds: float, expected: int
) -> None:
    assert progress(_started(clock), clock.now_ms + round(elapsed_seconds * 1000)) == expected


def test_only_a_completed_job_is_at_100(clock: Clock) -> None:
    at_once = a_job(clock, status=JobStatus.COMPLETED, completed_at_ms=clock.now_ms)
    others = [status for status in JobStatus if status is not JobStatus.COMPLETED]

    assert progress(at_once, clock.now_ms) == 100
    assert all(progress(a_job(clock, status=status), 10**14) < 100 for status in others)


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
@pytest.mark.parametrize("reader_is_ahead_ms", [0, CLOCK_SKEW_MS])
def test_bar_of_a_job_that_ended_without_a_result_stands_still_where_it_was_seen(
    clock: Clock, status: JobStatus, reader_is_ahead_ms: int
) -> None:
    working = _started(clock)
    ended_ms = clock.now_ms + 45_000
    ended = replace(working, status=status, completed_at_ms=ended_ms)

    seen = progress(working, ended_ms + reader_is_ahead_ms)

    assert seen <= progress(ended, ended_ms) == progress(ended, ended_ms + 3_600_000) < 100


@pytest.mark.parametrize(
    ("age_ms", "expected"),
    [(0, 1000), (9_999, 1000), (10_000, 2000), (89_999, 2000), (90_000, 500)],
)
def test_poll_interval_is_a_second_then_two_then_a_half(
    clock: Clock, age_ms: int, expected: int
) -> None:
    assert poll_after_ms(_started(clock), clock.now_ms + age_ms) == expected


def test_poll_interval_of_a_job_that_waits_long_stays_at_two_seconds(clock: Clock) -> None:
    assert poll_after_ms(a_job(clock), clock.now_ms + 200_000) == 2000


@pytest.mark.parametrize(
    ("elapsed_seconds", "expected"), [(0, 45), (30, 30), (89, 1), (90, 1), (250, 1)]
)
def test_estimate_is_the_median_of_what_remains(
    clock: Clock, elapsed_seconds: int, expected: int
) -> None:
    now_ms = clock.now_ms + elapsed_seconds * 1000

    assert estimated_seconds_remaining(_started(clock), now_ms) == expected


@pytest.mark.parametrize(
    ("durations", "usual_until_seconds"),
    [(None, 89.1), ({}, 89.1), ({"recipe": "43:990 60:10"}, 6.9), ({"other": "43:990"}, 89.1)],
)
def test_past_the_99th_percentile_a_job_takes_longer_than_usual(
    clock: Clock, durations: dict[str, str] | None, usual_until_seconds: float
) -> None:
    job = replace(_started(clock), durations=durations)
    at_ms = clock.now_ms + round(usual_until_seconds * 1000)

    assert not takes_longer_than_usual(job, at_ms - 200)
    assert takes_longer_than_usual(job, at_ms + 200)


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
def test_what_has_ended_takes_no_longer(clock: Clock, status: JobStatus) -> None:
    ended = replace(_started(clock), status=status)

    assert not takes_longer_than_usual(ended, clock.now_ms + 10**6)


def test_job_in_the_queue_is_not_slow(clock: Clock) -> None:
    assert not takes_longer_than_usual(a_job(clock), clock.now_ms + 10**6)


def test_estimate_does_not_reach_beyond_the_deadline(clock: Clock) -> None:
    job = _started(clock, deadline_at_ms=clock.now_ms + 20_000)

    assert estimated_seconds_remaining(job, clock.now_ms) == 20


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PROCESSING])
def test_estimate_of_an_open_job_is_never_below_a_second(clock: Clock, status: JobStatus) -> None:
    job = replace(_started(clock), status=status)

    estimates = [
        estimated_seconds_remaining(job, clock.now_ms + ms) for ms in range(0, 300_000, 500)
    ]

    assert min(estimates) == 1


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
def test_nothing_remains_of_a_terminal_job(clock: Clock, status: JobStatus) -> None:
    assert estimated_seconds_remaining(a_job(clock, status=status), clock.now_ms) == 0
