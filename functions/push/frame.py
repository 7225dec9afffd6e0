"""A job as one WebSocket frame."""

from typing import Any

from simmer.jobs.job import Job
from simmer.waiting.progress import AFTER_DEADLINE_MS
from simmer.web.view import dump, job_view, moving

# API Gateway's own limit of a frame; what is longer is charged, and split, by it.
MAX_FRAME_BYTES = 32 * 1024

# When to ask again. Clients take less for nonsense; so late they notice that a socket is dead.
LEAST_MS, MOST_MS = 1_000, 30_000
AHEAD_EVERY_MS = 5_000
_WORDS = ("stage", "message")  # in an entry where they are new


def job_frame(job: Job, now_ms: int) -> str:
    """The status document that GET answers, and of an open job what is ahead; without the result
    or its parts if they are too long for a frame: the client then asks for them."""
    end = "}" if job.status.is_terminal else f",{dump(_ahead(job, now_ms))[1:]}"
    frame = job_view(job, now_ms)[:-1] + end
    if len(frame.encode()) > MAX_FRAME_BYTES:
        return job_view(job, now_ms, is_short=True)[:-1] + end
    return frame


def _ahead(job: Job, now_ms: int) -> dict[str, Any]:
    """When to ask again, and what GET would answer until then if nothing new comes of the job."""
    until_failed_ms = job.deadline_at_ms - now_ms + AFTER_DEADLINE_MS
    ask_after_ms = max(LEAST_MS, min(MOST_MS, until_failed_ms))
    entries, before = [], moving(job, now_ms)
    # At the deadline itself the job has failed.
    for after_ms in range(AHEAD_EVERY_MS, ask_after_ms - AFTER_DEADLINE_MS, AHEAD_EVERY_MS):
        then = moving(job, now_ms + after_ms)
        new = [name for name in then if name not in _WORDS or then[name] != before[name]]
        entries.append({"afterMs": after_ms, **{name: then[name] for name in new}})
        before = then
    return {"askAfterMs": ask_after_ms, "ahead": entries}
