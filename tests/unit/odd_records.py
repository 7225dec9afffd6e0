"""Records of the jobs table's stream that no stream sends, each made of a good one."""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# As many cases as the gate tries, and so many times that in `make attack`.
TRIED = settings(
    max_examples=300 * int(os.environ.get("ATTACKS", "1")),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)

type Record = dict[str, Any]

# JSON may hold half a character ("\\ud800"), which UTF-8 cannot.
_TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from("\ud800\udfff"), max_size=5)
_SIMPLE = st.none() | st.booleans() | st.integers() | st.floats() | _TEXT
ANYTHING = st.recursive(
    _SIMPLE | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)


def places(node: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value of a document of mappings."""
    found = [place] if place else []
    if isinstance(node, dict):
        for key, child in node.items():
            found += places(child, (*place, key))
    return found


def changed(node: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at that place."""
    if not place:
        return value
    return {**node, place[0]: changed(node.get(place[0]), place[1:], value)}


def without(node: Any, place: tuple[Any, ...]) -> Any:
    """The document without the value at that place."""
    if len(place) == 1:
        return {key: child for key, child in node.items() if key != place[0]}
    return {**node, place[0]: without(node[place[0]], place[1:])}


_IMAGE = ("dynamodb", "NewImage")


def _image(name: str, value: Any) -> Callable[[Record], Any]:
    return lambda record: changed(record, _IMAGE, {**record["dynamodb"]["NewImage"], name: value})


def _lacks(*place: str) -> Callable[[Record], Any]:
    return lambda record: without(record, place)


def _deep(levels: int) -> Any:
    node: Any = {"S": "x"}
    for _ in range(levels):
        node = {"L": [{"M": {"x": node}}]}
    return node


MALFORMED: dict[str, Callable[[Record], Any]] = {
    "nothing": lambda _: None,
    "a text": lambda _: "record",
    "a list": lambda _: [],
    "empty": lambda _: {},
    "no change": _lacks("dynamodb"),
    "a change that is none": lambda record: {**record, "dynamodb": "x"},
    "no image": _lacks("dynamodb", "NewImage"),
    "an image that is none": lambda record: changed(record, _IMAGE, None),
    "an empty image": lambda record: changed(record, _IMAGE, {}),
    "a quota's image": lambda record: changed(record, _IMAGE, {"pk": {"S": "quota#x"}}),
    "no status": _lacks(*_IMAGE, "status"),
    "a status of a later version": _image("status", {"S": "paused"}),
    "a status that is a number": _image("status", {"N": "1"}),
    "an error code of a later version": _image("error_code", {"S": "tired"}),
    "no run": _lacks(*_IMAGE, "run_id"),
    "no time": _lacks(*_IMAGE, "created_at_ms"),
    "a time in words": _image("created_at_ms", {"S": "yesterday"}),
    "a time without end": _image("deadline_at_ms", {"S": "1e999"}),
    "no type": _image("result", "bare"),
    "an unknown type": _image("result", {"Z": "x"}),
    "two types": _image("created_at_ms", {"S": "x", "N": "1"}),
    "a number that is none": _image("created_at_ms", {"N": "many"}),
    "half a lease": _image("lease_token", {"S": "x"}),
    "a removal": lambda record: changed(
        without(record, _IMAGE), ("dynamodb", "OldImage"), record["dynamodb"]["NewImage"]
    ),
    "no image of ours": lambda record: changed(record, ("dynamodb", "NewImage"), []),
    "bytes for a time": _image("created_at_ms", {"BS": ["eA=="]}),
    "null for a time": _image("created_at_ms", {"NULL": True}),
    "a list that is null within": _image("created_at_ms", {"L": [{"M": {"x": {"NULL": True}}}]}),
    "very deep": _image("created_at_ms", _deep(5000)),
    "a part without a number": _image("part_x", {"S": "{}"}),
}
