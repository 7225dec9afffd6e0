"""POST /{task}/cancel/{jobId}: the job ends, unless other users wait for it."""

from functools import cache
from typing import Any

from simmer import clock
from simmer.jobs.store import JobStore
from simmer.settings import TableSettings
from simmer.tasks import known_task
from simmer.web.http import Event, Response, caller, http_endpoint, path_parameter
from simmer.web.status import status_response


@cache
def _store() -> JobStore:
    return JobStore.connect(TableSettings.from_env().jobs_table)


@http_endpoint
def handler(event: Event, context: Any) -> Response:
    task = known_task(path_parameter(event, "task"))
    now_ms = clock.now_ms()
    job = _store().cancel(
        path_parameter(event, "jobId"), task=task, user=caller(event), now_ms=now_ms
    )
    return status_response(job, now_ms)
