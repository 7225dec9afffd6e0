"""The errors, where each can happen, and the answers that tell of them."""

from collections.abc import Mapping
from typing import Any

from openapi.headers import header_references
from openapi.words import ref
from simmer import errors
from simmer.errors import FieldError, SimmerError
from simmer.settings import SubmitSettings
from simmer.text import strict_json
from simmer.web.http import MAX_BODY_BYTES, problem_document

type Json = dict[str, Any]

SUBMIT, STATUS, CANCEL, PUSH = "submit", "status", "cancel", "push"

# Where an error can happen. One that is not named here can happen everywhere.
_PLACES: Mapping[type[SimmerError], set[str]] = {
    errors.MalformedJson: {SUBMIT, PUSH},
    errors.InvalidIdempotencyKey: {SUBMIT},
    errors.InvalidToken: {SUBMIT, STATUS, CANCEL},
    errors.InvalidPushToken: {PUSH},
    errors.UnknownTask: {SUBMIT, STATUS, CANCEL},
    errors.JobNotFound: {STATUS, CANCEL, PUSH},
    errors.RequestTooLarge: {SUBMIT},
    errors.UnsupportedMediaType: {SUBMIT},
    errors.InvalidRequest: {SUBMIT, PUSH},
    errors.IdempotencyKeyReused: {SUBMIT},
    errors.QuotaExceeded: {SUBMIT},
    errors.TooManyJobs: {SUBMIT},
    errors.TooManySubscribers: {PUSH},
}

# What the raising code says; the title stands in where it says many things.
_DETAILS: Mapping[type[SimmerError], str] = {
    errors.MalformedJson: "The body is not JSON: Expecting value at character 0.",
    errors.InvalidIdempotencyKey: "The key must have 1 to 255 visible ASCII characters.",
    errors.InvalidToken: "The token must have a `sub` of 1 to 255 characters.",
    errors.UnknownTask: "There is no task of that name here.",
    errors.JobNotFound: "There is no job with this id.",
    errors.RequestTooLarge: f"The body may have at most {MAX_BODY_BYTES} bytes.",
    errors.UnsupportedMediaType: "Send the body with Content-Type: application/json.",
    errors.InvalidRequest: "Some fields are invalid.",
    errors.IdempotencyKeyReused: "Use a new Idempotency-Key for another request.",
    errors.QuotaExceeded: (f"{SubmitSettings.daily_job_quota} jobs a day are allowed."),
    errors.TooManyJobs: (
        f"{SubmitSettings.jobs_in_flight} of your jobs are under way."
        " This one can come when one has ended."
    ),
    errors.InternalError: "Please try again.",
    errors.DependencyUnavailable: "The queue did not take the job.",
}
_FIELD_ERRORS = [FieldError(field="color", message="Extra inputs are not permitted")]


def all_errors() -> list[type[SimmerError]]:
    """The leaves of the tree, in its order."""

    def leaves(kind: type[SimmerError]) -> list[type[SimmerError]]:
        return [leaf for child in kind.__subclasses__() for leaf in leaves(child)] or [kind]

    return leaves(SimmerError)


def errors_at(place: str) -> list[type[SimmerError]]:
    """The errors that a client may meet there."""
    return [error for error in all_errors() if place in _PLACES.get(error, {place})]


def problems(place: str) -> Json:
    """An answer for each status, with an example for each code that has it."""
    by_status: dict[int, list[type[SimmerError]]] = {}
    for error in errors_at(place):
        by_status.setdefault(error.http_status, []).append(error)
    problems: Json = {}
    for status, kinds in sorted(by_status.items()):
        headers = ("RetryAfter", "NoStore") if status in (429, 503) else ("NoStore",)
        answer: Json = {
            "description": " ".join(f"`{kind.code}`: {kind.title}." for kind in kinds),
            "headers": header_references(headers),
            "content": {
                "application/problem+json": {
                    "schema": ref("Problem"),
                    "examples": examples(**{kind.code: _problem(kind) for kind in kinds}),
                }
            },
        }
        if status in (429, 500, 503):
            answer["content"]["application/json"] = {"schema": ref("GatewayError")}
        if status == 401:
            answer["description"] += f" {_UNAUTHORIZED['description']}"
            answer["content"] |= _UNAUTHORIZED["content"]
            answer["headers"] |= header_references(["Challenge"])
        problems[str(status)] = answer
    return dict(sorted(problems.items()))


_UNAUTHORIZED: Json = {
    "description": "No valid token: the gateway's own answer, before Simmer is asked.",
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/GatewayError"},
            "example": {"message": "Unauthorized"},
        }
    },
}


def examples(**views: str | None) -> Json:
    """Answers, as JSON text, by name."""
    return {
        name: {"value": strict_json.loads(view)} for name, view in views.items() if view is not None
    }


def _problem(kind: type[SimmerError]) -> str:
    field_errors = _FIELD_ERRORS if kind is errors.InvalidRequest else None
    return problem_document(kind(_DETAILS.get(kind, f"{kind.title}."), errors=field_errors))
