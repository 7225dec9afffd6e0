"""The progress of a job: computed at each request, never stored.

The bar has the shape of Cookting's, the app that Simmer was first made for ("the article" in
docs/glossary.md): under 10 while queued, 10 to 50 `analyzing`, 50 to 95 `generating`,
100 only when the result is stored. Between 10 and 95 it stands for a quantile: at
`10 + 85 q` a share q of jobs is done after the time this one has taken so far. A job's clock starts
with its first claim, and only then: a takeover or a re-ask does not move the bar back.
Which share that is, past jobs tell (`simmer.waiting.durations`).
"""

import math

from simmer.jobs.job import Job, JobStatus
from simmer.waiting.durations import Durations
from simmer.waiting.polling import DENSITY, SHORTEST_SECONDS, parsed, poll_schedule

# Past this share of all jobs, the client is told that its job takes longer than usual.
USUAL_SHARE = 0.99

# For an answer in parts: the longest pause where something may be seen soon. The titles are some
# tens of tokens; the first part comes at about this share of the time of an early whole.
NEWS_GAP_SECONDS = 1.5
TITLES_WITHIN_SECONDS = 10.0
EARLY_SHARE, FIRST_PART_SHARE = 0.05, 0.8

# A poll meant for the deadline must not come before it.
AFTER_DEADLINE_MS = 100


def progress(job: Job, now_ms: int) -> int:
    """0 to 100, for a job as the store gives it at `now_ms`."""
    if job.status is JobStatus.COMPLETED:
        return 100
    if job.status.is_terminal:
        return 95  # it ended without a result, and the bar must not go back from anywhere
    if job.started_at_ms is None:
        waited_seconds = (now_ms - job.created_at_ms) / 1000
        return int(min(9.0, max(0.0, waited_seconds / 2)))
    return 10 + int(85 * share_done(job, now_ms))


def share_done(job: Job, now_ms: int) -> float:
    """The share of all jobs, 0 to 1, that are done after the time that this one has taken."""
    return _durations(job).share_done(_elapsed_seconds(job, now_ms))


def estimated_seconds_remaining(job: Job, now_ms: int) -> int:
    """The median of the time left, given the time so far; at least 1 while the job is open."""
    if job.status.is_terminal:
        return 0
    median = _durations(job).median_remaining_seconds(_elapsed_seconds(job, now_ms))
    until_deadline = (job.deadline_at_ms - now_ms) / 1000
    return max(1, round(min(median, until_deadline)))


def takes_longer_than_usual(job: Job, now_ms: int) -> bool:
    """True if 99 of 100 jobs would be done by now."""
    if job.status.is_terminal:
        return False
    return _elapsed_seconds(job, now_ms) > _durations(job).seconds_until(USUAL_SHARE)


def poll_after_ms(job: Job, now_ms: int) -> int:
    """The pause until the next useful poll; it ends right after the deadline at the latest."""
    after_deadline_ms = job.deadline_at_ms - now_ms + AFTER_DEADLINE_MS
    shortest_ms = round(SHORTEST_SECONDS * 1000)
    return max(shortest_ms, min(_poll_after_ms(job, now_ms), after_deadline_ms))


def _poll_after_ms(job: Job, now_ms: int) -> int:
    elapsed_seconds = _elapsed_seconds(job, now_ms)
    if _durations(job).are_known:
        # A job that waits for its first worker may find one the next moment.
        density = (job.durations or {}).get(DENSITY, "")
        gap_seconds = poll_schedule(_history(job), density).gap_seconds(elapsed_seconds)
        if _has_news_soon(job, elapsed_seconds):
            gap_seconds = min(gap_seconds, NEWS_GAP_SECONDS)
        return math.ceil(gap_seconds * 1000)
    # The article's steps: 1 s at first, then 2 s, and 0.5 s once the bar is at its end.
    if progress(job, now_ms) >= 95:
        return 500
    return 1000 if now_ms - job.created_at_ms < 10_000 else 2000


def _has_news_soon(job: Job, elapsed_seconds: float) -> bool:
    """Whether an outline or a part may come any moment: titles after a few seconds, if at all; a
    part is done before the first of the wholes are."""
    if job.parts_count is None:
        return False
    if job.outline is None:
        return elapsed_seconds < TITLES_WITHIN_SECONDS
    return elapsed_seconds > FIRST_PART_SHARE * _durations(job).seconds_until(EARLY_SHARE)


def _elapsed_seconds(job: Job, now_ms: int) -> float:
    if job.started_at_ms is None:
        return 0.0
    return max(0.0, (now_ms - job.started_at_ms) / 1000)


def _durations(job: Job) -> Durations:
    return parsed(_history(job))


def _history(job: Job) -> str:
    """The durations that were known at the run's admission, or else at its first claim. Durations
    learned later must not move the run's bar."""
    return (job.durations or {}).get(job.task, "")
