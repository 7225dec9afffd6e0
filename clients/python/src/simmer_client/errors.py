"""Everything that can go wrong, in one tree. Each error has `job`, as it was last seen.

SimmerError
├── ApiProblem      the server refused a request: `status`, `code`, `detail`, `errors`
├── JobFailed       the job ended without a result: `error_code`, `retryable`
├── JobCancelled    the job was cancelled, or left, by whoever
├── WaitTimeout     the deadline of this wait has passed; the job may go on
├── Unreachable     no answer, however often it was asked
└── ProtocolError   an answer that is not what the server promises

After the last three, `client.resume(error.job.task, error.job.job_id)` goes on where this stopped.
No error holds a token, or what was sent.
"""

from typing import TypedDict

from simmer_client.update import Update


class FieldError(TypedDict):
    """One complaint about one field: `field` is a dotted path, empty for the whole body."""

    field: str
    message: str


class SimmerError(Exception):
    """Any of these. `job` is the job as it was last seen."""

    def __init__(self, message: str, job: Update) -> None:
        super().__init__(message)
        self.job = job


class ApiProblem(SimmerError):
    """The server's problem document (RFC 9457). The gateway's own answers have no `code`."""

    def __init__(
        self,
        job: Update,
        *,
        status: int,
        code: str = "",
        title: str = "",
        detail: str = "",
        errors: list[FieldError] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        words = ": ".join(part for part in (title, detail) if part) or "refused"
        super().__init__(f"{words} (HTTP {status}{', ' if code else ''}{code})", job)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = errors or []
        self.retry_after_seconds = retry_after_seconds


class JobFailed(SimmerError):
    """`str(error)` is the server's sentence for the user; `error_code` is for programs."""

    def __init__(self, job: Update) -> None:
        super().__init__(job.error or "The job failed.", job)
        self.error_code = job.error_code or ""
        self.retryable = job.retryable


class JobCancelled(SimmerError):
    def __init__(self, job: Update) -> None:
        super().__init__("The job was cancelled.", job)


class WaitTimeout(SimmerError):
    pass


class Unreachable(SimmerError):
    pass


class ProtocolError(SimmerError):
    pass
