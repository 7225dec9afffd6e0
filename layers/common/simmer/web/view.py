"""A job as a client sees it: the status document of the wire contract, as JSON text."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from simmer.jobs.job import ErrorCode, Job, JobStatus
from simmer.jobs.outline import Outline
from simmer.waiting.progress import (
    estimate_is_measured,
    estimated_seconds_remaining,
    poll_after_ms,
    progress,
    takes_longer_than_usual,
)
from simmer.web.messages import message


def job_view(job: Job, now_ms: int, *, is_short: bool = False) -> str:
    """The status document of a job as the store gives it at `now_ms`; a short one is without the
    texts of the answer."""
    document: dict[str, Any] = {
        "jobId": job.job_id,
        "status": job.status,
        **moving(job, now_ms),
        "createdAt": _timestamp(job.created_at_ms),
        "deadlineAt": _timestamp(job.deadline_at_ms),
    }
    if job.completed_at_ms is not None:
        document["completedAt"] = _timestamp(job.completed_at_ms)
    document["estimatedSecondsRemaining"] = document.pop("estimatedSecondsRemaining")
    if not job.status.is_terminal:
        document["estimateIsMeasured"] = estimate_is_measured(job)
        document["pollAfterMs"] = poll_after_ms(job, now_ms)
    if job.status is JobStatus.FAILED:
        code = job.error_code or ErrorCode.INTERNAL
        document["error"] = message(f"failed.{code}", job.locale)
        document["errorCode"] = code
        document["retryable"] = code.is_retryable
    if job.outline is None or job.status in (JobStatus.COMPLETED, JobStatus.CANCELLED):
        return _with_result(document, job, is_short=is_short)
    outline = Outline.parse(job.outline)
    document["outline"] = [
        {"title": title, "state": "ready" if i in job.parts else "waiting"}
        for i, title in enumerate(outline.titles)
    ]
    partial = outline.result_of(job.parts) if job.parts and not is_short else None
    return _with_text(document, "partialResult", partial)


def moving(job: Job, now_ms: int) -> dict[str, Any]:
    """What of the document changes while nothing comes of the job."""
    done = progress(job, now_ms)
    stage = _stage(job, done)
    return {
        "progress": done,
        "stage": stage,
        "message": _message(job, stage, now_ms),
        "estimatedSecondsRemaining": estimated_seconds_remaining(job, now_ms),
    }


def submitted_view(job: Job, push: Mapping[str, str] | None = None) -> str:
    """The answer to a submit that is accepted or joined; `push` is as `push_offer` gives it."""
    document: dict[str, Any] = {
        "jobId": job.job_id,
        "status": "submitted",
        "message": message("submitted", job.locale),
        "statusUrl": f"/{job.task}/{relative_status_path(job)}",
        "deadlineAt": _timestamp(job.deadline_at_ms),
    }
    if push is not None:
        document["push"] = push
    return dump(document)


def cached_view(job: Job) -> str:
    """The answer to a submit whose request was answered before."""
    document = {
        "jobId": job.job_id,
        "status": job.status,
        "progress": 100,
        "message": message("done", job.locale),
        "cached": True,
    }
    return _with_result(document, job)


def relative_status_path(job: Job) -> str:
    """The address of the status, relative to that of the submit. So it is right behind `/prod` or
    `/v1`, too, which a function cannot know."""
    return f"status/{job.job_id}"


def _with_result(document: dict[str, Any], job: Job, *, is_short: bool = False) -> str:
    is_shown = job.status is JobStatus.COMPLETED and not is_short
    return _with_text(document, "result", job.result if is_shown else None)


def _with_text(document: dict[str, Any], name: str, stored: str | None) -> str:
    """The stored text goes in as it is: the bytes that were validated are the bytes delivered."""
    text = dump(document)
    return text if stored is None else f'{text[:-1]},"{name}":{stored}}}'


def _stage(job: Job, done: int) -> str:
    if job.status.is_terminal:
        return "done"
    if job.status is JobStatus.PENDING:
        return "queued"
    return "analyzing" if done < 50 and job.outline is None else "generating"


def _message(job: Job, stage: str, now_ms: int) -> str:
    match job.status:
        case JobStatus.PENDING:
            return message("awaiting_capacity" if job.awaits_capacity else "queued", job.locale)
        case JobStatus.PROCESSING if takes_longer_than_usual(job, now_ms):
            return message("slow", job.locale)
        case JobStatus.PROCESSING:
            return (job.words or {}).get(stage) or message(stage, job.locale)
        case JobStatus.COMPLETED:
            return message("done", job.locale)
        case JobStatus.FAILED:
            return message(f"failed.{job.error_code or ErrorCode.INTERNAL}", job.locale)
        case JobStatus.CANCELLED:
            return message("cancelled", job.locale)


def _timestamp(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dump(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
