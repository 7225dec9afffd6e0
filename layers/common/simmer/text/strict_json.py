"""JSON as RFC 8259 has it, and nothing more lenient: shared by what comes in and what a model says.

`json.loads` alone takes `NaN`, lets a repeated key win silently and chokes on very long integers.
"""

import json
import math
from typing import Any


class NotStrictJson(ValueError):
    """The text is not strict JSON. The message names the reason, never the text."""


def loads(text: str) -> Any:
    """Parse `text`; numbers without a fraction, `2.0` too, become int. Raises `NotStrictJson`."""
    try:
        return json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_number,
            parse_int=_number,
            object_pairs_hook=_without_repeated_keys,
        )
    except json.JSONDecodeError as error:
        raise NotStrictJson(f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise NotStrictJson("nested too deeply") from None


def _number(text: str) -> int | float:
    if len(text) > 40:  # no number of ours has that many digits; int() may refuse thousands
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
