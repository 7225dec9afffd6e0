"""From a client's JSON to a request, and pydantic's errors in words for whoever sent the JSON."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from simmer.task.schema import Json, target, wire_schema
from simmer.text.strict_json import without_nulls

type Place = tuple[int | str, ...]

_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$", re.IGNORECASE)


class Misread(Exception):
    """The document is no such request. `errors` are pairs of a place (`a.0.b`) and a message."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("no such request")
        self.errors = errors


def read_request[Req: BaseModel](model: type[Req], document: Any) -> Req:
    """The request in a document of `strict_json.loads`, a null being an absence; or `Misread`.

    Read as JSON, so that a date may be a text, but nothing else is coerced. In JSON pydantic (2.13)
    lets some things pass that the model's schema forbids: `_unlike` finds them.
    """
    schema = _schema_of(model)
    try:
        broken = list(unreadable(document))
        given = without_nulls(document)
        unlike = list(_unlike(given, schema, schema.get("$defs", {}), ()))
    except RecursionError:
        broken = [("", "is nested too deeply")]
    if broken:
        raise Misread(broken)
    errors: list[tuple[str, str]] = []
    request = None
    try:
        request = model.model_validate_json(
            json.dumps(given), strict=True, extra="forbid", by_alias=True, by_name=False
        )
    except ValidationError as error:
        errors += complaints(error, document)
    errors += (each for each in unlike if each not in errors)
    if request is None or errors:
        raise Misread(errors)
    return request


def as_stored(request: BaseModel) -> str:
    """The request as JSON text that its model reads again."""
    return request.model_dump_json(by_alias=True, exclude_none=True, round_trip=True)


_schema_of = cache(wire_schema)


def _unlike(value: Any, schema: Json, known: Json, place: Place) -> Iterator[tuple[str, str]]:
    """Fields that a schema does not have, such as a known one's Python name; `true` for the number
    1 of an enum; a point in time without its offset, which none that has one can be compared with.
    """
    schema = target(schema, known)
    values = schema.get("enum", [schema["const"]] if "const" in schema else ())
    match value:
        case _ if alternatives := schema.get("anyOf", schema.get("oneOf")):
            fitting = [each for each in alternatives if _may_be(value, target(each, known), known)]
            found = [list(_unlike(value, each, known, place)) for each in fitting]
            yield from min(found, key=len, default=())
        case dict() if schema.get("type") == "object":
            for key, child in value.items():
                of_child = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
                if isinstance(of_child, dict):
                    yield from _unlike(child, of_child, known, (*place, key))
                elif of_child is False:
                    yield named((*place, key)), "Extra inputs are not permitted"
        case list():
            kinds = schema.get("prefixItems", ())
            for i, child in enumerate(value):
                of_child = kinds[i] if i < len(kinds) else schema.get("items", {})
                yield from _unlike(child, of_child, known, (*place, i))
        case bool() if values and not any(each is value for each in values):
            yield named(place), f"Input should be {' or '.join(map(json.dumps, values))}"
        case str() if schema.get("format") == "date-time" and not _OFFSET.search(value):
            yield named(place), "must have its offset from UTC, as in 2026-01-31T18:30:00Z"


def _may_be(value: Any, schema: Json, known: Json) -> bool:
    """Whether that form of a union is meant, as far as its type and its tags tell."""
    kinds: Mapping[type, str] = {dict: "object", list: "array", str: "string"}
    kind = kinds.get(type(value))
    if kind is None or schema.get("type", kind) != kind:
        return kind is None
    tags = schema.get("properties", {}).items() if kind == "object" else ()
    fields = [(value[name], target(each, known)) for name, each in tags if name in value]
    return all(given == each.get("const", given) for given, each in fields)


def unreadable(node: Any, place: Place = ()) -> Iterator[tuple[str, str]]:
    """What cannot be written as JSON again: half a character, a number without end."""
    match node:
        case str() if not _encodes(node):
            yield named(place), "holds half a character"
        case float() if not math.isfinite(node):
            yield named(place), "is too large a number"
        case dict():
            for key, child in node.items():
                if not _encodes(key):
                    yield named(place), "holds half a character in a name"
                    continue
                yield from unreadable(child, (*place, key))
        case list():
            for i, child in enumerate(node):
                yield from unreadable(child, (*place, i))


def _encodes(text: str) -> bool:
    return text.encode("utf-8", "replace").decode() == text


def complaints(error: ValidationError, document: Any) -> Iterator[tuple[str, str]]:
    """Pairs of a place and a message, about a document as it was sent."""
    for complaint in error.errors(include_url=False, include_input=False, include_context=False):
        if complaint["type"] == "missing" and _is_null(document, complaint["loc"]):
            yield named(complaint["loc"]), "must not be null"
        else:
            yield named(complaint["loc"]), complaint["msg"].removeprefix("Value error, ")


def named(place: Place) -> str:
    """A place as clients and models are told it: `a.0.b`."""
    return ".".join(str(part) for part in place)


def _is_null(document: Any, place: Place) -> bool:
    try:
        for part in place:
            document = document[part]
    except (LookupError, TypeError):  # a form of a union stands in the place, too
        return False
    return document is None
