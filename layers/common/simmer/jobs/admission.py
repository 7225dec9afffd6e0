"""The use case behind `POST /{task}/generate`: from a request to its job."""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from simmer.errors import (
    DependencyUnavailable,
    FieldError,
    InvalidIdempotencyKey,
    InvalidRequest,
    MalformedJson,
)
from simmer.jobs.job import Job, JobStatus, fingerprint, mark_of
from simmer.jobs.queue import JobQueue
from simmer.jobs.store import Admission, JobStore
from simmer.settings import SubmitSettings
from simmer.task import AnyTask, TaskRequest, find_task
from simmer.task.reading import Misread, as_stored, read_request
from simmer.text import strict_json
from simmer.text.languages import preferred_language

MAX_FIELD_ERRORS = 20
# Of all who send one request again meanwhile, one sends a message, too.
SENT_AGAIN_AFTER_MS = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A request as the client sent it. `shared_audience` stands in the ids of jobs that users may
    share, and is the deployment's secret, or who knows a request could compute its id and see
    whether somebody has asked it; `None` where users share no jobs."""

    task: str
    user: str
    body: str
    shared_audience: str | None = None
    accept_language: str | None = None
    idempotency_key: str | None = None


def submit(
    submission: Submission,
    store: JobStore,
    queue: JobQueue,
    settings: SubmitSettings,
    now_ms: int,
    durations_of: Callable[[str, int], Mapping[str, str]],
) -> Admission:
    """Admit the request as a new run, or join it to the job of an equal request.

    `durations_of` a task's name and a number of parts is how long such jobs take; a new run is
    measured by it to its end. It may have to be read, so a request that is refused anyway does not
    ask for it.

    When this returns an open job, the job and a message for it are durable. Raises the errors of
    `simmer.errors`; after `DependencyUnavailable` the same call again is harmless.
    """
    task = find_task(submission.task)
    asked = _parse(task, submission)
    job = _new_job(task, asked, submission, settings, now_ms)
    durations = durations_of(task.name, job.parts_count or 1)
    if durations:  # else the first claim may know
        job = replace(job, durations=durations)
    admission = store.admit(
        job,
        daily_quota=settings.daily_job_quota,
        most_in_flight=settings.jobs_in_flight,
        now_ms=now_ms,
    )
    if admission.is_new or _may_lack_a_message(admission.job, now_ms):
        try:
            queue.send(admission.job, on_behalf_of=submission.user)
        except DependencyUnavailable as error:
            error.retry_after_seconds = 1
            raise
        if not admission.is_new:
            store.note_sent(admission.job, now_ms)
    return admission


def _may_lack_a_message(job: Job, now_ms: int) -> bool:
    """Whether to send another message for a job that stood there. The first one may never have been
    sent, and of those that were, SQS may have put one aside. A worker drops a message too many; a
    message too few would lose the job."""
    if job.status is not JobStatus.PENDING or job.started_at_ms is not None:
        return False
    return job.sent_at_ms is None or now_ms - job.sent_at_ms >= SENT_AGAIN_AFTER_MS


def _parse(task: AnyTask, submission: Submission) -> TaskRequest:
    try:
        document = strict_json.loads(submission.body)
    except strict_json.NotStrictJson as error:
        raise MalformedJson(f"The body is not JSON: {error}.") from None
    try:
        asked: TaskRequest = read_request(task.wire_model, document)
    except Misread as misread:
        errors = [
            FieldError(field=field[:200], message=message) for field, message in misread.errors
        ][:MAX_FIELD_ERRORS]
        raise InvalidRequest("Some fields are invalid.", errors=errors) from None
    return asked


def _key(header: str | None) -> str | None:
    """The idempotency key in a header's value. It may be quoted, as a string is in a structured
    field (RFC 9651, 3.3.3), which is what the draft of the header asks for: then the key is what
    stands between the quotes."""
    if header is None:
        return None
    quoted = re.fullmatch(r'"((?:[^"\\]|\\["\\])*)"', header.strip(" "))
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else header
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise InvalidIdempotencyKey("The key must have 1 to 255 visible ASCII characters.")
    return key


def _new_job(
    task: AnyTask, asked: TaskRequest, submission: Submission, settings: SubmitSettings, now_ms: int
) -> Job:
    """The run that this request would be. Its id says which requests are the same."""
    key = _key(submission.idempotency_key)
    request = asked
    if "locale" not in asked.model_fields_set:
        locale = preferred_language(submission.accept_language, task.languages)
        request = asked.model_copy(update={"locale": locale})
    # A key belongs to a body, whatever language a phone has been switched to since.
    same = request if key is None else asked
    request_hash = fingerprint(task.name, task.version, task.identity(same))
    shared = submission.shared_audience if task.is_shareable and key is None else None
    audience = shared or f"user {submission.user}"
    if key is not None:
        # With the version: an answer of the old one is wrong now, for whoever asks.
        job_id = fingerprint(audience, task.name, task.version, "key", key)
    else:
        job_id = fingerprint(audience, request_hash)
    deadline_at_ms = now_ms + settings.job_deadline_seconds * 1000
    return Job(
        job_id=job_id,
        run_id=uuid.uuid4().hex,
        task=task.name,
        owner=submission.user,
        is_shared=shared is not None,
        request=as_stored(request),
        request_hash=request_hash,
        locale=request.locale,
        task_version=task.version,
        parts_count=None if (parts := task.part_count(request)) == 1 else parts,
        words=task.words.get(request.locale),
        created_at_ms=now_ms,
        deadline_at_ms=deadline_at_ms,
        expires_at_seconds=deadline_at_ms // 1000 + settings.retention_seconds,
        wanted_by=frozenset({mark_of(submission.user)}),
    )
