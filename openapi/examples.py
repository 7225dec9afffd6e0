"""The API's answers to each task's own example, made by the views that answer a client."""

import json
from datetime import UTC, datetime
from typing import Any

from simmer.jobs.job import ErrorCode, Job, JobStatus
from simmer.task import AnyTask
from simmer.web.view import cached_view, job_view

type Json = dict[str, Any]

JOB_ID = "c928f6c74fe0dfcc70d9446871a50ca2"
_CREATED_AT_MS = round(datetime(2026, 11, 22, 9, 30, tzinfo=UTC).timestamp() * 1000)
PUSH_OFFER = {
    "url": "wss://push.example.com/push",
    "token": "WyJjOTI4ZjZjNyIsIjAxIiwxNzk1MzM5ODAwMDAwXQ.c2lnbmF0dXJl",
}


def status_examples(task: AnyTask) -> dict[str, str]:
    """The status document of a job in each of its states."""

    def view(status: JobStatus, after_seconds: int, **fields: Any) -> str:
        now_ms = _CREATED_AT_MS + after_seconds * 1000
        started_at_ms = None if status is JobStatus.PENDING else _CREATED_AT_MS + 500
        if status.is_terminal:
            fields["completed_at_ms"] = now_ms
        return job_view(job_of(task, status=status, started_at_ms=started_at_ms, **fields), now_ms)

    return {
        "pending": view(JobStatus.PENDING, 0),
        "processing": view(JobStatus.PROCESSING, 12),
        "completed": view(JobStatus.COMPLETED, 31, result=result_of(task)),
        "failed": view(JobStatus.FAILED, 48, error_code=ErrorCode.INVALID_OUTPUT),
        "cancelled": view(JobStatus.CANCELLED, 5),
        **({"inParts": view(JobStatus.PROCESSING, 12, **begun)} if (begun := _begun(task)) else {}),
    }


def _begun(task: AnyTask) -> Json:
    """Of an answer in parts: the outline, and the first part."""
    if task.parts is None:
        return {}
    [(name, items)] = task.answer.items()
    [items_field] = task.result_model.model_fields.values()
    alias = items_field.annotation.__args__[0].model_fields[task.parts.title].alias
    plans = [{"title": item[alias]} for item in items]
    return {
        "outline": json.dumps({name: plans}, ensure_ascii=False),
        "parts": {0: json.dumps(items[0], ensure_ascii=False)},
    }


def cached(task: AnyTask) -> str:
    """What a submit answers when the example was answered before."""
    return cached_view(job_of(task, status=JobStatus.COMPLETED, result=result_of(task)))


def result_of(task: AnyTask) -> str:
    """The task's own answer to its example, as a model would write it."""
    return json.dumps(task.answer, ensure_ascii=False)


def job_of(task: AnyTask, **fields: Any) -> Job:
    """The job of the task's example, just admitted, or with these fields."""
    locale = str(task.example.get("locale", task.languages[0]))
    defaults: Json = {
        "job_id": JOB_ID,
        "run_id": "",
        "task": task.name,
        "owner": "",
        "is_shared": False,
        "request": "",
        "request_hash": "",
        "locale": locale,
        "words": task.words.get(locale),
        "created_at_ms": _CREATED_AT_MS,
        "deadline_at_ms": _CREATED_AT_MS + 300_000,
        "expires_at_seconds": 0,
    }
    return Job(**defaults | fields)
