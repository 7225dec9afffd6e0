"""Places in a JSON document: their paths, and what is there."""

import copy
import re
from collections.abc import Iterator
from typing import Any

type Path = tuple[str | int, ...]

_PLACE = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*)(?::| )")


def place_of(complaint: str) -> tuple[Path, str]:
    """The path that a complaint begins with (`steps.2.kind: …`), and the rest of it."""
    found = _PLACE.match(complaint)
    if not found:
        return (), complaint
    parts = found[1].split(".")
    path = tuple(int(part) if part.isdecimal() else part for part in parts)
    return path, complaint[found.end() :]


def places(node: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all that is in it, but not of the whole."""
    for key, child in node.items() if isinstance(node, dict) else enumerate(node):
        yield (*path, key)
        if isinstance(child, dict | list):
            yield from places(child, (*path, key))


def leaves(node: Any) -> Iterator[tuple[Path, Any]]:
    """What is neither an object nor a list, with its path."""
    for path in places(node):
        if not isinstance(value := at(node, path), dict | list):
            yield path, value


def alike(one: Path, other: Path) -> bool:
    """The same field, whatever the item."""
    return _fields(one) == _fields(other)


def _fields(path: Path) -> list[str]:
    return [part for part in path if isinstance(part, str)]


def at(node: Any, path: Path) -> Any:
    """What is there. Raises LookupError or TypeError if the document has no such place."""
    for part in path:
        node = node[part]
    return node


def put(node: Any, path: Path, value: Any) -> Any:
    """A copy of the document with that value there."""
    other = copy.deepcopy(node)
    at(other, path[:-1])[path[-1]] = value
    return other
