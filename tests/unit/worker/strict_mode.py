"""Vendors' published rules for strict schemas, read from their documents and not from our code, and
an endpoint that keeps to them: it refuses a schema that breaks a rule, and writes what a schema
allows.

OpenAI, "Structured Outputs: supported schemas" (2026): the types and keywords below; the root is an
object and no `anyOf`; every object closed, every field required; at most 5,000 properties, 10
levels of objects, 1,000 enum values, 120,000 characters of names and values; no `allOf`, `not`,
`if`; `$ref` has no neighbours; the objects of an `anyOf` must not share their first key (its 400s).
Anthropic, "JSON schema limitations": no bounds, no `uniqueItems`, enums of plain values, the
formats below. Groq: as OpenAI. Azure: neither `pattern` nor `format` nor bounds. So those, and
lengths, are only for endpoints that are said to take bounds.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

type Json = dict[str, Any]

TYPES = {"string", "number", "boolean", "integer", "object", "array", "null"}
EVERYWHERE = {"type", "description", "enum", "anyOf", "$ref", "$defs"}
BY_TYPE = {"object": {"properties", "required", "additionalProperties"}, "array": {"items"}}
BOUNDS_BY_TYPE = {
    "string": {"pattern", "format", "minLength", "maxLength"},
    "number": {"multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"},
    "integer": {"multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"},
    "array": {"minItems", "maxItems"},
}
FORMATS = {
    *("date-time", "time", "date", "duration"),
    *("email", "hostname", "ipv4", "ipv6", "uuid"),
}


def broken_rules(schema: Json, *, bounds: bool) -> list[str]:
    """What an endpoint with strict mode would say to a schema; nothing if it takes it."""
    found = []
    if schema.get("type") != "object" or "anyOf" in schema or "$ref" in schema:
        found.append("the root is no object")
    found += _broken(schema, schema, "root", bounds)
    for name, each in schema.get("$defs", {}).items():
        found += _broken(each, schema, name, bounds)
        if "$defs" in each:
            found.append(f"{name}: definitions within a definition")
    nodes = list(_nodes(schema))
    if sum(len(node.get("properties", ())) for node in nodes) > 5000:
        found.append("more than 5000 properties")
    if sum(len(node.get("enum", ())) for node in nodes) > 1000:
        found.append("more than 1000 enum values")
    if _levels(schema, schema, ()) > 10:
        found.append("more than 10 levels")
    if len(json.dumps(schema)) > 120_000:
        found.append("too long")
    return found


def _nodes(node: Json) -> Iterator[Json]:
    yield node
    children = [*node.get("properties", {}).values(), *node.get("$defs", {}).values()]
    children += node.get("anyOf", [])
    if "items" in node:
        children.append(node["items"])
    for child in children:
        yield from _nodes(child)


def _broken(node: Json, root: Json, place: str, bounds: bool) -> Iterator[str]:
    if "$ref" in node:
        yield from _broken_ref(node, root, place)
        return
    yield from _broken_keywords(node, place, bounds)
    yield from _broken_values(node, place)
    first = [_first_key(each, root) for each in node.get("anyOf", ())]
    first = [each for each in first if each]
    if len(set(first)) < len(first):
        yield f"{place}: objects in 'anyOf' must not share identical first keys"
    for name, child in node.get("properties", {}).items():
        yield from _broken(child, root, f"{place}.{name}", bounds)
    for child in node.get("anyOf", ()):
        yield from _broken(child, root, place, bounds)
    if "items" in node:
        yield from _broken(node["items"], root, f"{place}[]", bounds)


def _broken_ref(node: Json, root: Json, place: str) -> Iterator[str]:
    if node.keys() != {"$ref"}:
        yield f"{place}: $ref has neighbours"
    if not re.fullmatch(r"#/\$defs/[^/]+", node["$ref"]):
        yield f"{place}: an outer $ref"
    elif node["$ref"].removeprefix("#/$defs/") not in root["$defs"]:
        yield f"{place}: $ref to nothing"


def _broken_keywords(node: Json, place: str, bounds: bool) -> Iterator[str]:
    kind = node.get("type")
    if "anyOf" not in node and kind not in TYPES:
        yield f"{place}: no type, or {kind}"
    allowed = EVERYWHERE | BY_TYPE.get(str(kind), set())
    if bounds:
        allowed |= BOUNDS_BY_TYPE.get(str(kind), set())
    for keyword in node.keys() - allowed:
        yield f"{place}: '{keyword}' is not permitted"
    if kind == "object":
        if node.get("additionalProperties") is not False:
            yield f"{place}: 'additionalProperties' must be false"
        if sorted(node.get("required", ())) != sorted(node.get("properties", {"?": 0})):
            yield f"{place}: 'required' must hold every key"
    if kind == "array" and not isinstance(node.get("items"), dict):
        yield f"{place}: 'items' is missing"


def _broken_values(node: Json, place: str) -> Iterator[str]:
    if not all(isinstance(each, str | int | float | bool) for each in node.get("enum", ())):
        yield f"{place}: an enum of other than plain values"
    if "format" in node and node["format"] not in FORMATS:
        yield f"{place}: format {node['format']}"
    if re.search(r"\(\?[=!<]", node.get("pattern", "")):
        yield f"{place}: a pattern that looks around"


def _resolved(node: Json, root: Json) -> Json:
    while "$ref" in node:
        node = root["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return node


def _first_key(node: Json, root: Json) -> str:
    for name, child in _resolved(node, root).get("properties", {}).items():
        return f"{name}={child.get('enum')}"
    return ""


def _levels(node: Json, root: Json, seen: tuple[str, ...]) -> int:
    if "$ref" in node:
        return (
            0
            if node["$ref"] in seen
            else _levels(_resolved(node, root), root, (*seen, node["$ref"]))
        )
    children = [*node.get("properties", {}).values(), *node.get("anyOf", [])]
    children += [node["items"]] if "items" in node else []
    deepest = max((_levels(child, root, seen) for child in children), default=0)
    return deepest + (node.get("type") == "object")


# ── What the endpoint writes ──────────────────────────────────────────────────────────────────────

_LETTERS = "abcdefgh 두부é"
_EXAMPLES = {
    "date": ["2026-01-31", "1999-12-01", "2024-02-29"],
    "date-time": ["2026-01-31T18:30:00Z", "2026-01-31T18:30:00.5+09:00"],
    "duration": ["PT5M", "P1DT2H", "PT1H30M10S"],
    "uuid": ["12345678-1234-5678-1234-567812345678", "00000000-0000-4000-8000-00000000000a"],
    "email": ["a@example.com"],
    "ipv4": ["127.0.0.1"],
    "ipv6": ["::1"],
}


class Refused(Exception):
    """A 400: the schema breaks the published rules."""


def answers(schema: Json) -> st.SearchStrategy[str]:
    """What an endpoint that takes bounds may write under a schema, as JSON text."""
    if broken := broken_rules(schema, bounds=True):
        raise Refused("; ".join(broken))
    return _written(schema, schema, 0).map(lambda said: json.dumps(said, ensure_ascii=False))


def _written(node: Json, root: Json, depth: int) -> st.SearchStrategy[Any]:
    if "$ref" in node:
        return st.deferred(lambda: _written(_resolved(node, root), root, depth + 1))
    if "anyOf" in node:
        kinds = node["anyOf"]
        if depth > 3 and {"type": "null"} in kinds:  # so that what holds itself ends
            return st.none()
        return st.one_of([_written(each, root, depth) for each in kinds])
    if "enum" in node:
        return st.sampled_from(node["enum"])
    match node["type"]:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "object":
            children = {
                name: _written(child, root, depth) for name, child in node["properties"].items()
            }
            return st.fixed_dictionaries(children)
        case "array":
            return _array(node, root, depth)
        case "integer" | "number":
            return _number(node)
    return _string(node)


def _array(node: Json, root: Json, depth: int) -> st.SearchStrategy[Any]:
    least = node.get("minItems", 0)
    most = node.get("maxItems", least + 3 if depth <= 3 else least)
    items = _written(node["items"], root, depth)
    keyed = set(node["items"].get("properties", ())) == {"key", "value"}
    once = "no item twice" in node.get("description", "")
    if keyed:
        return st.lists(items, min_size=least, max_size=most, unique_by=lambda each: each["key"])
    if once:
        return st.lists(items, min_size=least, max_size=most, unique_by=json.dumps)
    return st.lists(items, min_size=least, max_size=most)


def _number(node: Json) -> st.SearchStrategy[Any]:
    least = node.get("minimum", node.get("exclusiveMinimum", -1000) + 1)
    most = node.get("maximum", node.get("exclusiveMaximum", 1001) - 1)
    step = node.get("multipleOf", 1)
    whole = st.integers(-(-least // step), most // step).map(lambda n: n * step)
    if node["type"] == "integer":
        return whole.map(int)
    return whole if most - least < 1 else whole | st.sampled_from([least + 0.5, most - 0.25])


def _string(node: Json) -> st.SearchStrategy[str]:
    if "format" in node:
        return st.sampled_from(_EXAMPLES[node["format"]])
    if example := re.search(r"such as (\S+)", node.get("description", "")):
        return st.just(example[1])
    if "pattern" in node:
        plain = st.characters(min_codepoint=48, max_codepoint=122)
        return st.from_regex(node["pattern"], fullmatch=True, alphabet=plain | st.just("-"))
    least, most = max(1, node.get("minLength", 1)), node.get("maxLength", 12)
    return st.text(_LETTERS, min_size=least, max_size=most).filter(str.strip)
