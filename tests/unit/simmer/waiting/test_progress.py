"""The progress of a job, and the time left."""

from dataclasses import replace
from typing import Any

import pytest

from simmer.jobs.job import CLOCK_SKEW_MS, Job, JobStatus, Lease
from simmer.waiting.durations import Durations, bucket
from simmer.waiting.progress import (
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
def test_poll_interval_without_history_is_a_second_then_two_then_a_half(
    clock: Clock, age_ms: int, expected: int
) -> None:
    assert poll_after_ms(_started(clock), clock.now_ms + age_ms) == expected


def test_poll_interval_of_a_job_that_waits_long_stays_at_two_seconds(clock: Clock) -> None:
    assert poll_after_ms(a_job(clock), clock.now_ms + 200_000) == 2000


def _known(clock: Clock, jobs: int = 500, **fields: Any) -> Job:
    """Of a task whose past jobs all took 40 s."""
    history = str(Durations({bucket(40.0): jobs}))
    return a_job(clock, durations={"recipe": history}, **fields)


def _known_started(clock: Clock, jobs: int = 500, **fields: Any) -> Job:
    return _known(clock, jobs, status=JobStatus.PROCESSING, started_at_ms=clock.now_ms, **fields)


def test_poll_interval_with_history_is_long_at_first_and_short_when_the_end_is_near(
    clock: Clock,
) -> None:
    job = _known_started(clock)

    at_s = (0, 10, 38, 40, 200)
    gaps = [poll_after_ms(job, clock.now_ms + seconds * 1000) for seconds in at_s]
    assert gaps[:2] == [15_000, 15_000]
    assert gaps[2] < 1000
    assert gaps[3] < 1000
    assert gaps[4] == 2000


def test_few_past_jobs_are_no_history_to_poll_by(clock: Clock) -> None:
    assert poll_after_ms(_known_started(clock, 9), clock.now_ms) == 1000
    assert poll_after_ms(_known_started(clock, 10), clock.now_ms) > 1000


def test_another_tasks_history_is_none_to_poll_by(clock: Clock) -> None:
    job = replace(_known_started(clock), task="other")

    assert poll_after_ms(job, clock.now_ms) == 1000


def test_job_in_the_queue_may_begin_any_moment_however_long_it_waits(clock: Clock) -> None:
    quick = replace(_known(clock), durations={"recipe": str(Durations({bucket(4.0): 500}))})

    gaps = {poll_after_ms(quick, clock.now_ms + seconds * 1000) for seconds in range(0, 200, 7)}

    assert len(gaps) == 1
    assert 2500 < gaps.pop() < 5000


def test_takeover_does_not_start_the_clock_of_the_polls_again(clock: Clock) -> None:
    job = _known_started(clock)
    lease = Lease(token="t", expires_at_ms=clock.now_ms + 60_000, message_id="m")
    released = replace(job, status=JobStatus.PENDING, awaits_capacity=True)
    taken_over = replace(job, lease=lease)

    for seconds in (0, 30, 38, 39, 40, 60):
        now_ms = clock.now_ms + seconds * 1000
        gaps = {poll_after_ms(each, now_ms) for each in (job, released, taken_over)}
        assert len(gaps) == 1


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("deadline_seconds", [20.7, 22.0, 36.0])
def test_deadline_is_not_slept_through(
    clock: Clock, is_known: bool, deadline_seconds: float
) -> None:
    job = _known_started(clock) if is_known else _started(clock)
    job = replace(job, deadline_at_ms=clock.now_ms + round(deadline_seconds * 1000))
    now_ms = clock.now_ms
    while not job.is_overdue(now_ms):
        now_ms += poll_after_ms(job, now_ms)

    assert 0 <= now_ms - job.deadline_at_ms <= 250


def test_poll_for_the_deadline_comes_right_after_it_and_not_before(clock: Clock) -> None:
    job = _known_started(clock, deadline_at_ms=clock.now_ms + 12_000)

    assert 12_000 < poll_after_ms(job, clock.now_ms) <= 12_250


def test_poll_interval_is_never_below_a_quarter_of_a_second(clock: Clock) -> None:
    job = _known_started(clock)
    until_deadline_ms = job.deadline_at_ms - clock.now_ms

    gaps = [poll_after_ms(job, clock.now_ms + ms) for ms in range(0, until_deadline_ms, 97)]

    assert min(gaps) == 250
    assert max(gaps) == 15_000


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


def _in_parts(clock: Clock, there: int) -> Job:
    """Three parts are to come; of the outline and the parts so many are there. The task's jobs have
    taken 20 to 60 s."""
    job = _started(clock, parts_count=3)
    return replace(
        job,
        durations={"recipe": str(Durations({bucket(20): 200, bucket(40): 200, bucket(60): 200}))},
        outline="{}" if there else None,
        parts=dict.fromkeys(range(there - 1), "{}"),
    )


def test_the_bar_stands_on_what_is_there_before_any_job_is_done(clock: Clock) -> None:
    at_ms = clock.now_ms + 5_000

    bars = [progress(_in_parts(clock, there), at_ms) for there in range(4)]

    assert bars[0] == 10
    assert bars == sorted(set(bars))


def test_what_is_missing_holds_the_bar_back_and_all_but_the_last_part_leave_it_to_time(
    clock: Clock,
) -> None:
    at_ms = clock.now_ms + 45_000

    bars = [progress(_in_parts(clock, there), at_ms) for there in range(4)]

    assert bars == sorted(set(bars))
    assert bars[-1] == progress(replace(_in_parts(clock, 3), parts_count=None), at_ms)


def test_no_part_is_waited_for_when_all_jobs_would_be_done(clock: Clock) -> None:
    """As where there was no outline, and one call came instead."""
    assert progress(_in_parts(clock, 0), clock.now_ms + 200_000) == 95


def test_the_bar_of_parts_never_goes_back_whenever_they_come(clock: Clock) -> None:
    for first_ms in range(0, 60_000, 7_000):
        bars = [
            progress(
                _in_parts(clock, max(0, min(3, 1 + (at_ms - first_ms) // 4_000))),
                clock.now_ms + at_ms,
            )
            for at_ms in range(0, 100_000, 100)
        ]

        assert bars == sorted(bars)
