"""openapi.json, made from the code: `python -m openapi.document` writes it.

Paths come from the registered tasks, requests and results from their models, errors from the tree
in `simmer.errors`, examples from the views that answer a client. What OpenAPI cannot say, above
all push, is said in words.

It is written for those who generate clients from it: every object and enum has a name, both
answers of a submit are one type, and answers are open, so that a client of today takes the fields
of tomorrow. (`tests/contract` closes them, and holds them against what the handlers answer.)
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from local.model import recipes
from local.toolchain import REPOSITORY
from simmer import errors
from simmer.errors import FieldError, SimmerError
from simmer.jobs.job import ErrorCode, Job, JobStatus
from simmer.settings import SubmitSettings
from simmer.task import AnyTask, find_task
from simmer.task.schema import wire_schema
from simmer.tasks import task_names
from simmer.text import strict_json
from simmer.web.http import MAX_BODY_BYTES, problem_document
from simmer.web.view import cached_view, job_view, submitted_view

type Json = dict[str, Any]

FILE = REPOSITORY / "openapi.json"

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
    errors.TooManySubscribers: {PUSH},
}

# What the raising code says; the title stands in where it says many things.
_DETAILS: Mapping[type[SimmerError], str] = {
    errors.MalformedJson: "The body is not JSON: Expecting value at character 0.",
    errors.InvalidIdempotencyKey: "It must be 1 to 255 visible ASCII characters.",
    errors.InvalidToken: "The token must have a `sub` of 1 to 255 characters.",
    errors.UnknownTask: "There is no task of that name here.",
    errors.JobNotFound: "There is no job of that id here.",
    errors.RequestTooLarge: f"The body may have {MAX_BODY_BYTES} bytes.",
    errors.UnsupportedMediaType: "Send the body with Content-Type: application/json.",
    errors.InvalidRequest: "Some fields are not as they must be.",
    errors.IdempotencyKeyReused: "Use a new Idempotency-Key for another request.",
    errors.QuotaExceeded: (f"{SubmitSettings.daily_job_quota} jobs a day are allowed."),
    errors.InternalError: "Please try again.",
    errors.DependencyUnavailable: "The queue did not take the job.",
}
_FIELD_ERRORS = [FieldError(field="color", message="Extra inputs are not permitted")]

# A request of each task that has an example, and its answer as a model would write it.
_EXAMPLE_REQUESTS: Mapping[str, Json] = {
    "recipe": {"ingredients": ["egg", "kimchi", "rice"], "count": 1, "locale": "en"},
}
_JOB_ID = "c928f6c74fe0dfcc70d9446871a50ca2"
_CREATED_AT_MS = round(datetime(2026, 11, 22, 9, 30, tzinfo=UTC).timestamp() * 1000)
_PUSH = {
    "url": "wss://push.example.com/push",
    "token": "WyJjOTI4ZjZjNyIsIjAxIiwxNzk1MzM5ODAwMDAwXQ.c2lnbmF0dXJl",
}

_DESCRIPTION = """\
Slow LLM calls as jobs: submit, get a job id at once, poll a bar that moves honestly, and receive
JSON that is valid, or a failure that has a name.

**Submit** answers `202` with a `jobId`, or `200` with the `result` if the same request was answered
before. The same request sent again is the same job, so a lost answer is harmless: send it again.

**Poll** the status until it is `completed`, `failed` or `cancelled`, each time `pollAfterMs` after
the last. Every job ends by its deadline. Fields and codes may be added: ignore what you do not
know.

**Push** is an option; polling always works. A `202` may carry `push`: open a WebSocket at exactly
`push.url` and send one text frame, `{"action": "subscribe", "jobId": "...", "token": "..."}` with
`push.token`. The answer is the status document, as a poll would give it; one more comes when the
job has ended. If it is longer than 32 KB it comes without `result`: then poll once. Subscribe again
every few seconds, on the same connection, to move the bar and to notice a dead one. A frame with a
`code` is a problem document (PUSH_CODES): poll instead. The server may close the connection at any
time.

**Errors** are `application/problem+json` (RFC 9457) with a stable `code`. What never reached Simmer
is answered by API Gateway in words of its own, `{"message": "..."}`: a request without a valid
token (`401`), and possibly a `429`, `500` or `503`.
"""


def document() -> Json:
    """The whole OpenAPI document."""
    schemas: Json = {}
    paths: Json = {}
    tags = []
    for name in sorted(task_names()):
        task = find_task(name)
        schemas |= _task_schemas(task)
        paths |= _task_paths(task)
        tags.append({"name": _pascal(name), "description": f"Jobs of the task `{name}`."})
    made: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Simmer",
            "version": _version(),
            "description": _description(),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "https://api.example.com", "description": "Yours: output ApiUrl"}],
        "security": [{"jwt": []}],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {
                "jwt": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of your issuer, for the deployment's audience.",
                }
            },
            "headers": _HEADERS,
            "schemas": _COMMON_SCHEMAS | schemas,
        },
    }
    _hoist_enums(made)
    made["components"]["schemas"] = dict(sorted(made["components"]["schemas"].items()))
    return made


def text() -> str:
    """The document as openapi.json has it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def all_errors() -> list[type[SimmerError]]:
    """The leaves of the tree, in its order."""

    def leaves(kind: type[SimmerError]) -> list[type[SimmerError]]:
        return [leaf for child in kind.__subclasses__() for leaf in leaves(child)] or [kind]

    return leaves(SimmerError)


def errors_at(place: str) -> list[type[SimmerError]]:
    """The errors that a client may meet there."""
    return [error for error in all_errors() if place in _PLACES.get(error, {place})]


# ── Paths ─────────────────────────────────────────────────────────────────────────────────────────


def _task_paths(task: AnyTask) -> Json:
    noun = _pascal(task.name)
    request = _EXAMPLE_REQUESTS.get(task.name)
    return {
        f"/{task.name}/generate": {
            "post": {
                "tags": [noun],
                "operationId": f"submit{noun}",
                "summary": "Submit a request",
                "description": "Accepts the request as a job, joins it to the same request under "
                "way, or answers it at once if it was answered before.",
                "parameters": [_PARAMETERS[name] for name in ("IdempotencyKey", "AcceptLanguage")],
                "requestBody": {
                    "required": True,
                    "description": f"At most {MAX_BODY_BYTES} bytes of UTF-8.",
                    "content": {
                        "application/json": {
                            "schema": _ref(task.request_model.__name__),
                            **({"example": request} if request else {}),
                        }
                    },
                },
                "responses": {
                    "200": _answer(
                        "The same request was answered before: here is its result.",
                        f"{noun}Submission",
                        _examples(cached=_cached(task)),
                        required=("progress", "cached", "result"),
                    ),
                    "202": _answer(
                        "Accepted now, or joined to the same request under way.",
                        f"{noun}Submission",
                        _examples(
                            accepted=submitted_view(_job(task), _PUSH),
                            withoutPush=submitted_view(_job(task)),
                        ),
                        ("Location", "RetryAfter"),
                        required=("statusUrl", "deadlineAt"),
                    ),
                    **_problems(SUBMIT),
                },
            }
        },
        f"/{task.name}/status/{{jobId}}": {
            "get": {
                "tags": [noun],
                "operationId": f"get{noun}Status",
                "summary": "Where a job stands and, once it is done, its result",
                "parameters": [_PARAMETERS["JobId"]],
                "description": "Unknown jobs, expired ones and those of others look the same: 404.",
                "responses": {
                    "200": _answer(
                        "The status document.",
                        f"{noun}Job",
                        _examples(**_status_examples(task)),
                        ("RetryAfter",),
                    ),
                    **_problems(STATUS),
                },
            },
        },
        f"/{task.name}/cancel/{{jobId}}": {
            "post": {
                "tags": [noun],
                "operationId": f"cancel{noun}",
                "summary": "Cancel a job",
                "parameters": [_PARAMETERS["JobId"]],
                "description": "Idempotent. A job that has ended stays as it is, so `completed` "
                "here means that the result was there first. A job that others have joined goes on "
                "for them: a status that is still open means that you have left it, and that it is "
                "cancelled for you.",
                "responses": {
                    "200": _answer(
                        "The status document.",
                        f"{noun}Job",
                        _examples(cancelled=_status_examples(task)["cancelled"]),
                        ("RetryAfter",),
                    ),
                    **_problems(CANCEL),
                },
            },
        },
    }


def _answer(
    description: str,
    schema: str,
    examples: Json,
    headers: Iterable[str] = (),
    required: Iterable[str] = (),
) -> Json:
    """`required` are fields that are there with this status beyond those that always are."""
    more = {"required": list(required)} if required else {}
    return {
        "description": description,
        "headers": _header_references((*headers, "NoStore")),
        "content": {"application/json": {"schema": _ref(schema) | more, "examples": examples}},
    }


def _header_references(names: Iterable[str]) -> Json:
    return {_HEADER_NAMES[name]: {"$ref": f"#/components/headers/{name}"} for name in names}


def _problems(place: str) -> Json:
    """An answer for each status, with an example for each code that has it."""
    by_status: dict[int, list[type[SimmerError]]] = {}
    for error in errors_at(place):
        by_status.setdefault(error.http_status, []).append(error)
    problems: Json = {}
    for status, kinds in sorted(by_status.items()):
        headers = ("RetryAfter", "NoStore") if status in (429, 503) else ("NoStore",)
        answer: Json = {
            "description": " ".join(f"`{kind.code}`: {kind.title}." for kind in kinds),
            "headers": _header_references(headers),
            "content": {
                "application/problem+json": {
                    "schema": _ref("Problem"),
                    "examples": _examples(**{kind.code: _problem(kind) for kind in kinds}),
                }
            },
        }
        if status in (429, 500, 503):
            answer["content"]["application/json"] = {"schema": _ref("GatewayError")}
        if status == 401:
            answer["description"] += f" {_UNAUTHORIZED['description']}"
            answer["content"] |= _UNAUTHORIZED["content"]
            answer["headers"] |= _header_references(["Challenge"])
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

_PARAMETERS: Json = {
    "JobId": {
        "name": "jobId",
        "in": "path",
        "required": True,
        "description": "As the submit answered it.",
        "schema": {"type": "string"},
        "example": _JOB_ID,
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
        "description": "The language of the answer if the body has no `locale`: ko or en, else ko."
        " A job of an `Idempotency-Key` keeps that of its first request.",
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
_HEADERS: Json = {
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


# ── Schemas ───────────────────────────────────────────────────────────────────────────────────────


_DEADLINE_AT = {
    "type": "string",
    "format": "date-time",
    "description": "Until when the job may run; then an open one has failed.",
}


def _task_schemas(task: AnyTask) -> Json:
    noun = _pascal(task.name)
    request = _models(wire_schema(task.request_model))
    # The model's own default does not show: a request's is what Accept-Language says.
    request[task.request_model.__name__]["properties"]["locale"] = _ref("RequestLocale")
    answers = _models(wire_schema(task.result_model))
    for schema in answers.values():
        if "properties" in schema:
            schema.pop("additionalProperties")  # answers are open to what is added one day
    result = _ref(task.result_model.__name__)
    return {
        **request,
        **answers,
        f"{noun}Submission": _object(
            "The answer to a submit: `statusUrl`, `deadlineAt` and perhaps `push` when it is "
            "`submitted`; "
            "`progress`, `cached` and `result` when it is `completed` already.",
            {
                "jobId": {"type": "string"},
                "status": _ref("SubmissionStatus"),
                "message": {"type": "string", "description": "For the user."},
                "statusUrl": {"type": "string", "description": "Relative to the API."},
                "deadlineAt": _DEADLINE_AT,
                "push": _ref("Push"),
                "progress": {"type": "integer", "minimum": 0, "maximum": 100},
                "cached": {"type": "boolean"},
                "result": result,
            },
            required=("jobId", "status", "message"),
        ),
        f"{noun}Job": _object(
            "Where a job stands. `pollAfterMs` only while it is open, `result` only when it is "
            "`completed`, `error`, `errorCode` and `retryable` only when it is `failed`.",
            {
                "jobId": {"type": "string"},
                "status": _ref("JobStatus"),
                "progress": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": 100,
                    "description": "Never goes back; 100 only with a result.",
                },
                "stage": _ref("Stage"),
                "message": {"type": "string", "description": "For the user."},
                "createdAt": {"type": "string", "format": "date-time"},
                "deadlineAt": _DEADLINE_AT,
                "completedAt": {
                    "type": "string",
                    "format": "date-time",
                    "description": "When it ended, however it did.",
                },
                "estimatedSecondsRemaining": {"type": "integer", "minimum": 0},
                "pollAfterMs": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "After how many milliseconds to ask again.",
                },
                "result": result,
                "error": {"type": "string", "description": "For the user."},
                "errorCode": _ref("ErrorCode"),
                "retryable": {
                    "type": "boolean",
                    "description": "Whether the same request may well succeed when sent again.",
                },
            },
            required=(
                *("jobId", "status", "progress", "stage", "message", "createdAt", "deadlineAt"),
                "estimatedSecondsRemaining",
            ),
        ),
    }


def _models(schema: Json) -> Json:
    """The named schemas of a pydantic model, by name, in the words of OpenAPI."""
    models = schema.pop("$defs", {})
    if "$ref" not in schema:  # a model that holds itself is among its own definitions
        models[schema["title"]] = schema
    return {name: _plain(model) for name, model in models.items()}


def _plain(node: Any) -> Any:
    """Without what only pydantic or Simmer reads, with references into this document."""
    match node:
        case {"$ref": str(target)}:
            return _ref(target.rpartition("/")[2])
        case {"type": "object", "properties": dict(properties)}:
            return {
                "type": "object",
                **({"description": _first_paragraph(node)} if "description" in node else {}),
                **{key: node[key] for key in ("required", "additionalProperties") if key in node},
                "properties": {name: _plain(child) for name, child in properties.items()},
            }
        case dict():
            return {
                key: _plain(child)
                for key, child in node.items()
                if key not in ("title", "x-not-asked") and (key, child) != ("default", None)
            }
        case list():
            return [_plain(child) for child in node]
    return node


def _first_paragraph(schema: Json) -> str:
    """A docstring's own: what follows is for those who read the code."""
    return " ".join(schema["description"].partition("\n\n")[0].split())


def _hoist_enums(made: Json) -> None:
    """Give each enum of a property a name, that of the property: else every client has one a model.

    A property name with two meanings keeps the model's name in front.
    """
    schemas = made["components"]["schemas"]
    found: dict[str, list[tuple[str, Json, Json]]] = {}
    for owner, schema in schemas.items():
        for name, child in schema.get("properties", {}).items():
            if "enum" in child:
                found.setdefault(name, []).append((owner, schema["properties"], child))
    for name, places in found.items():
        is_one = all(child["enum"] == places[0][2]["enum"] for _, _, child in places)
        for owner, properties, child in places:
            enum = _pascal(name) if is_one else owner + _pascal(name)
            schemas[enum] = {key: child[key] for key in ("type", "enum") if key in child}
            properties[name] = _ref(enum) | {
                key: child[key] for key in ("description", "default") if key in child
            }


def _object(description: str, properties: Json, required: Iterable[str]) -> Json:
    return {
        "type": "object",
        "description": description,
        "required": list(required),
        "properties": properties,
    }


def _enum(description: str, values: Iterable[str]) -> Json:
    return {"type": "string", "description": description, "enum": list(values)}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_COMMON_SCHEMAS: Json = {
    "SubmissionStatus": _enum("How far a submit got.", ("submitted", "completed")),
    "JobStatus": _enum(
        "`pending` and `processing` are open; the others are final.", list(JobStatus)
    ),
    # (`Locale` is a class of its own in Kotlin, Swift and Flutter.)
    "RequestLocale": _enum(
        "Of the answer's texts. By default as Accept-Language says, else ko.",
        find_task("recipe").languages,
    ),
    "Stage": _enum("What the bar stands for.", ("queued", "analyzing", "generating", "done")),
    "ErrorCode": _enum("Why a job failed.", list(ErrorCode)),
    "ProblemCode": _enum("What was wrong; stable.", [error.code for error in all_errors()]),
    "Push": _object(
        "Where to be told, instead of polling. Absent when push is off.",
        {
            "url": {"type": "string", "description": "Of a WebSocket, to be opened as it is."},
            "token": {"type": "string", "description": "Good for this job, until its deadline."},
        },
        required=("url", "token"),
    ),
    "Problem": _object(
        "An error (RFC 9457).",
        {
            "type": {"type": "string", "description": "`about:blank`."},
            "title": {"type": "string"},
            "status": {"type": "integer", "description": "The HTTP status."},
            "detail": {"type": "string", "description": "For the developer."},
            "code": _ref("ProblemCode"),
            "errors": {
                "type": "array",
                "items": _ref("FieldError"),
                "description": "With `invalid_request`: what is wrong with which field.",
            },
        },
        required=("type", "title", "status", "detail", "code"),
    ),
    "FieldError": _object(
        "A complaint about a field.",
        {
            "field": {"type": "string", "description": "A dotted path, empty for the whole body."},
            "message": {"type": "string"},
        },
        required=("field", "message"),
    ),
    "GatewayError": _object(
        "API Gateway's own words.", {"message": {"type": "string"}}, required=("message",)
    ),
}


# ── Examples ──────────────────────────────────────────────────────────────────────────────────────


def _examples(**views: str | None) -> Json:
    """Answers, as JSON text, by name."""
    return {
        name: {"value": strict_json.loads(view)} for name, view in views.items() if view is not None
    }


def _problem(kind: type[SimmerError]) -> str:
    field_errors = _FIELD_ERRORS if kind is errors.InvalidRequest else None
    return problem_document(kind(_DETAILS.get(kind, f"{kind.title}."), errors=field_errors))


def _status_examples(task: AnyTask) -> dict[str, str | None]:
    """The status document of a job in each of its states."""

    def view(status: JobStatus, after_seconds: int, **fields: Any) -> str:
        now_ms = _CREATED_AT_MS + after_seconds * 1000
        started_at_ms = None if status is JobStatus.PENDING else _CREATED_AT_MS + 500
        if status.is_terminal:
            fields["completed_at_ms"] = now_ms
        return job_view(_job(task, status=status, started_at_ms=started_at_ms, **fields), now_ms)

    result = _result(task)
    completed = view(JobStatus.COMPLETED, 31, result=result) if result else None
    return {
        "pending": view(JobStatus.PENDING, 0),
        "processing": view(JobStatus.PROCESSING, 12),
        "completed": completed,
        "failed": view(JobStatus.FAILED, 48, error_code=ErrorCode.INVALID_OUTPUT),
        "cancelled": view(JobStatus.CANCELLED, 5),
    }


def _cached(task: AnyTask) -> str | None:
    result = _result(task)
    return cached_view(_job(task, status=JobStatus.COMPLETED, result=result)) if result else None


def _result(task: AnyTask) -> str | None:
    if task.name not in _EXAMPLE_REQUESTS:
        return None
    return json.dumps({"recipes": recipes.cook(_EXAMPLE_REQUESTS[task.name])}, ensure_ascii=False)


def _job(task: AnyTask, **fields: Any) -> Job:
    defaults: Json = {
        "job_id": _JOB_ID,
        "run_id": "",
        "task": task.name,
        "owner": "",
        "is_shared": False,
        "request": "",
        "request_hash": "",
        "locale": "en",
        "words": task.words.get("en"),
        "created_at_ms": _CREATED_AT_MS,
        "deadline_at_ms": _CREATED_AT_MS + 300_000,
        "expires_at_seconds": 0,
    }
    return Job(**defaults | fields)


def _pascal(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.replace("-", "_").split("_"))


def _description() -> str:
    codes = ", ".join(f"`{error.code}`" for error in errors_at(PUSH))
    paragraphs = _DESCRIPTION.replace("PUSH_CODES", codes).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _version() -> str:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def main() -> None:
    FILE.write_text(text(), "utf-8")


if __name__ == "__main__":
    main()
