"""Everything that can go wrong, in one tree. Each error has `job`, as it was last seen.

SimmerError
├── ApiProblem      the server refused a request: `status`, `code`, `detail`, `errors`
├── JobFailed       the job ended without a result: `error_code`, `retryable`
├── JobCancelled    the job was cancelled, or left, by whoever: `goes_on`
├── WaitTimeout     the deadline of this wait has passed; the job may go on
├── Unreachable     no answer, however often it was asked
├── ProtocolError   an answer that is not what the server promises, however often it was asked
└── SetupError      a proxy or certificate setting of this machine cannot be used; nothing was sent

After the last four, `client.resume(error.job.task, error.job.job_id)` goes on where this stopped.
No error holds a token, or what was sent. Each can be pickled and copied, with all that it knows.
"""

from typing import Any, Self, TypedDict

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

    def __reduce__(self) -> tuple[Any, ...]:
        # By default a copy is made from `args`, which hold the message alone: a process pool
        # breaks as a whole on an error that cannot be made again.
        return _made_again, (type(self), self.args, self.__dict__.copy())

    @classmethod
    def _bare(cls, args: tuple[Any, ...]) -> Self:
        error = cls.__new__(cls)
        error.args = args
        return error


def _made_again(
    kind: type[SimmerError], args: tuple[Any, ...], state: dict[str, Any]
) -> SimmerError:
    error = kind._bare(args)
    error.__dict__.update(state)
    return error


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
    """`goes_on`: it ended for us alone; others wait for it, and it is still worked on."""

    def __init__(self, job: Update) -> None:
        goes_on = "The job was left, and goes on for others who wait for it."
        super().__init__(goes_on if job.goes_on else "The job was cancelled.", job)
        self.goes_on = job.goes_on


class WaitTimeout(SimmerError):
    pass


class Unreachable(SimmerError):
    pass


class ProtocolError(SimmerError):
    pass


class SetupError(SimmerError):
    """The message is one sentence: which setting, what is wrong with it, what helps."""
