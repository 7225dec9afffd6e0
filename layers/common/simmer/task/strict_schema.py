"""What vendors' strict modes take of a JSON schema, and the way back from what they then write.

Their published subsets have this in common: an object at the root, every object closed and every
key required, `anyOf` but no `oneOf`, no mappings, no tuples, `$ref` without neighbours.

| a result has         | the endpoint is told                                             |
| -------------------- | ---------------------------------------------------------------- |
| what may be absent   | that or null                                                     |
| a mapping            | `{"mapping_entries": [{"key": "a", "value": 1}]}`                |
| a tuple              | `{"tuple_item_1": 1, "tuple_item_2": "a"}`                       |
| a set                | a list                                                           |
| no object at the top | `{"whole_answer": ...}`                                          |
| `oneOf`              | `anyOf`, each object with a first key that no other has          |
| a pattern, a format  | words in the description; the keyword only if the rung takes bounds |

`decoded` needs no schema: these names mean nothing else, for no field may be called so. A document
in the natural form stays as it is, so that a model which writes that is understood, too.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from simmer.task.schema import ITEM, MAPPING, NOT_ASKED_MARK, ROOT, Json, target
from simmer.text.strict_json import rebuilt

_BOUNDS = (
    *("minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum"),
    *("exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
)
_FORMATS: Mapping[str, str] = {  # those that OpenAI and Anthropic list, each in words
    "date": "a date such as 2026-01-31",
    "date-time": "a date and time with its offset, such as 2026-01-31T18:30:00Z",
    "time": "a time such as 18:30:00Z",
    "duration": "an ISO 8601 duration such as PT1H30M",
    "uuid": "a UUID",
    "email": "an email address",
    "hostname": "a host name",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
}
_FURTHER_FORMATS: Mapping[str, str] = {  # told in words alone
    "local-time": "a time such as 18:30",
    "local-date-time": "a date and time such as 2026-01-31T18:30:00",
    "uri": "an absolute URI such as https://example.com/a",
    "base64": "Base64 such as YWJj",
}
# Engines differ in what they take; this much all that take any do.
_PORTABLE_PATTERN = re.compile(r"\^(?!.*\(\?)(?!.*\\[bBA-Z0-9]).*\$\Z")


class NotEncoded(ValueError):
    """An answer holds our names, but not as they were asked for. The message says where."""


def is_whole(schema: Json) -> bool:
    """True if a schema describes an object, so that it can stand at the root."""
    return "properties" in target(schema, schema.get("$defs", {}))


def natural(schema: Json) -> Json:
    """What a model is shown where the endpoint takes no schema: the wire's own, less what the model
    is not asked for, and an object at the root."""
    shown = {name: _shown(each) for name, each in schema.get("$defs", {}).items()}
    rest = {key: child for key, child in schema.items() if key != "$defs"}
    root = _shown(rest) if is_whole(schema) else _object({ROOT: _shown(rest)})
    return {**root, "$defs": shown} if shown else root


def _shown(node: Json) -> Json:
    kept: Json = {}
    for key, child in node.items():
        if key == "properties":
            kept[key] = {name: _shown(each) for name, each in _asked(node).items()}
        elif key in ("enum", "const"):
            kept[key] = child
        elif key not in ("title", "default", "discriminator") and not (
            key == "description" and "properties" in node  # for those who read the code
        ):
            kept[key] = rebuilt(child, _shown)
    return kept


def _asked(node: Json) -> Json:
    properties: Json = node["properties"]
    return {name: each for name, each in properties.items() if not each.get(NOT_ASKED_MARK)}


def strict(schema: Json, *, bounds: bool) -> Json:
    """What a strict endpoint is told for a wire schema. `bounds` says whether it takes them."""
    told = {name: _strict(each, bounds) for name, each in schema.get("$defs", {}).items()}
    rest = {key: child for key, child in schema.items() if key != "$defs"}
    root = _strict(rest, bounds)
    if "$ref" in root:
        root = target(root, told)
    if "properties" not in root:
        root = _object({ROOT: root})
    root = {**root, "$defs": told} if told else root
    for alternatives in list(unions(root)):  # telling apart changes what is walked
        _tell_apart(alternatives, told)
    return root


def _object(properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _strict(node: Json, bounds: bool) -> Json:
    about = {"description": node["description"]} if node.get("description") else {}
    match node:
        case {"$ref": str(target)}:
            return {"$ref": target}
        case {"properties": dict()}:
            required = node.get("required", ())
            properties = {}
            for name, child in _asked(node).items():
                told = _strict(child, bounds)
                properties[name] = told if name in required else _or_null(told)
            return _object(properties)  # its docstring is for those who read the code
        case {"additionalProperties": dict(values)}:
            entry = _object(
                {
                    "key": _strict({"type": "string", **node.get("propertyNames", {})}, bounds),
                    "value": _strict(values, bounds),
                }
            )
            return {**about, **_object({MAPPING: {"type": "array", "items": entry}})}
        case {"prefixItems": list(items)}:
            least = node.get("minItems", len(items))
            places = [_strict(item, bounds) for item in items]
            told = {
                f"{ITEM}{i}": place if i <= least else _or_null(place)
                for i, place in enumerate(places, 1)
            }
            return {**about, **_object(told)}
        case {"anyOf": list(alternatives)} | {"oneOf": list(alternatives)}:
            return {**about, "anyOf": [_strict(each, bounds) for each in alternatives]}
        case {"enum": list(values)}:
            return {**about, **_enum(values)}
        case {"const": value}:
            return {**about, **_enum([value])}
    return _leaf(node, bounds)


def _or_null(told: Json) -> Json:
    null = {"type": "null"}
    if "anyOf" in told:
        return {**told, "anyOf": [*told["anyOf"], null]}
    return {"anyOf": [told, null]}


_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number"}


def _enum(values: list[Any]) -> Json:
    by_type: dict[str, list[Any]] = {}
    for value in values:
        by_type.setdefault(_NAMES[type(value)], []).append(value)
    kinds = [{"type": name, "enum": each} for name, each in by_type.items()]
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _leaf(node: Json, bounds: bool) -> Json:
    told: Json = {"type": node["type"]}
    hints = [node["description"]] if "description" in node else []
    if word := {**_FORMATS, **_FURTHER_FORMATS}.get(node.get("format", "")):
        hints.append(word)
    elif "pattern" in node:
        hints.append(f"must match {node['pattern']}")
    if node.get("uniqueItems"):
        hints.append("no item twice")
    if "multipleOf" in node:
        hints.append(f"a multiple of {node['multipleOf']}")
    if hints:
        told["description"] = "; ".join(hints)
    if "items" in node:
        told["items"] = _strict(node["items"], bounds)
    if bounds:
        told |= {key: node[key] for key in _BOUNDS if key in node}
        if node.get("format") in _FORMATS:
            told["format"] = node["format"]
        if _PORTABLE_PATTERN.match(node.get("pattern", "")):
            told["pattern"] = node["pattern"]
    return told


# ── Unions of objects: an endpoint that writes one must know by its first key which ───────────────


def unions(node: Any) -> Iterator[list[Json]]:
    match node:
        case {"anyOf": list(alternatives)}:
            yield alternatives
    if isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from unions(child)


def _tell_apart(alternatives: list[Json], definitions: Json) -> None:
    """Bring a key to the front of each object that is at the front of no other."""
    objects = [
        each for each in (target(one, definitions) for one in alternatives) if "properties" in each
    ]
    taken: set[str] = set()
    for each in sorted(objects, key=lambda one: len(one["properties"])):
        names = [name for name in each["properties"] if first_key(each, name) not in taken]
        names.sort(key=lambda name: sum(name in other["properties"] for other in objects))
        tags = [name for name in each["properties"] if "enum" in each["properties"][name]]
        first = next((name for name in [*tags, *names] if name in names), None)
        if first is None or len(objects) == 1:
            continue
        taken.add(first_key(each, first))
        each["properties"] = {first: each["properties"].pop(first), **each["properties"]}
        each["required"] = list(each["properties"])


def first_key(schema: Json, name: str) -> str:
    return f"{name} {schema['properties'][name].get('enum', '')}"


# ── The way back ──────────────────────────────────────────────────────────────────────────────────


def decoded(document: Any) -> Any:
    """An answer in its natural form. Raises `NotEncoded`."""
    if isinstance(document, dict) and document.keys() == {ROOT}:
        document = document[ROOT]
    return rebuilt(document, _decoded)


def _decoded(node: Json) -> Any:
    if node.keys() == {MAPPING} and isinstance(node[MAPPING], list):
        return _mapping(node[MAPPING])
    if node and node.keys() == {f"{ITEM}{i}" for i in range(1, len(node) + 1)}:
        return _tuple(node)
    return {key: rebuilt(child, _decoded) for key, child in node.items()}


def _mapping(entries: list[Any]) -> Json:
    mapping: Json = {}
    for entry in entries:
        match entry:
            case {"key": key, "value": value} if len(entry) == 2 and type(key) is str:
                if key in mapping:
                    raise NotEncoded(f"{MAPPING}: a key is there twice: {key}")
                mapping[key] = rebuilt(value, _decoded)
            case _:
                raise NotEncoded(f"{MAPPING}: each entry must be an object of key and value")
    return mapping


def _tuple(node: Json) -> list[Any]:
    written = [node[f"{ITEM}{i}"] for i in range(1, len(node) + 1)]
    items: list[Any] = rebuilt(written, _decoded)
    while items and items[-1] is None:  # what may be absent at a tuple's end
        items.pop()
    return items
