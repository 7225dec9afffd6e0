"""A result as an endpoint writes it that was given a JSON schema.

It has every key, null for what is absent, and objects where the schema has them in the place of
mappings and tuples.
"""

from collections.abc import Mapping
from typing import Any

type Json = dict[str, Any]


def as_asked(value: Any, schema: Json) -> Any:
    """The value in the words of the schema. What the schema does not know stays as it is: wrong
    answers pass through here, too."""
    properties = _resolved(schema, schema.get("$defs", {})).get("properties", {})
    is_whole = isinstance(value, dict) and (not value or value.keys() & properties)
    if len(properties) == 1 and not is_whole:  # only an object may stand at the root
        value = {next(iter(properties)): value}
    return _written(value, schema, schema.get("$defs", {}))


def _written(value: Any, schema: Json, known: Mapping[str, Json]) -> Any:
    schema = _resolved(schema, known)
    if value is None:
        return None
    if "anyOf" in schema:
        branches = [_resolved(branch, known) for branch in schema["anyOf"]]
        fitting = [branch for branch in branches if _fits(value, branch, known)]
        return _written(value, fitting[0], known) if fitting else value
    if "properties" in schema:
        return _object(value, schema["properties"], known)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_written(each, schema["items"], known) for each in value]
    return value


def _object(value: Any, properties: Mapping[str, Json], known: Mapping[str, Json]) -> Any:
    if isinstance(value, list) and len(properties) > 1:  # a tuple, as an object of its items
        value = dict(zip(properties, value, strict=False))
    elif pair := _pair_of(properties, known):
        name, of_value = pair
        if isinstance(value, dict) and not isinstance(value.get(name), list):
            entries = value.items()
            return {name: [{"key": k, "value": _written(v, of_value, known)} for k, v in entries]}
    if not isinstance(value, dict):
        return value
    asked = {name: _written(value.get(name), each, known) for name, each in properties.items()}
    return {**asked, **{name: each for name, each in value.items() if name not in properties}}


def _pair_of(properties: Mapping[str, Json], known: Mapping[str, Json]) -> tuple[str, Json] | None:
    """The property that lists a mapping's pairs, and the schema of their values."""
    if len(properties) == 1:
        [(name, each)] = properties.items()
        item = _resolved(_resolved(each, known).get("items") or {}, known)
        if item.get("properties", {}).keys() == {"key", "value"}:
            return name, item["properties"]["value"]
    return None


def _resolved(schema: Json, known: Mapping[str, Json]) -> Json:
    while "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]] if known else {}
    return schema


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "null": type(None),
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "string": str,
    "array": list,
    "object": (dict, list),
}


def _fits(value: Any, schema: Json, known: Mapping[str, Json]) -> bool:
    """Whether the value may be meant by this branch of a union."""
    if "enum" in schema or "const" in schema:
        return value in schema.get("enum", [schema.get("const")])
    kind = schema.get("type")
    is_no_number = kind != "boolean" and isinstance(value, bool)  # a bool is an int to Python
    if isinstance(kind, str) and (is_no_number or not isinstance(value, _TYPES[kind])):
        return False
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not isinstance(value, dict):
        return True
    if _pair_of(properties, known):
        return True
    return value.keys() <= properties.keys() and all(
        _fits(each, _resolved(properties[name], known), known)
        for name, each in value.items()
        if "anyOf" not in properties[name]
    )
