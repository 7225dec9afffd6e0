"""The progress of a job: computed at each request, never stored.

The bar has the shape of Cookting's, the app that Simmer was first made for ("the article" in
docs/glossary.md): under 10 while queued, 10 to 50 `analyzing`, 50 to 95 `generating`,
100 only when the result is stored. Between 10 and 95 it stands for a quantile: at
`10 + 85 q` a share q of jobs is done after the time this one has taken so far. A job's clock starts
with its first claim, and only then: a takeover or a re-ask does not move the bar back.
Which share that is, past jobs tell (`simmer.waiting.durations`).

The bar of an answer in parts stands on what is there, too: the outline and each part lift it to
where it stands at the least, and what is missing holds it back behind the time. It holds back less
the more jobs would be done, and nothing once all but the last part stand, so q stays a quantile.
"""

import math

from simmer.jobs.job import Job, JobStatus
from simmer.waiting.durations import Durations
from simmer.waiting.polling import DENSITY, SHORTEST_SECONDS, parsed, poll_schedule

# Past this share of all jobs, the client is told that its job takes longer than usual.
USUAL_SHARE = 0.99

# Where a bar with all but the last part stands at the least. The quickest jobs end there, so on
# average the bar is off by half the square of this: by 1 point.
STANDING_SHARE = 0.15

# The longest pause while titles may come, which are some tens of tokens; and how likely it is that
# the poll for the next part finds it.
TITLES_GAP_SECONDS = 1.5
TITLES_WITHIN_SECONDS = 10.0
PART_LIKELY = 0.65
SHORTEST_PART_GAP_SECONDS = 1.0

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
    """The share of all jobs, 0 to 1, that are done when they have come as far as this one. It never
    falls, neither as time passes nor as parts come, down to the last bit."""
    by_time = _durations(job).share_done(_elapsed_seconds(job, now_ms))
    if job.parts_count is None:
        return by_time
    # The last part comes with the result.
    there = min(job.parts_count, len(job.parts) + (job.outline is not None))
    missing = (job.parts_count - there) / job.parts_count
    return max(STANDING_SHARE * (1 - missing), by_time * (1 - missing * (1 - by_time)))


def estimated_seconds_remaining(job: Job, now_ms: int) -> int:
    """The median of the time left, given the time so far; at least 1 while the job is open."""
    if job.status.is_terminal:
        return 0
    median = _durations(job).median_remaining_seconds(_elapsed_seconds(job, now_ms))
    until_deadline = (job.deadline_at_ms - now_ms) / 1000
    return max(1, round(min(median, until_deadline)))


def estimate_is_measured(job: Job) -> bool:
    """True if past jobs say how long it takes; False while that is a guess."""
    return _durations(job).are_known


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
        return math.ceil(min(gap_seconds, _news_gap_seconds(job, elapsed_seconds)) * 1000)
    # The article's steps: 1 s at first, then 2 s, and 0.5 s once the bar is at its end.
    if progress(job, now_ms) >= 95:
        return 500
    return 1000 if now_ms - job.created_at_ms < 10_000 else 2000


def _news_gap_seconds(job: Job, elapsed_seconds: float) -> float:
    """The pause until an outline or the next part is likely; infinite if there is none to come.

    Parts are written side by side, and the last one ends the job: with n of them, the share of
    parts that are done is the n-th root of the share of jobs."""
    if job.parts_count is None:
        return math.inf
    if job.outline is None:
        return TITLES_GAP_SECONDS if elapsed_seconds < TITLES_WITHIN_SECONDS else math.inf
    durations, missing = _durations(job), job.parts_count - len(job.parts)
    done = durations.share_done(elapsed_seconds) ** (1 / job.parts_count)
    # Any of those that are missing may be the next.
    likely = 1 - (1 - done) * (1 - PART_LIKELY) ** (1 / max(1, missing))
    gap_seconds = durations.seconds_until(likely**job.parts_count) - elapsed_seconds
    return max(SHORTEST_PART_GAP_SECONDS, gap_seconds) if gap_seconds > 0 else math.inf


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
