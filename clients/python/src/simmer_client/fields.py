"""A request from the words of a command line.

count=3            JSON, where it can be read as such: a number, true, null, [1, 2], "3"
name=kimchi stew   else a text
tags=a tags=b      a field that is repeated is a list
tags:=["a"]        JSON and nothing else
@request.json, -   an object from a file, or from standard input; fields beside it stand above it
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def request_from(words: Sequence[str]) -> dict[str, Any]:
    """ValueError, in words for people, if they make no request."""
    request: dict[str, Any] = {}
    texts: dict[str, list[Any]] = {}
    whole: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if word == "-" or word.startswith("@"):
            request |= _object_from(word)
        elif not equals or name in ("", ":"):
            raise ValueError(
                f"{word!r} is no field=value, no field:=JSON, no @file.json and no - "
                "(standard input)"
            )
        elif name.endswith(":"):
            if name[:-1] in whole:
                raise ValueError(f"{name}= is given twice; a list is {name}=[…]")
            whole[name[:-1]] = _json(value, f"what follows {name}=")
        else:
            texts.setdefault(name, []).append(_json_or_text(value))
    if both := sorted(texts.keys() & whole.keys()):
        raise ValueError(f"{both[0]} is given as {both[0]}=… and as {both[0]}:=…")
    fields = {name: given if len(given) > 1 else given[0] for name, given in texts.items()}
    return request | fields | whole


def _json_or_text(value: str) -> Any:
    try:
        return _read(value)
    except ValueError:
        return value


def _json(text: str, what: str) -> Any:
    try:
        return _read(text)
    except ValueError as error:
        raise ValueError(f"{what} is no JSON: {error}") from None


def _read(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _object_from(word: str) -> dict[str, Any]:
    what = "standard input" if word == "-" else word[1:]
    if word == "-" and sys.stdin is None:  # `<&-`
        raise ValueError(f"{what} is closed")
    try:
        data = sys.stdin.buffer.read() if word == "-" else Path(word[1:]).read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{what} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{what} is not UTF-8") from None
    value = _json(text, what)
    if not isinstance(value, dict):
        raise ValueError(f"{what} holds no JSON object")
    return value
