"""From a client's JSON to a request, and pydantic's errors in words for whoever sent the JSON."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from simmer.text.strict_json import without_nulls

type Place = tuple[int | str, ...]


class Misread(Exception):
    """The document is no such request. `errors` are pairs of a place (`a.0.b`) and a message."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("no such request")
        self.errors = errors


def read_request[Req: BaseModel](model: type[Req], document: Any) -> Req:
    """The request in a document of `strict_json.loads`, a null being an absence; or `Misread`.

    Read as JSON, so that a date may be a text, but nothing else is coerced.
    """
    try:
        broken = list(unreadable(document))
    except RecursionError:
        broken = [("", "is nested too deeply")]
    if broken:
        raise Misread(broken)
    given = without_nulls(document)
    errors: list[tuple[str, str]] = []
    request = None
    try:
        request = model.model_validate_json(
            json.dumps(given), strict=True, extra="forbid", by_alias=True, by_name=False
        )
    except ValidationError as error:
        errors += complaints(error, document)
    errors += (each for each in _unknown_fields(model, given) if each not in errors)
    if request is None or errors:
        raise Misread(errors)
    return request


def as_stored(request: BaseModel) -> str:
    """The request as JSON text that its model reads again."""
    return request.model_dump_json(by_alias=True, exclude_none=True, round_trip=True)


def _unknown_fields(model: type[BaseModel], document: Any) -> Iterator[tuple[str, str]]:
    """In JSON pydantic (2.13) overlooks a field that has a known one's Python name; not so here."""
    try:
        model.model_validate(document, strict=False, extra="forbid", by_alias=True, by_name=False)
    except ValidationError as error:
        for complaint in _all(error):
            if complaint["type"] == "extra_forbidden":
                yield named(complaint["loc"]), complaint["msg"]


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
    for complaint in _all(error):
        if complaint["type"] == "missing" and _is_null(document, complaint["loc"]):
            yield named(complaint["loc"]), "must not be null"
        else:
            yield named(complaint["loc"]), complaint["msg"].removeprefix("Value error, ")


def _all(error: ValidationError) -> Iterator[Mapping[str, Any]]:
    yield from error.errors(include_url=False, include_input=False, include_context=False)


def named(place: Place) -> str:
    """A place as clients and models are told it: `a.0.b`."""
    return ".".join(str(part) for part in place)


def _is_null(document: Any, place: Place) -> bool:
    node = document
    for part in place:
        match node:
            case dict() if part in node:
                node = node[part]
            case list() if isinstance(part, int) and part < len(node):
                node = node[part]
            case _:
                return False
    return node is None
