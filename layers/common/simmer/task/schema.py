"""A model's JSON schema as it holds on the wire, and what in a model cannot go over the wire.

Null is absence, so the schema has no null: what may be null may be absent. Objects are closed, and
every value has one type where pydantic would take two.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from math import inf
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from simmer.text.strict_json import rebuilt

type Json = dict[str, Any]

MAX_WHOLE = 2**53 - 1  # the last that JavaScript and every client can hold

# Names that an encoded answer uses (see `simmer.task.strict_schema`).
ROOT, MAPPING, ITEM = "whole_answer", "mapping_entries", "tuple_item_"
RESERVED_NAME = re.compile(rf"({ROOT}|{MAPPING}|{ITEM}[0-9]+)\Z")

# What the model of an answer is not to be told of (see `simmer.task.models.NOT_ASKED`).
NOT_ASKED_MARK = "x-not-asked"
_NULLABLE = "x-nullable"
_UNFIT = "x-unfit"
_UNFIT_FOR_ANSWERS = "x-unfit-for-answers"
_UNFIT_WITHOUT_LINKS = "x-unfit-without-links"
_OPEN = "x-open"
_OURS = (_NULLABLE, _UNFIT, _UNFIT_FOR_ANSWERS, _UNFIT_WITHOUT_LINKS, _OPEN)
# A schema without any of these says nothing.
_SAYING = {"type", "enum", "const", "anyOf", "oneOf", "allOf", _UNFIT}

# The formats `time` and `date-time` want an offset; `18:30` at the door of a shop has none.
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
_TIME: Json = {
    "type": "string",
    "format": "local-time",
    "pattern": rf"^{_CLOCK}(:[0-5]\d(\.\d{{1,6}})?)?(Z|[+-]{_CLOCK})?$",
}
_LOCAL_DATE_TIME: Json = {
    "type": "string",
    "format": "local-date-time",
    "pattern": rf"^\d{{4}}-\d{{2}}-\d{{2}}T{_CLOCK}:[0-5]\d(\.\d{{1,6}})?$",
}
# One spelling a key: `01` and `1` would be one entry to us and two to a client.
_WHOLE_KEY = {"pattern": r"^(0|-?[1-9][0-9]*)$"}
_KEYS: Mapping[str, Json] = {
    "str": {},
    "int": _WHOLE_KEY,
    "date": {"format": "date"},
    "datetime": {"format": "date-time"},
    "uuid": {"format": "uuid"},
}


# Kinds of types, in pydantic's own words, that pydantic itself gives another schema.
_OTHERWISE: Mapping[str, Json] = {
    "bytes": {"type": "string"},
    "timedelta": {"type": "string", "format": "duration"},
    "time": _TIME,
    "none": {_UNFIT: "can only be null: leave it out"},
    "any": {_UNFIT: "may hold anything, which no endpoint takes in a schema: name its type"},
    "complex": {_UNFIT: "is complex, which JSON is not: use two fields"},
    "generator": {_UNFIT: "is read only when it is used, too late to refuse it: use a list"},
    **{
        kind: {_UNFIT: "is a class that pydantic cannot read from JSON: make it a model"}
        for kind in ("is-instance", "is-subclass", "callable")
    },
}


def _always(schema: Json) -> Callable[[Any], Json]:
    return lambda _: dict(schema)


class WireSchema(GenerateJsonSchema):
    """Marks what may be null, and what is unfit by a sentence, for `unfit` to find with its place.

    Pydantic gives such a hook for each kind of type.
    """

    def build_schema_type_to_method(self) -> dict[Any, Any]:
        made: dict[Any, Any] = {kind: _always(schema) for kind, schema in _OTHERWISE.items()}
        return {**super().build_schema_type_to_method(), **made}

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        return {**self.generate_inner(schema["schema"]), _NULLABLE: True}

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().default_schema(schema)
        return {key: each for key, each in made.items() if (key, each) != ("default", None)}

    def decimal_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().decimal_schema(schema)
        number: JsonSchemaValue = made["anyOf"][0] if "anyOf" in made else {"type": "number"}
        return number

    def url_schema(self, schema: Any) -> JsonSchemaValue:
        sentence = "is an address, and answers hold none: give the task links=True, or use str"
        return {**super().url_schema(schema), _UNFIT_WITHOUT_LINKS: sentence}

    def datetime_schema(self, schema: Any) -> JsonSchemaValue:
        if schema.get("tz_constraint") == "naive":
            return dict(_LOCAL_DATE_TIME)
        return super().datetime_schema(schema)

    def dict_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().dict_schema(schema)
        if "patternProperties" in made:  # pydantic's way to say that all keys match
            [(pattern, values)] = made.pop("patternProperties").items()
            return {**made, "additionalProperties": values, "propertyNames": {"pattern": pattern}}
        kind = schema["keys_schema"]
        while kind["type"].startswith("function-") and "schema" in kind:
            kind = kind["schema"]
        match kind["type"]:
            case "enum" | "literal":
                keys = kind.get("expected") or [each.value for each in kind["members"]]
                if "sub_type" not in kind and not all(isinstance(each, str) for each in keys):
                    # Pydantic looks the text up among the values, and finds no number there.
                    return {_UNFIT: "has numbers as keys, and JSON's are texts: use an IntEnum"}
                return {**made, "propertyNames": {"enum": [*map(str, keys)]}}
            case known if known in _KEYS:
                names = {**made.get("propertyNames", {}), **_KEYS[known]}
                return {**made, "propertyNames": names} if names else made
        return {_UNFIT: "has keys that are no texts in JSON: use str, int, date, UUID or an enum"}

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().model_schema(schema)
        computed = list(schema["cls"].model_computed_fields)
        if computed:
            made[_UNFIT_FOR_ANSWERS] = (
                f"{computed[0]} is computed here, and what is delivered is the model's own text: "
                "make it a field, or a plain property"
            )
        if made.get("additionalProperties") not in (None, False):
            made[_OPEN] = True
        return made


@cache
def _raw(model: type[BaseModel]) -> Json:
    return model.model_json_schema(schema_generator=WireSchema)


def wire_schema(model: type[BaseModel]) -> Json:
    """The JSON schema (2020-12) of a request or a result: that of what is sent and delivered."""
    return _clean(_raw(model))


def _clean(node: Json) -> Json:
    """Closed, and without our marks but `x-not-asked`."""
    kept: Json = {}
    for key, child in node.items():
        match key:
            case "properties" | "$defs":
                kept[key] = {name: _clean(each) for name, each in child.items()}
            case "default" | "enum" | "const":
                kept[key] = child
            case _ if key not in _OURS:
                kept[key] = rebuilt(child, _clean)
    if "properties" in kept:
        kept["additionalProperties"] = False
    return kept


def target(node: Json, definitions: Json) -> Json:
    """The schema itself that a reference leads to."""
    while "$ref" in node:
        node = definitions[node["$ref"].rpartition("/")[2]]
    return node


def unfit(
    model: type[BaseModel], *, is_answer: bool, has_links: bool = True
) -> Iterator[tuple[str, str]]:
    """The fields that cannot go over the wire, each with a sentence that has the cure."""
    marks = [_UNFIT_FOR_ANSWERS] * is_answer + [_UNFIT_WITHOUT_LINKS] * (not has_links)
    try:
        schema = _raw(model)
    except PydanticUserError as error:
        yield model.__name__, str(error).splitlines()[0]
        return
    yield from _unfit(schema, schema.get("$defs", {}), "", marks, frozenset())


def _unfit(
    node: Json, definitions: Json, place: str, marks: list[str], seen: frozenset[str]
) -> Iterator[tuple[str, str]]:
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        if name not in seen:
            yield from _unfit(definitions[name], definitions, place, marks, seen | {name})
        return
    here = place or "the model itself"
    yield from ((here, node[mark]) for mark in marks if mark in node)
    yield from ((here, sentence) for sentence in _unfit_itself(node))
    for name, child in node.get("properties", {}).items():
        field = f"{place}.{name}" if place else name
        if _is_nullable(child, definitions) and name in node.get("required", ()):
            yield field, "may be null but not absent, and null is absence here: add `= None`"
        yield from _unfit(child, definitions, field, marks, seen)
    for child, field in _parts(node, place):
        if _is_nullable(child, definitions):
            yield field, "may hold null, and null is absence here: leave out `| None`"
        yield from _unfit(child, definitions, field, marks, seen)


def _unfit_itself(node: Json) -> Iterator[str]:
    if _UNFIT in node:
        yield node[_UNFIT]
    elif not node.keys() & _SAYING:
        yield "has no type in JSON: name one"
    if _OPEN in node:
        yield 'takes unknown fields: remove extra="allow"'
    values = node.get("enum", [node["const"]] if "const" in node else [])
    if None in values:
        yield "has null among its values: leave it out, and use `| None = None`"
    elif not all(isinstance(value, str | int | float) for value in values):
        yield "has values that are neither texts nor numbers: use such ones"
    if _is_beyond(node) or any(type(value) is int and abs(value) > MAX_WHOLE for value in values):
        yield f"has whole numbers beyond {MAX_WHOLE}, which JavaScript cannot hold: use a text"
    if node.get("maxItems") == 0:
        yield "is always empty: leave it out"
    for name in filter(RESERVED_NAME.match, node.get("properties", ())):
        yield f"has a field called {name}, which has a meaning of its own here: call it otherwise"


def _is_beyond(node: Json) -> bool:
    """Whether all whole numbers within the bounds are too large for JavaScript."""
    lowest = max(node.get("minimum", -inf), node.get("exclusiveMinimum", -inf) + 1)
    highest = min(node.get("maximum", inf), node.get("exclusiveMaximum", inf) - 1)
    return node.get("type") == "integer" and (lowest > MAX_WHOLE or highest < -MAX_WHOLE)


def _parts(node: Json, place: str) -> Iterator[tuple[Json, str]]:
    """The schemas within a schema that are no fields, each with a name for its place."""
    for key, word in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(node.get(key), dict):
            yield node[key], place + word
    for i, child in enumerate(node.get("prefixItems", ())):
        yield child, f"{place}[{i}]"
    for key in ("anyOf", "oneOf", "allOf"):
        yield from ((child, place) for child in node.get(key, ()))


def _is_nullable(node: Json, definitions: Json) -> bool:
    while not node.get(_NULLABLE) and "$ref" in node:
        node = definitions[node["$ref"].rpartition("/")[2]]
    return bool(node.get(_NULLABLE))
