"""POST /{task}/generate: a request becomes a job, or is answered at once."""

from functools import cache
from typing import Any

from simmer import clock
from simmer.admission import Submission, submit
from simmer.http import (
    Event,
    Response,
    caller,
    header,
    http_endpoint,
    json_body,
    json_response,
    path_parameter,
    retry_after,
)
from simmer.job import JobStatus
from simmer.job_queue import JobQueue
from simmer.job_store import JobStore
from simmer.progress import poll_after_ms
from simmer.settings import SubmitSettings
from simmer.task import find_task
from simmer.view import cached_view, status_path, submitted_view


@cache
def _wiring() -> tuple[JobStore, JobQueue, SubmitSettings]:
    settings = SubmitSettings.from_env()
    store = JobStore.connect(settings.jobs_table)
    return store, JobQueue.connect(settings.jobs_queue_url), settings


@http_endpoint
def handler(event: Event, context: Any) -> Response:
    task = find_task(path_parameter(event, "task"))  # before the body: a wrong path says so
    now_ms = clock.now_ms()
    submission = Submission(
        task=task.name,
        user=caller(event),
        body=json_body(event),
        accept_language=header(event, "accept-language"),
        idempotency_key=header(event, "idempotency-key"),
        wants_fresh="no-cache" in (header(event, "cache-control") or "").lower(),
    )
    job = submit(submission, *_wiring(), now_ms).job
    if job.status is JobStatus.COMPLETED:
        return json_response(200, cached_view(job))
    headers = {"location": status_path(job), **retry_after(poll_after_ms(job, now_ms))}
    return json_response(202, submitted_view(job), headers)
