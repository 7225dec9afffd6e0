"""From an answer's text to a result of the task's model, and to the text that may be delivered.

For the worker, and for the checks of a task: no light function needs this module.

Two judges look at the text that would be delivered. Pydantic reads it, strictly; the JSON schema
then holds what pydantic lets pass: repeats in a set, a field by its Python name, a point in time
that is a number in quotes, `1.0` or `true` for a `Literal[1]`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema_rs
from pydantic import BaseModel, ValidationError

from simmer.task.reading import complaints, named, unreadable
from simmer.task.schema import Json, wire_schema
from simmer.task.strict_schema import NotEncoded, decoded
from simmer.text import strict_json

MAX_DEPTH = 16
_ENCODED_DEPTH = 3 * MAX_DEPTH  # a mapping is three levels of what an endpoint writes
_EXTRA = "Extra inputs are not permitted"


class Misfit(Exception):
    """The answer is no result. `complaints` are worded for the model that has to mend it; `types`
    are their kinds in pydantic's words, as far as pydantic complained."""

    def __init__(self, *complaints: str, types: Sequence[str] = ()) -> None:
        super().__init__("no result")
        self.complaints = complaints
        self.types = tuple(types)


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer that was read: the text that may be delivered, as a document, and as a result."""

    text: str
    document: Any
    result: Any


def read_answer(model: type[BaseModel], text: str) -> Reading:
    """Read what a model wrote, or raise `Misfit`.

    If it holds nulls, or is encoded for a strict endpoint, the text to deliver is written anew
    without them; numbers keep their digits. Any other text stays as it is, byte for byte.
    """
    try:
        said = strict_json.loads_as_written(text)
    except strict_json.NotStrictJson as error:
        raise Misfit(f"the answer is not one JSON object: {error}") from None
    if _depth(said) > _ENCODED_DEPTH:
        raise Misfit("the answer is nested too deeply")
    try:
        natural = decoded(said)
    except NotEncoded as error:
        raise Misfit(str(error)) from None
    if _depth(natural) > MAX_DEPTH:
        raise Misfit("the answer is nested too deeply")
    if broken := list(unreadable(natural)):
        raise Misfit(*map(_worded, broken))
    kept = strict_json.without_nulls(natural)
    if kept != said:
        text = strict_json.dumps(kept)
    document = strict_json.loads_exact(text)
    schema_says = list(by_schema(model, document))
    try:
        result = model.model_validate_json(
            text, strict=True, extra="forbid", by_alias=True, by_name=False
        )
    except ValidationError as error:
        found = list(complaints(error, natural))
        types = [each["type"] for each in error.errors(include_url=False, include_input=False)]
        found += [each for each in schema_says if each[1] == _EXTRA and each not in found]
        raise Misfit(*map(_worded, found), types=types) from None
    if schema_says:
        raise Misfit(*map(_worded, schema_says))
    return Reading(text, document, result)


def _worded(complaint: tuple[str, str]) -> str:
    place, message = complaint
    return f"{place or 'the answer'}: {message}"


def _depth(document: Any) -> int:
    depth, level = 0, [document]
    while level:
        depth += 1
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
    return depth


# ── The JSON schema ───────────────────────────────────────────────────────────────────────────────


class _Whole:
    """`1.0` is 1 to JSON Schema, and no integer to a client that has types."""

    def __init__(self, _parent: Any, _value: Any, _path: Any) -> None:
        pass

    def validate(self, value: Any) -> None:
        if isinstance(value, float):
            raise ValueError("must be written as a whole number")


@cache
def _validator(model: type[BaseModel]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        _with_whole(wire_schema(model)), validate_formats=True, keywords={"x-whole": _Whole}
    )


def _with_whole(node: Json) -> Json:
    values = node.get("enum", [node.get("const")])
    is_whole = isinstance(values, list) and any(type(value) is int for value in values)
    held = {key: strict_json.rebuilt(child, _with_whole) for key, child in node.items()}
    return {**held, "x-whole": True} if is_whole else held


def by_schema(model: type[BaseModel], document: Any) -> Iterator[tuple[str, str]]:
    """What the model's wire schema has against a document: places and messages."""
    for error in _validator(model).iter_errors(document):
        place = tuple(error.instance_path)
        match error.kind:
            case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names):
                yield from ((named((*place, name)), _EXTRA) for name in names)
            case _:
                yield named(place), error.message
