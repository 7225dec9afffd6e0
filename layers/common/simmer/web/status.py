"""What `status` and `cancel` share: the store, and the status document over HTTP."""

from functools import cache

from simmer.jobs.cache import items_by
from simmer.jobs.job import Job
from simmer.jobs.store import JobStore
from simmer.settings import TableSettings
from simmer.waiting.progress import poll_after_ms
from simmer.web.http import Response, json_response, retry_after
from simmer.web.view import job_view


@cache
def job_store(*, is_read: bool) -> JobStore:
    """With a cache, if there is one, which polls also read."""
    settings = TableSettings.from_env()
    items = items_by(settings.status_cache_url, is_read=is_read)
    return JobStore.connect(settings.jobs_table, items)


def status_response(job: Job, now_ms: int) -> Response:
    """The status document as an answer, which says when to ask again while the job is open."""
    is_open = not job.status.is_terminal
    headers = retry_after(poll_after_ms(job, now_ms)) if is_open else {}
    return json_response(200, job_view(job, now_ms), headers)
