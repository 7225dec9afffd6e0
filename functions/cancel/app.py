"""POST /{task}/cancel/{jobId}: the job ends, unless other users wait for it."""

from typing import Any

from simmer import clock
from simmer.tasks import known_task
from simmer.web.http import Event, Response, caller, http_endpoint, path_parameter
from simmer.web.status import job_store, status_response


@http_endpoint
def handler(event: Event, context: Any) -> Response:
    task = known_task(path_parameter(event, "task"))
    now_ms = clock.now_ms()
    job = job_store(is_read=False).cancel(
        path_parameter(event, "jobId"), task=task, user=caller(event), now_ms=now_ms
    )
    return status_response(job, now_ms)
