"""The schemas: what all tasks share, and what follows from the models of each."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from openapi.problems import all_errors
from openapi.words import enum, object_, pascal, ref
from simmer.jobs.job import ErrorCode, JobStatus
from simmer.task import AnyTask
from simmer.task.schema import wire_schema

type Json = dict[str, Any]


_DEADLINE_AT = {
    "type": "string",
    "format": "date-time",
    "description": "Until when the job may run; then an open one has failed.",
}

# What the status document has more of for a task whose answer comes in parts.
_OF_PARTS = (
    " `outline` as soon as it is known, and `partialResult` with the parts that are valid so far, "
    "while it is open and when it is `failed`: a part that was shown stays as it is, and is in the "
    "result."
)
_OUTLINE = {
    "type": "array",
    "items": ref("PartPlan"),
    "description": "The parts of the answer, in their order.",
}


@dataclass(frozen=True)
class Names:
    """What the request and the result of a task are called here."""

    request: str
    result: str


def task_schemas(
    task: AnyTask, taken: Mapping[str, Json], before: Container[str] = ()
) -> tuple[Names, Json]:
    """The task's schemas, and what its models are called in them. Two tasks may call different
    models alike, and so may a request and a result: then the name of the task comes before, and
    stays there. `before` are the names in the document as it was."""
    noun = pascal(task.name)
    views = _views(noun, {}, has_parts=False)
    taken = {**taken, **views, _locale_name(task): {}}
    request = models_of(wire_schema(task.request_model))
    # The model's own default does not show: a request's is what Accept-Language says.
    locale = _locale_name(task)
    asked = request[task.request_model.__name__]
    asked["properties"] = {"locale": ref(locale), **asked["properties"]}
    answers = models_of(wire_schema(task.result_model))
    for schema in answers.values():
        if "properties" in schema:  # answers are open to what is added one day
            schema.pop("additionalProperties", None)
    request, of_request = _renamed(request, {**answers, **taken}, f"{noun}Request", before)
    answers, of_answers = _renamed(answers, taken, noun, before)
    names = Names(
        of_request.get(task.request_model.__name__, task.request_model.__name__),
        of_answers.get(task.result_model.__name__, task.result_model.__name__),
    )
    languages = enum(
        f"Of the answer's texts. By default as Accept-Language says, else {task.languages[0]}.",
        task.languages,
    )
    views = _views(noun, ref(names.result), has_parts=task.parts is not None)
    return names, {locale: languages, **request, **answers, **views}


def _locale_name(task: AnyTask) -> str:
    """(`Locale` alone is a class of its own in Kotlin, Swift and Flutter.)"""
    return f"{pascal(task.name)}Locale"


def _renamed(
    models: Json, taken: Mapping[str, Json], prefix: str, before: Container[str]
) -> tuple[Json, Mapping[str, str]]:
    """The models with names that no other model has, and the new names by the old."""
    new = {
        name: f"{prefix}{name}"
        for name, each in models.items()
        if taken.get(name, each) != each or f"{prefix}{name}" in before
    }
    return {new.get(name, name): _referring(each, new) for name, each in models.items()}, new


def _referring(node: Any, new: Mapping[str, str]) -> Any:
    match node:
        case {"$ref": str(target)}:
            name = target.rpartition("/")[2]
            return {**node, **ref(new.get(name, name))}
        case dict():
            return {key: _referring(child, new) for key, child in node.items()}
        case list():
            return [_referring(child, new) for child in node]
    return node


def _views(noun: str, result: Json, *, has_parts: bool) -> Json:
    """What a submit and a status answer."""
    return {
        f"{noun}Submission": object_(
            "The answer to a submit: `statusUrl`, `deadlineAt` and perhaps `push` when it is "
            "`submitted`; "
            "`progress`, `cached` and `result` when it is `completed` already.",
            {
                "jobId": {"type": "string"},
                "status": ref("SubmissionStatus"),
                "message": {"type": "string", "description": "For the user."},
                "statusUrl": {"type": "string", "description": "Relative to the API."},
                "deadlineAt": _DEADLINE_AT,
                "push": ref("Push"),
                "progress": {"type": "integer", "minimum": 0, "maximum": 100},
                "cached": {"type": "boolean"},
                "result": result,
            },
            required=("jobId", "status", "message"),
        ),
        f"{noun}Job": object_(
            "Where a job stands. `pollAfterMs` only while it is open, `result` only when it is "
            "`completed`, `error`, `errorCode` and `retryable` only when it is `failed`."
            + _OF_PARTS
            * has_parts,
            {
                "jobId": {"type": "string"},
                "status": ref("JobStatus"),
                "progress": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": 100,
                    "description": "Never goes back; 100 only with a result.",
                },
                "stage": ref("Stage"),
                "message": {"type": "string", "description": "For the user."},
                "createdAt": {"type": "string", "format": "date-time"},
                "deadlineAt": _DEADLINE_AT,
                "completedAt": {
                    "type": "string",
                    "format": "date-time",
                    "description": "When it ended, however it did.",
                },
                "estimatedSecondsRemaining": {"type": "integer", "minimum": 0},
                "estimateIsMeasured": {
                    "type": "boolean",
                    "description": "While it is open: whether past jobs tell the seconds that "
                    "remain, and the bar. Before that they are a guess, better not shown in words.",
                },
                "pollAfterMs": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "After how many milliseconds to ask again.",
                },
                "result": result,
                **({"outline": _OUTLINE, "partialResult": result} if has_parts else {}),
                "error": {"type": "string", "description": "For the user."},
                "errorCode": ref("ErrorCode"),
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


def models_of(schema: Json) -> Json:
    """The named schemas of a pydantic model, by name, in the words of OpenAPI."""
    models = schema.pop("$defs", {})
    if "$ref" not in schema:  # a model that holds itself is among its own definitions
        models[schema["title"]] = schema
    return {name: _plain(model) for name, model in models.items()}


def _plain(node: Any) -> Any:
    """Without what only pydantic or Simmer reads, with references into this document."""
    match node:
        case {"$ref": str(target)}:
            return ref(target.rpartition("/")[2])
        case {"type": "object", "properties": dict(properties)}:
            return {
                "type": "object",
                **({"description": _first_paragraph(node)} if "description" in node else {}),
                **{key: node[key] for key in ("required", "additionalProperties") if key in node},
                "properties": {name: _plain(child) for name, child in properties.items()},
            }
        case {"discriminator": {"mapping": dict(targets), **rest}, **others}:
            here = {
                value: ref(target.rpartition("/")[2])["$ref"] for value, target in targets.items()
            }
            return _plain(others) | {"discriminator": {**rest, "mapping": here}}
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


def hoist_enums(made: Json, before: Json) -> None:
    """Give each enum of a property a name, that of the property: else every client has one a model.

    If that name means something else already, the model's name comes before it. Names that stand in
    `before`, the document as it was, stay: apps are made of them.
    """
    schemas = made["components"]["schemas"]
    enums = [
        (owner, name, schema["properties"], child)
        for owner, schema in schemas.items()
        for name, child in schema.get("properties", {}).items()
        if "enum" in child
    ]

    def name_before(owner: str, name: str) -> str:
        properties = before.get(owner, {}).get("properties", {})
        return str(properties.get(name, {}).get("$ref", "")).rpartition("/")[2]

    # Those that have a name already choose first.
    for owner, name, properties, child in sorted(enums, key=lambda one: not name_before(*one[:2])):
        enum = {key: child[key] for key in ("type", "enum") if key in child}
        own = owner + pascal(name)
        names = (name_before(owner, name) or pascal(name), own, *(f"{own}{n}" for n in range(2, 9)))
        free = next(each for each in names if schemas.get(each, enum) == enum)
        schemas[free] = enum
        properties[name] = ref(free) | {
            key: child[key] for key in ("description", "default") if key in child
        }


def hoist_unions(made: Json) -> None:
    """Give each union of models a name, that of its property: else generators make one up."""
    schemas = made["components"]["schemas"]
    for owner, schema in list(schemas.items()):
        for name, child in schema.get("properties", {}).items():
            if _is_union(child):
                schema["properties"][name] = _hoisted(schemas, owner + pascal(name), child)
            elif _is_union(child.get("items", {})):
                one = owner + pascal(
                    name.removesuffix("s") if name.endswith("s") else f"{name}_item"
                )
                child["items"] = _hoisted(schemas, one, child["items"])


def _is_union(schema: Json) -> bool:
    kinds: list[Json] = schema.get("oneOf") or schema.get("anyOf") or []
    return len(kinds) > 1


def _hoisted(schemas: Json, name: str, union: Json) -> Json:
    schemas[name] = union
    return ref(name)


COMMON_SCHEMAS: Json = {
    "SubmissionStatus": enum("How far a submit got.", ("submitted", "completed")),
    "JobStatus": enum(
        "`pending` and `processing` are open; the others are final.", list(JobStatus)
    ),
    "Stage": enum("What the bar stands for.", ("queued", "analyzing", "generating", "done")),
    "ErrorCode": enum("Why a job failed.", list(ErrorCode)),
    "PartState": enum("A part that is `ready` is in `partialResult`.", ("waiting", "ready")),
    "PartPlan": object_(
        "A part of the answer, ready or not.",
        {
            "title": {"type": "string", "description": "For the user."},
            "state": ref("PartState"),
        },
        required=("title", "state"),
    ),
    "ProblemCode": enum("What was wrong; stable.", [error.code for error in all_errors()]),
    "Push": object_(
        "Where to be told, instead of polling. Absent when push is off.",
        {
            "url": {"type": "string", "description": "Of a WebSocket, to be opened as it is."},
            "token": {"type": "string", "description": "Good for this job, until its deadline."},
        },
        required=("url", "token"),
    ),
    "Problem": object_(
        "An error (RFC 9457).",
        {
            "type": {"type": "string", "description": "`about:blank`."},
            "title": {"type": "string"},
            "status": {"type": "integer", "description": "The HTTP status."},
            "detail": {"type": "string", "description": "For the developer."},
            "code": ref("ProblemCode"),
            "errors": {
                "type": "array",
                "items": ref("FieldError"),
                "description": "With `invalid_request`: what is wrong with which field.",
            },
        },
        required=("type", "title", "status", "detail", "code"),
    ),
    "FieldError": object_(
        "A complaint about a field.",
        {
            "field": {"type": "string", "description": "A dotted path, empty for the whole body."},
            "message": {"type": "string"},
        },
        required=("field", "message"),
    ),
    "GatewayError": object_(
        "API Gateway's own words.", {"message": {"type": "string"}}, required=("message",)
    ),
}
