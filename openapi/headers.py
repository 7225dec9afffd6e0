"""The parameters and headers of the API."""

from collections.abc import Iterable
from typing import Any

from openapi.examples import JOB_ID
from simmer.task import AnyTask

type Json = dict[str, Any]


def parameter(name: str, task: AnyTask) -> Json:
    """A parameter of a task's operations."""
    languages = ", ".join(task.languages)
    described: Json = dict(_PARAMETERS[name])
    described["description"] = (
        str(described["description"])
        .replace("LANGUAGES", languages)
        .replace("FALLBACK", task.languages[0])
    )
    return described


def header_references(names: Iterable[str]) -> Json:
    """An answer's headers, by the names that they have here."""
    return {_HEADER_NAMES[name]: {"$ref": f"#/components/headers/{name}"} for name in names}


_PARAMETERS: Json = {
    "JobId": {
        "name": "jobId",
        "in": "path",
        "required": True,
        "description": "As the submit answered it.",
        "schema": {"type": "string"},
        "example": JOB_ID,
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key from the same user is the same job, and a new key is fresh "
        "work; with another body it is a 422. Without one the request itself is the key. In quotes "
        "the key is what stands between them.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    },
    "AcceptLanguage": {
        "name": "Accept-Language",
        "in": "header",
        "description": "The language of the answer if the body has no `locale`, one of: LANGUAGES; "
        "else FALLBACK. A job of an `Idempotency-Key` keeps that of its first request.",
        "schema": {"type": "string"},
        "example": "en-GB, en;q=0.9",
    },
}

_HEADER_NAMES = {
    "Location": "Location",
    "RetryAfter": "Retry-After",
    "NoStore": "Cache-Control",
    "Challenge": "WWW-Authenticate",
}
HEADERS: Json = {
    "Location": {
        "description": "Where the job's status is, relative to the address that was posted to.",
        "required": True,
        "schema": {"type": "string"},
    },
    "RetryAfter": {
        "description": "After how many seconds to ask again; a status has it while it is open.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Challenge": {
        "description": "RFC 6750, section 3.",
        "schema": {"type": "string"},
    },
    "NoStore": {
        "description": "No answer of Simmer's may be kept on the way.",
        "schema": {"type": "string", "enum": ["no-store"]},
    },
}
