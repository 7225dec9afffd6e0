"""Answers of status 200 whose content is, mostly, not what was asked; for any task.

The first part of an answer is the first object in a list of it, or the whole where there is none.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from local.model.chat import Order
from local.model.own import kinds_of
from local.model.places import Path, at, leaves

type Json = dict[str, Any]

_HUGE_BYTES = 1_200_000
_NESTED_LEVELS = 100_000


@dataclass(frozen=True)
class Content:
    """What a message says, and why it ended there."""

    text: str | None
    finish_reason: str = "stop"
    refusal: str | None = None


def content_of(kind: str, order: Order) -> Content:
    """The answer of that kind: a good one is `ok`."""
    own = kinds_of(order.task.name)
    if kind in own:
        return Content(order.text(own[kind](order.request, order.result)))
    return CONTENTS.get(kind, CONTENTS["unfit"])(order)


def _first_part(result: Any) -> Json:
    """That part itself, to be changed in place."""
    for child in result.values() if isinstance(result, dict) else result:
        if isinstance(child, list) and child and isinstance(child[0], dict):
            return _first_part(child[0]) if _has_parts(child[0]) else child[0]
    part: Json = result
    return part


def _has_parts(part: Json) -> bool:
    lists = [each for each in part.values() if isinstance(each, list)]
    return any(each and isinstance(each[0], dict) for each in lists)


def _with_part(order: Order, change: Callable[[Json], None]) -> Content:
    """The good answer with its first part changed in place."""
    result = copy.deepcopy(order.result)
    change(_first_part(result))
    return Content(order.text(result))


def _is_wrong(order: Order, result: Json) -> bool:
    try:
        order.task.result_model.model_validate_json(json.dumps(result))
    except ValidationError:
        return True
    return False


def _wrong_types(order: Order) -> Content:
    """Numbers as texts; where there are none, a text as a number."""

    def change(part: Json) -> None:
        numbers = [key for key, each in part.items() if type(each) in (int, float)]
        for key in numbers:
            part[key] = f"{part[key]} or so"
        if not numbers:
            part[_a_text(part)] = 7

    return _with_part(order, change)


def _missing_field(order: Order) -> Content:
    """Without a field that must be there, as late a one as possible."""
    for key in reversed(_first_part(order.result)):
        result = copy.deepcopy(order.result)
        del _first_part(result)[key]
        if _is_wrong(order, result):
            # Not in the words of a strict schema, which would have null in its place.
            return Content(json.dumps(result, ensure_ascii=False))
    return Content("{}")


def _a_text(part: Json) -> str:
    """The field with the longest text."""
    texts = {key: each for key, each in part.items() if isinstance(each, str)}
    return max(texts, key=lambda key: len(texts[key]), default="text")


def _with_text(text: str) -> Callable[[Order], Content]:
    def said(order: Order) -> Content:
        return _with_part(order, lambda part: part.update({_a_text(part): text}))

    return said


def _lone_surrogate(order: Order) -> Content:
    """Half a character, as an escape within the JSON text: the text itself is sound."""
    text = str(_first_part(order.result).get(_a_text(_first_part(order.result)), ""))
    inner = json.dumps(text, ensure_ascii=False)[1:-1]
    return Content(order.text().replace(f'{inner}"', f'{inner} \\ud83d"', 1))


_MARKUP = "<script>alert('hello')</script>"


def _markup(order: Order) -> Content:
    """In each free text of the first part; in those of the whole, where that part has none."""

    def is_free(part: Json, path: Path, each: Any) -> bool:
        """No enum, and no date."""
        if not isinstance(each, str):
            return False
        result = copy.deepcopy(order.result)
        at(_first_part(result) if part is first else result, path[:-1])[path[-1]] = each + "."
        return not _is_wrong(order, result)

    result = copy.deepcopy(order.result)
    first = _first_part(result)
    for part in (first, result):
        texts = [path for path, each in leaves(part) if is_free(part, path, each)]
        for path in texts:
            at(part, path[:-1])[path[-1]] = _MARKUP
        if texts:
            return Content(order.text(result))
    return Content(order.text({**result, "text": _MARKUP}))  # nothing here is a free text


def _replaced(order: Order, pattern: str, becomes: str) -> Content:
    """The good answer with the text of the first `"key": value` replaced."""
    return Content(re.sub(pattern, becomes, order.text(), count=1))


def _unfit(order: Order) -> Content:
    """Of the right types, but not what was asked: the first number or text that `check` refuses."""
    request = order.task.wire_model.model_validate_json(json.dumps(order.request))
    for result in _variants(order.result):
        try:
            read = order.task.result_model.model_validate_json(json.dumps(result))
        except ValidationError:
            continue
        if _complains(order, request, read):
            return Content(order.text(result))
    return CONTENTS["wrong_types"](order)  # nothing of the right types is unfit here


def _complains(order: Order, request: Any, result: Any) -> bool:
    try:
        return bool(order.task.check(request, result))
    except Exception:
        return True  # one that fails on what it did not expect


def _variants(result: Json) -> Iterator[Json]:
    """Copies of the result with one thing changed."""
    for key, each in _first_part(result).items():
        for other in _others(each):
            changed = copy.deepcopy(result)
            _first_part(changed)[key] = other
            yield changed
    for key, each in result.items():
        if isinstance(each, list):
            yield {**result, key: each[:-1]}
            yield {**result, key: each * 2}


def _others(value: Any) -> list[Any]:
    match value:
        case bool():
            return [not value]
        case int() | float():
            return [value + 1, value * 2 + 7, 0]
        case str():
            return ["something else"]
        case list():
            return [[*value, "something else"], value[:-1]]
    return []


_SCALAR = r'"(\w+)": (-?\d[\d.]*|"[^"]*")'

CONTENTS: dict[str, Callable[[Order], Content]] = {
    "ok": lambda order: Content(order.text()),
    "prose": lambda _: Content("Sure! Here are some lovely ideas for you: first of all…"),
    "fenced": lambda order: Content(f"```json\n{order.text()}\n```"),
    "truncated": lambda order: Content(_cut(order), "length"),
    "truncated_stop": lambda order: Content(_cut(order)),
    "wrong_types": _wrong_types,
    "unknown_field": lambda order: _with_part(order, lambda part: part.update(calories=420)),
    "missing_field": _missing_field,
    "unfit": _unfit,
    "empty_text": _with_text(""),
    # Of two keys most parsers keep the last, so only a strict one notices.
    "duplicate_keys": lambda order: _replaced(order, _SCALAR, r'"\1": 99, "\1": \2'),
    "nan": lambda order: _replaced(order, r'"(\w+)": (-?\d[\d.]*|"[^"]*")', r'"\1": NaN'),
    "trailing_text": lambda order: Content(order.text() + "\n\nI hope that this helps!"),
    "nested": lambda order: Content(
        f'{{"{next(iter(order.result))}": ' + "[" * _NESTED_LEVELS + "]" * _NESTED_LEVELS + "}"
    ),
    "huge": _with_text("More. " * (_HUGE_BYTES // 6)),
    "control_chars": _with_text("1. \u0000One.\u0007\u001b[31m Two.\u202e"),
    "markup": _markup,
    "lone_surrogate": _lone_surrogate,
    "refusal": lambda _: Content(None, refusal="I'm sorry, but I can't help with that."),
    "content_filter": lambda order: Content(_cut(order)[:40], "content_filter"),
    "empty": lambda _: Content(""),
    "null_content": lambda _: Content(None),
}


def _cut(order: Order) -> str:
    return order.text()[: len(order.text()) * 2 // 3]
