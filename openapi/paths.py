"""The paths of a task: submit, status, cancel."""

from collections.abc import Iterable
from typing import Any

from openapi.examples import PUSH_OFFER, cached, job_of, status_examples
from openapi.headers import header_references, parameter
from openapi.problems import CANCEL, STATUS, SUBMIT, examples, problems
from openapi.schemas import Names
from openapi.words import pascal, ref
from simmer.task import AnyTask
from simmer.web.http import MAX_BODY_BYTES
from simmer.web.view import submitted_view

type Json = dict[str, Any]


def task_paths(task: AnyTask, names: Names) -> Json:
    """The operations of the task; `names` are those of its models."""
    noun = pascal(task.name)
    return {
        f"/{task.name}/generate": {
            "post": {
                "tags": [noun],
                "operationId": f"submit{noun}",
                "summary": "Submit a request",
                "description": "Accepts the request as a job, joins it to the same request under "
                "way, or answers it at once if it was answered before.",
                "parameters": [
                    parameter(name, task) for name in ("IdempotencyKey", "AcceptLanguage")
                ],
                "requestBody": {
                    "required": True,
                    "description": f"At most {MAX_BODY_BYTES} bytes of UTF-8.",
                    "content": {
                        "application/json": {
                            "schema": ref(names.request),
                            "example": dict(task.example),
                        }
                    },
                },
                "responses": {
                    "200": _answer(
                        "The same request was answered before: here is its result.",
                        f"{noun}Submission",
                        examples(cached=cached(task)),
                        required=("progress", "cached", "result"),
                    ),
                    "202": _answer(
                        "Accepted now, or joined to the same request under way.",
                        f"{noun}Submission",
                        examples(
                            accepted=submitted_view(job_of(task), PUSH_OFFER),
                            withoutPush=submitted_view(job_of(task)),
                        ),
                        ("Location", "RetryAfter"),
                        required=("statusUrl", "deadlineAt"),
                    ),
                    **problems(SUBMIT),
                },
            }
        },
        f"/{task.name}/status/{{jobId}}": {
            "get": {
                "tags": [noun],
                "operationId": f"get{noun}Status",
                "summary": "Where a job stands and, once it is done, its result",
                "parameters": [parameter("JobId", task)],
                "description": "Unknown jobs, expired ones and those of others look the same: 404.",
                "responses": {
                    "200": _answer(
                        "The status document.",
                        f"{noun}Job",
                        examples(**status_examples(task)),
                        ("RetryAfter",),
                    ),
                    **problems(STATUS),
                },
            },
        },
        f"/{task.name}/cancel/{{jobId}}": {
            "post": {
                "tags": [noun],
                "operationId": f"cancel{noun}",
                "summary": "Cancel a job",
                "parameters": [parameter("JobId", task)],
                "description": "Idempotent. A job that has ended stays as it is, so `completed` "
                "here means that the result was there first. A job that others have joined goes on "
                "for them: a status that is still open means that you have left it, and that it is "
                "cancelled for you.",
                "responses": {
                    "200": _answer(
                        "The status document.",
                        f"{noun}Job",
                        examples(cancelled=status_examples(task)["cancelled"]),
                        ("RetryAfter",),
                    ),
                    **problems(CANCEL),
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
        "headers": header_references((*headers, "NoStore")),
        "content": {"application/json": {"schema": ref(schema) | more, "examples": examples}},
    }
