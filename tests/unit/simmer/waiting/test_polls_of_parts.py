"""The pause between polls where the next thing to see is a title or a part."""

from dataclasses import replace

import pytest

from simmer.jobs.job import Job, JobStatus
from simmer.waiting.durations import Durations, bucket
from simmer.waiting.progress import TITLES_GAP_SECONDS, TITLES_WITHIN_SECONDS, poll_after_ms
from tests.unit.clock import Clock
from tests.unit.jobs import a_job

NEWS_GAP_MS = TITLES_GAP_SECONDS * 1000


@pytest.fixture
def job() -> Job:
    """In parts, under way; such jobs take 20 to 25 s."""
    known = str(Durations({bucket(20): 500, bucket(25): 500}))
    job = a_job(Clock())
    return replace(
        job,
        status=JobStatus.PROCESSING,
        started_at_ms=job.created_at_ms,
        durations={job.task: known},
        parts_count=3,
    )


def after(job: Job, seconds: float) -> int:
    return poll_after_ms(job, job.created_at_ms + round(seconds * 1000))


def test_titles_are_looked_for_at_once_and_not_for_ever(job: Job) -> None:
    assert after(job, 1) <= NEWS_GAP_MS
    assert after(job, TITLES_WITHIN_SECONDS) > NEWS_GAP_MS


def test_between_titles_and_parts_nobody_asks_often(job: Job) -> None:
    planned = replace(job, outline="{}")

    assert after(planned, 5) > NEWS_GAP_MS
    assert 18_000 < 17_000 + after(planned, 17) < 20_000  # where the first may come, not before
    assert after(planned, 20) <= NEWS_GAP_MS


def test_an_answer_in_one_call_is_asked_for_as_before(job: Job) -> None:
    assert after(replace(job, parts_count=None), 1) > NEWS_GAP_MS


def test_a_poll_is_meant_for_the_first_part_which_comes_before_any_whole(job: Job) -> None:
    planned = replace(job, outline="{}")
    alone = replace(job, parts_count=None)

    first, whole = (5000 + after(each, 5) for each in (planned, alone))

    assert 18_000 < first < whole


def test_the_more_parts_are_missing_the_sooner_the_next_is_likely(job: Job) -> None:
    planned = replace(job, outline="{}")
    nearly = replace(planned, parts={0: "{}", 1: "{}"})

    assert after(planned, 17) < after(nearly, 17)


def test_past_all_known_times_nobody_hurries(job: Job) -> None:
    planned = replace(job, outline="{}")

    assert after(planned, 60) == after(replace(job, parts_count=None), 60)
