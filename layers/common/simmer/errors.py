"""The errors of a request, each with its HTTP status and its stable code.

SimmerError
├── MalformedJson          400  malformed_json
├── InvalidIdempotencyKey  400  invalid_idempotency_key
├── InvalidToken           401  invalid_token
├── InvalidPushToken       401  invalid_push_token
├── UnknownTask            404  unknown_task
├── JobNotFound            404  job_not_found
├── RequestTooLarge        413  request_too_large
├── UnsupportedMediaType   415  unsupported_media_type
├── InvalidRequest         422  invalid_request
├── IdempotencyKeyReused   422  idempotency_key_reused
├── QuotaExceeded          429  quota_exceeded
├── TooManyJobs            429  too_many_jobs
├── TooManySubscribers     429  too_many_subscribers
├── InternalError          500  internal
└── DependencyUnavailable  503  dependency_unavailable

The failure of an accepted job is no exception but a state of the job: see
`simmer.jobs.job.ErrorCode`. API Gateway itself answers a request without a valid token.
"""

from typing import ClassVar, TypedDict


class FieldError(TypedDict):
    """One complaint about one field: `field` is a dotted path, empty for the whole body."""

    field: str
    message: str


class SimmerError(Exception):
    """A request that cannot be served. `detail` is for the client: no input, no secret."""

    http_status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self,
        detail: str,
        *,
        errors: list[FieldError] | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.retry_after_seconds = retry_after_seconds


class MalformedJson(SimmerError):
    http_status, code, title = 400, "malformed_json", "The body is not JSON in UTF-8"


class InvalidIdempotencyKey(SimmerError):
    http_status, code, title = 400, "invalid_idempotency_key", "The Idempotency-Key is invalid"


class InvalidToken(SimmerError):
    http_status, code, title = 401, "invalid_token", "The token names no user"


class InvalidPushToken(SimmerError):
    http_status, code, title = 401, "invalid_push_token", "The push token is invalid"


class UnknownTask(SimmerError):
    http_status, code, title = 404, "unknown_task", "No such task"


class JobNotFound(SimmerError):
    http_status, code, title = 404, "job_not_found", "No such job"


class RequestTooLarge(SimmerError):
    http_status, code, title = 413, "request_too_large", "The body is too large"


class UnsupportedMediaType(SimmerError):
    http_status, code, title = 415, "unsupported_media_type", "The body must be application/json"


class InvalidRequest(SimmerError):
    http_status, code, title = 422, "invalid_request", "The request is invalid"


class IdempotencyKeyReused(SimmerError):
    http_status, code = 422, "idempotency_key_reused"
    title = "The Idempotency-Key was used with another body"


class QuotaExceeded(SimmerError):
    http_status, code, title = 429, "quota_exceeded", "The daily quota of jobs is used up"


class TooManyJobs(SimmerError):
    http_status, code, title = 429, "too_many_jobs", "Too many of the user's jobs are under way"


class TooManySubscribers(SimmerError):
    http_status, code, title = 429, "too_many_subscribers", "Too many connections wait for the job"


class InternalError(SimmerError):
    http_status, code, title = 500, "internal", "Something failed on our side"


class DependencyUnavailable(SimmerError):
    http_status, code = 503, "dependency_unavailable"
    title = "A service Simmer depends on is not available"
