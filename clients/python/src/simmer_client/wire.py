"""The server's answers, read with suspicion. What is not as promised is a `Malformed`."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from simmer_client.errors import ApiProblem, FieldError
from simmer_client.parts import Parts, read_parts
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


LONGEST_JOB_SECONDS = 86_400.0  # a `deadlineAt` further away than that is no deadline


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long a job may run on, in two readings of `deadlineAt`; None: this one cannot be had."""

    by_date: float | None = None  # seconds from the answer's own `Date`, so from now on
    by_creation: float | None = None  # seconds from `createdAt`, so at most from when it was known


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a job's update will have so long after a frame if nothing new comes of the job."""

    after_seconds: float  # more than none
    fields: Mapping[str, Any]  # of `Update`: progress, and others that are new


@dataclass(frozen=True, slots=True)
class Document:
    """A status document: the update it means, and when the server wants to be asked again."""

    update: Update
    poll_after_seconds: float | None = None
    deadline: Deadline = field(default_factory=Deadline)
    parts: Parts = field(default_factory=Parts)
    ask_after_seconds: float | None = None  # of a frame, as the next one
    ahead: Sequence[Ahead] = ()  # in the order of their times

    @property
    def lacks_result(self) -> bool:
        """Completed, and too large for a frame: the result has to be fetched."""
        return self.update.state is State.COMPLETED and self.update.result is None


def read_submitted(answer: Answer, task: str) -> tuple[Update, PushOffer | None, Deadline]:
    """The answer to a submit that is not refused: accepted, or answered at once."""
    fields = _object(answer.body)
    job_id = _text(fields, "jobId")
    if not job_id:
        raise Malformed("it names no job")
    if fields.get("status") != ("completed" if answer.status == 200 else "submitted"):
        raise Malformed("its status is unknown")
    update = Update(task=task, job_id=job_id, message=_message(fields))
    if answer.status != 200:
        accepted = replace(update, state=State.POLLING)
        return accepted, _offer(fields), _deadline(fields, answer.headers)
    if fields.get("result") is None:
        raise Malformed("it is completed and has no result")
    completed = replace(
        update,
        state=State.COMPLETED,
        progress=100,
        stage="done",
        result=fields["result"],
        cached=True,
    )
    return completed, None, Deadline()


def _offer(fields: Mapping[str, Any]) -> PushOffer | None:
    """What cannot be understood is no offer: polling is always there."""
    match fields.get("push"):
        case {"url": str(url), "token": str(token)} if url and token:
            return PushOffer(url, token)
    return None


def read_status(
    body: bytes | str, task: str, job_id: str, headers: Mapping[str, str] | None = None
) -> Document:
    """A status document of that job. It may lack the result: see `Document.lacks_result`."""
    fields = _object(body)
    if fields.get("jobId") != job_id:
        raise Malformed("it is not about this job")
    word = fields.get("status")
    if not isinstance(word, str) or word not in _STATES:
        raise Malformed("its status is unknown")
    state = _STATES[word]
    progress = _number(fields, "progress")
    if progress is None:
        raise Malformed("its progress is no number")
    remaining = _number(fields, "estimatedSecondsRemaining")
    update = Update(
        task=task,
        job_id=job_id,
        state=state,
        progress=_bar(progress),
        stage=_text(fields, "stage"),
        message=_message(fields),
        estimated_seconds_remaining=None if remaining is None else int(remaining),
        estimate_is_measured=fields.get("estimateIsMeasured") is True,
        result=fields.get("result") if state is State.COMPLETED else None,
        error=(_text(fields, "error") or None) if state is State.FAILED else None,
        error_code=(_text(fields, "errorCode") or None) if state is State.FAILED else None,
        retryable=state is State.FAILED and fields.get("retryable") is True,
    )
    created_at = _moment(fields.get("createdAt"))
    return Document(
        update,
        _seconds(fields, "pollAfterMs"),
        _deadline(fields, headers or {}),
        read_parts(fields, None if created_at is None else created_at.timestamp()),
        _seconds(fields, "askAfterMs"),
        sorted(_ahead(fields.get("ahead")), key=lambda entry: entry.after_seconds),
    )


def _ahead(entries: object) -> Iterator[Ahead]:
    """The entries that can be understood, with what can be understood of them."""
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        after_seconds, progress = _seconds(entry, "afterMs"), _number(entry, "progress")
        if after_seconds is None or after_seconds <= 0 or progress is None:
            continue
        fields: dict[str, Any] = {"progress": _bar(progress)}
        fields |= {
            name: entry[name] for name in ("stage", "message") if isinstance(entry.get(name), str)
        }
        if (remaining := _number(entry, "estimatedSecondsRemaining")) is not None:
            fields["estimated_seconds_remaining"] = int(remaining)
        yield Ahead(after_seconds, fields)


def _bar(progress: float) -> int:
    return int(min(100.0, max(0.0, progress)))


def _deadline(fields: Mapping[str, Any], headers: Mapping[str, str]) -> Deadline:
    """The phone's own clock has no part in it: it may be wrong, and it may jump."""
    until = _moment(fields.get("deadlineAt"))
    return Deadline(
        by_date=_between(_http_date(headers.get("date", "")), until),
        by_creation=_between(_moment(fields.get("createdAt")), until),
    )


def _between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds; None where they make no sense of a job that is open."""
    if start is None or end is None:
        return None
    seconds = (end - start).total_seconds()
    return seconds if 0 < seconds <= LONGEST_JOB_SECONDS else None


def _moment(value: object) -> datetime | None:
    """An ISO time that ends in Z."""
    if not isinstance(value, str) or not value.endswith("Z"):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def is_refusal(answer: Answer) -> bool:
    """Whether a 4xx is the API's own, or its gateway's: proxies and login pages have theirs."""
    try:
        fields = _object(answer.body)
    except Malformed:
        return False
    return any(isinstance(fields.get(name), str) for name in ("code", "title", "detail", "message"))


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
    until, now = _http_date(value), _http_date(headers.get("date", ""))
    return max(0.0, (until - now).total_seconds()) if until and now else None


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
    """None for what cannot be understood."""
    value = fields.get(name)
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = float(value)
            return number if math.isfinite(number) else None
    except OverflowError:
        pass
    return None


def _seconds(fields: Mapping[str, Any], name: str) -> float | None:
    """Of a field in milliseconds."""
    ms = _number(fields, name)
    return None if ms is None else ms / 1000


def _message(fields: Mapping[str, Any]) -> str:
    if not isinstance(fields.get("message"), str | None):
        raise Malformed("its message is no text")
    return _text(fields, "message")


def _text(fields: Mapping[str, Any], name: str) -> str:
    """Empty for what cannot be understood."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""
