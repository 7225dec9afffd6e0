"""JSON as RFC 8259 has it, and nothing more lenient: shared by what comes in and what a model says.

`json.loads` alone takes `NaN`, lets a repeated key win silently and chokes on very long integers.
"""

import json
import math
from collections.abc import Callable
from typing import Any

MAX_DIGITS = 40  # no number of ours has more


class NotStrictJson(ValueError):
    """The text is not strict JSON. The message names the reason, never the text."""


class Digits(str):
    """A number as it was written, for who writes it again."""

    __slots__ = ()


def loads(text: str) -> Any:
    """Parse `text`; numbers without a fraction, `2.0` too, become int. Raises `NotStrictJson`."""
    return _parsed(text, _number, _number)


def loads_as_written(text: str) -> Any:
    """The same with numbers as `Digits`, and those refused that no client can read."""
    return _parsed(text, _whole_digits, _digits)


def loads_exact(text: str) -> Any:
    """The same with `2` as int and `2.0` as float."""
    return _parsed(text, int, float)


def dumps(document: Any) -> str:
    """A document of `loads_as_written` as JSON, with the same numbers, in the fewest bytes."""
    match document:
        case Digits():
            return str(document)
        case dict():
            members = (f"{dumps(key)}:{dumps(child)}" for key, child in document.items())
            return "{" + ",".join(members) + "}"
        case list():
            return "[" + ",".join(map(dumps, document)) + "]"
    return json.dumps(document, ensure_ascii=False)


def without_nulls(document: Any) -> Any:
    """The same without the members of objects that are null: null is absence."""
    match document:
        case dict():
            return {
                key: without_nulls(child) for key, child in document.items() if child is not None
            }
        case list():
            return [without_nulls(child) for child in document]
    return document


def rebuilt(document: Any, change: Callable[[dict[str, Any]], Any]) -> Any:
    """The same with what `change` makes of each object in its place. `change` is given the outer
    ones, and sees to what is in them."""
    if isinstance(document, list):
        return [rebuilt(child, change) for child in document]
    return change(document) if isinstance(document, dict) else document


def _parsed(text: str, whole: Callable[[str], Any], fraction: Callable[[str], Any]) -> Any:
    try:
        return json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=fraction,
            parse_int=whole,
            object_pairs_hook=_without_repeated_keys,
        )
    except json.JSONDecodeError as error:
        raise NotStrictJson(f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise NotStrictJson("nested too deeply") from None


def _whole_digits(text: str) -> Digits:
    if abs(float(text)) >= 2**53:
        raise NotStrictJson("a whole number is beyond 9007199254740991, JavaScript's last")
    return _digits(text)


def _digits(text: str) -> Digits:
    if len(text) > MAX_DIGITS or not math.isfinite(float(text)):
        raise NotStrictJson("a number is too large or too long")
    return Digits(text)


def _number(text: str) -> int | float:
    if len(text) > MAX_DIGITS:  # int() may refuse thousands
        return math.inf
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _refuse_constant(name: str) -> None:
    raise NotStrictJson(f"{name} is not a JSON value")


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    parsed = dict(pairs)
    if len(parsed) != len(pairs):
        raise NotStrictJson("a key is repeated in one object")
    return parsed
