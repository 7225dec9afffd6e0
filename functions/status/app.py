"""GET /{task}/status/{jobId}: where a job stands and, once it is done, its result."""

from functools import cache
from typing import Any

from simmer import clock
from simmer.http import (
    Event,
    Response,
    caller,
    http_endpoint,
    json_response,
    path_parameter,
    retry_after,
)
from simmer.job_store import JobStore
from simmer.progress import poll_after_ms
from simmer.settings import StatusSettings
from simmer.task import find_task
from simmer.view import job_view


@cache
def _store() -> JobStore:
    return JobStore.connect(StatusSettings.from_env().jobs_table)


@http_endpoint
def handler(event: Event, context: Any) -> Response:
    task = find_task(path_parameter(event, "task"))
    now_ms = clock.now_ms()
    job = _store().get(
        path_parameter(event, "jobId"), task=task.name, user=caller(event), now_ms=now_ms
    )
    is_open = not job.as_of(now_ms).status.is_terminal
    headers = retry_after(poll_after_ms(job, now_ms)) if is_open else {}
    return json_response(200, job_view(job, now_ms), headers)
