"""A job as one WebSocket frame."""

from simmer.jobs.job import Job
from simmer.web.view import job_view

# API Gateway's own limit of a frame; what is longer is charged, and split, by it.
MAX_FRAME_BYTES = 32 * 1024


def job_frame(job: Job, now_ms: int) -> str:
    """The status document, to the byte what GET answers; without the result or its parts if they
    are too long for a frame: the client then asks for them."""
    frame = job_view(job, now_ms)
    if len(frame.encode()) > MAX_FRAME_BYTES:
        return job_view(job, now_ms, is_short=True)
    return frame
