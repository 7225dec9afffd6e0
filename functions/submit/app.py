"""POST /{task}/generate: a request becomes a job, or is answered at once."""

from contextlib import suppress
from functools import cache
from typing import Any

from simmer import clock
from simmer.books.history import History
from simmer.books.ledger import Ledger
from simmer.errors import DependencyUnavailable
from simmer.jobs.admission import Submission, submit
from simmer.jobs.job import JobStatus
from simmer.jobs.queue import JobQueue
from simmer.jobs.store import JobStore
from simmer.jobs.story import Event, tell
from simmer.settings import SubmitSettings
from simmer.tasks import known_task
from simmer.waiting.progress import poll_after_ms
from simmer.web import http
from simmer.web.push_tokens import PushTokens, push_offer
from simmer.web.view import cached_view, relative_status_path, submitted_view


@cache
def _wiring() -> tuple[JobStore, JobQueue, SubmitSettings]:
    settings = SubmitSettings.from_env()
    store = JobStore.connect(settings.jobs_table)
    return store, JobQueue.connect(settings.jobs_queue_url), settings


@cache
def _history() -> History:
    settings = SubmitSettings.from_env()
    ledger = Ledger.connect(settings.jobs_table, settings.ledger_shards, is_patient=False)
    return History(ledger, settings.models)


# Connected at the first use, which is after the job was accepted, unless users share jobs.
_push_tokens = cache(PushTokens.connect)


def _shared_audience(settings: SubmitSettings, now_ms: int) -> str | None:
    """None, too, while the key cannot be read: then everybody's job is their own."""
    if settings.cache_scope != "shared":
        return None
    with suppress(DependencyUnavailable):
        return _push_tokens(settings.push_key_secret).shared_audience(now_ms)
    return None


@http.http_endpoint
def handler(event: http.Event, context: Any) -> http.Response:
    task = known_task(http.path_parameter(event, "task"))  # before the body: a wrong path says so
    now_ms = clock.now_ms()
    store, queue, settings = _wiring()
    submission = Submission(
        task=task,
        user=http.caller(event),
        body=http.json_body(event),
        accept_language=http.header(event, "accept-language"),
        idempotency_key=http.header(event, "idempotency-key"),
        shared_audience=_shared_audience(settings, now_ms),
    )
    admission = submit(submission, store, queue, settings, now_ms, _history().durations)
    job = admission.job
    if job.status is JobStatus.COMPLETED:
        tell(Event.CACHED, job)
        return http.json_response(200, cached_view(job))
    tell(Event.ADMITTED if admission.is_new else Event.JOINED, job)
    retry_after = http.retry_after(poll_after_ms(job, now_ms))
    headers = {"location": relative_status_path(job), **retry_after}
    push = push_offer(_push_tokens, settings, job, submission.user, now_ms)
    return http.json_response(202, submitted_view(job, push), headers)
