"""How far a job seems to be: computed when it is asked, never stored.

The bar follows the article: under 10 while queued, 10 to 50 `analyzing`, 50 to 95 `generating`,
100 only when the result is stored. Between 10 and 95 it stands for a quantile: at
`10 + 85 q` a share q of jobs is done after the time this one has taken so far. A job's clock starts
with its first claim and never again, so a takeover or a re-ask does not move the bar back.
"""

from simmer.job import Job, JobStatus

# Without history: any duration up to 90 s is as likely as another, which is a mean of 45 s and a
# bar that climbs about one point a second, as the article's does.
PRIOR_LONGEST_SECONDS = 90.0


def quantile(elapsed_seconds: float) -> float:
    """The share of jobs that are done after that long, 0 to 1."""
    return min(1.0, max(0.0, elapsed_seconds / PRIOR_LONGEST_SECONDS))


def progress(job: Job, now_ms: int) -> int:
    """0 to 100, for a job as `Job.as_of` gives it."""
    if job.status is JobStatus.COMPLETED:
        return 100
    if job.status.is_terminal:
        return 95  # it ended without a result, and the bar must not go back from anywhere
    if job.started_at_ms is None:
        waited_seconds = (now_ms - job.created_at_ms) / 1000
        return int(min(9.0, max(0.0, waited_seconds / 2)))
    return 10 + int(85 * quantile((now_ms - job.started_at_ms) / 1000))


def estimated_seconds_remaining(job: Job, now_ms: int) -> int:
    """The median of what remains, given how long the job has taken; at least 1 while it is open."""
    if job.status.is_terminal:
        return 0
    elapsed_seconds = 0.0
    if job.started_at_ms is not None:
        elapsed_seconds = max(0.0, (now_ms - job.started_at_ms) / 1000)
    median = (PRIOR_LONGEST_SECONDS - elapsed_seconds) / 2
    until_deadline = (job.deadline_at_ms - now_ms) / 1000
    return max(1, round(min(median, until_deadline)))


def poll_after_ms(job: Job, now_ms: int) -> int:
    """When asking again is worth it: 1 s at first, then 2 s, 0.5 s once the bar is at its end."""
    if progress(job, now_ms) >= 95:
        return 500
    return 1000 if now_ms - job.created_at_ms < 10_000 else 2000
