"""The server's answers, read with suspicion. What is not as promised is a `Malformed`."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from simmer_client.errors import ApiProblem, FieldError
from simmer_client.update import State, Update

# The words of the wire: `pending` and `processing` are one to a client that waits.
_STATES = {
    "pending": State.POLLING,
    "processing": State.POLLING,
    "completed": State.COMPLETED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
}


class Malformed(Exception):
    """Not what the server promises; the message says what, and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class PushOffer:
    """Where a job's end is told by itself."""

    url: str
    token: str


@dataclass(frozen=True, slots=True)
class Document:
    """A status document: the update it means, and when the server wants to be asked again."""

    update: Update
    poll_after_seconds: float | None = None

    @property
    def lacks_result(self) -> bool:
        """Completed, and too large for a frame: the result has to be fetched."""
        return self.update.state is State.COMPLETED and self.update.result is None


def read_submitted(body: bytes, task: str) -> tuple[Update, PushOffer | None]:
    """The answer to a submit that is not refused: accepted, or answered at once."""
    fields = _object(body)
    job_id = _text(fields, "jobId")
    if not job_id:
        raise Malformed("it names no job")
    if fields.get("status") == "completed":
        if fields.get("result") is None:
            raise Malformed("it is completed and has no result")
        return replace(read_status(body, task, job_id).update, cached=True, progress=100), None
    if fields.get("status") != "submitted":
        raise Malformed("its status is unknown")
    message = _text(fields, "message")
    return Update(task=task, job_id=job_id, state=State.POLLING, message=message), _offer(fields)


def _offer(fields: Mapping[str, Any]) -> PushOffer | None:
    """What cannot be understood is no offer: polling is always there."""
    match fields.get("push"):
        case {"url": str(url), "token": str(token)}:
            return PushOffer(url, token)
    return None


def read_status(body: bytes | str, task: str, job_id: str) -> Document:
    """A status document of that job. It may lack the result: see `Document.lacks_result`."""
    fields = _object(body)
    if fields.get("jobId") != job_id:
        raise Malformed("it is not about this job")
    word = fields.get("status")
    if not isinstance(word, str) or word not in _STATES:
        raise Malformed("its status is unknown")
    state = _STATES[word]
    remaining = _number(fields, "estimatedSecondsRemaining")
    update = Update(
        task=task,
        job_id=job_id,
        state=state,
        progress=int(min(100.0, max(0.0, _number(fields, "progress") or 0.0))),
        stage=_text(fields, "stage"),
        message=_text(fields, "message"),
        estimated_seconds_remaining=None if remaining is None else int(remaining),
        result=fields.get("result") if state is State.COMPLETED else None,
        error=(_text(fields, "error") or None) if state is State.FAILED else None,
        error_code=(_text(fields, "errorCode") or None) if state is State.FAILED else None,
        retryable=fields.get("retryable") is True,
    )
    poll_after_ms = _number(fields, "pollAfterMs")
    return Document(update, None if poll_after_ms is None else poll_after_ms / 1000)


def read_problem(answer: Answer, job: Update) -> ApiProblem:
    """Whatever a refusal says of itself; it need say nothing."""
    try:
        fields = _object(answer.body)
    except Malformed:
        fields = {}
    texts = {key: value for key, value in fields.items() if isinstance(value, str)}
    return ApiProblem(
        job,
        status=answer.status,
        code=texts.get("code", ""),
        title=texts.get("title", ""),
        # `message` is how the gateway itself says it.
        detail=texts.get("detail") or texts.get("message", ""),
        errors=_field_errors(fields.get("errors")),
        retry_after_seconds=retry_after_seconds(answer.headers),
    )


def _field_errors(value: object) -> list[FieldError]:
    found: list[FieldError] = []
    for each in value if isinstance(value, list) else []:
        match each:
            case {"field": str(field), "message": str(message)}:
                found.append({"field": field, "message": message})
    return found


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """`Retry-After`, in either of its forms; a date is taken by the server's own clock."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        until, now = (
            moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            for moment in map(parsedate_to_datetime, (value, headers.get("date", "")))
        )
    except (ValueError, TypeError):
        return None
    return max(0.0, (until - now).total_seconds())


def _object(body: bytes | str) -> dict[str, Any]:
    try:
        text = body.decode() if isinstance(body, bytes) else body
        fields = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):  # not UTF-8, not JSON, an absurd number, absurdly deep
        raise Malformed("it is not JSON") from None
    if not isinstance(fields, dict):
        raise Malformed("it is not an object")
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _number(fields: Mapping[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number):
                return number
    except OverflowError:
        pass
    raise Malformed(f"{name} is not a number")


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"{name} is not a text")
    return value
