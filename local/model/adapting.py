"""A task's own `answer` for another request: what it shares with the `example` is replaced."""

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.model.places import leaves
from local.model.values import days_between, shifted
from simmer.task import AnyTask

type Json = dict[str, Any]

_SHORTEST_WORD = 2  # that is replaced within a text
_TELLING = 3  # characters of a value that can tell one item from another


@dataclass
class _Shared:
    """What was in the example, and what is in the request in its place."""

    words: dict[str, str] = field(default_factory=dict)
    lists: list[tuple[list[Any], list[Any]]] = field(default_factory=list)  # of texts
    items: list[tuple[list[Any], list[Any]]] = field(default_factory=list)  # of objects
    days: int = 0  # by which its first date is later


def adapted(task: AnyTask, request: Json) -> Json:
    """The task's `answer` with what it shares with the `example` taken from the request."""
    before = whole(task, dict(task.example))
    after = whole(task, request)
    shared = _Shared()
    _compare(before, after, shared)
    made: Json = _taken_over(copy.deepcopy(dict(task.answer)), before, after, shared)
    return made


def whole(task: AnyTask, request: Json) -> Json:
    """With the defaults, as the worker has it; a set as it was sent, or else sorted, for its own
    order differs from process to process."""
    asked = task.wire_model.model_validate_json(json.dumps(request))
    merged: Json = _merged(json.loads(asked.model_dump_json(by_alias=True)), request)
    return merged


def _merged(filled: Any, sent: Any) -> Any:
    match filled, sent:
        case dict(), dict():
            return {
                key: _merged(filled.get(key), sent.get(key))
                for key in dict.fromkeys([*sent, *filled])
                if (filled.get(key), sent.get(key)) != (None, None)
            }
        case list(), list() if len(filled) == len(sent) and any(isinstance(x, dict) for x in sent):
            return [_merged(*pair) for pair in zip(filled, sent, strict=True)]
        case list(), None if all(isinstance(each, str) for each in filled):
            return sorted(filled)
    return filled if sent is None else sent


def _compare(before: Any, after: Any, shared: _Shared) -> None:
    match before, after:
        case dict(), dict():
            for key in before.keys() & after.keys():
                _compare(before[key], after[key], shared)
        case list(), list() if before and after:
            if all(isinstance(each, str) for each in (*before, *after)):
                shared.lists.append((before, after))
            elif all(isinstance(each, dict) for each in (*before, *after)):
                shared.items.append((before, after))
            for i, each in enumerate(before):
                _compare(each, after[i % len(after)], shared)
        case str(), str() if before != after:
            shared.words.setdefault(before, after)
            shared.days = shared.days or days_between(before, after)


def _taken_over(node: Any, before: Json, after: Json, shared: _Shared, key: str = "") -> Any:
    match node:
        case dict():
            return {
                name: _taken_over(child, before, after, shared, name)
                for name, child in node.items()
            }
        case list():
            for old, new in shared.lists:
                if node and all(isinstance(each, str) and each in old for each in node):
                    return new if set(node) == set(old) else new[: len(node)]
            for old, new in shared.items:
                if len(old) == len(node) and all(map(_tells_of, node, old)):
                    return [_for(node, old, i, each) for i, each in enumerate(new)]
            return [_taken_over(child, before, after, shared) for child in node]
        case str():
            said = _reworded(node, shared.words)
            return said if said != node else shifted(node, shared.days)
        case _ if key in before and key in after and node == before[key]:
            return after[key]
    return node


def _tells_of(item: Any, asked: Json) -> bool:
    """Whether an item of the answer is about that item of the request: they share a value."""
    if not isinstance(item, dict):
        return False
    values = {str(value) for _, value in leaves(asked) if len(str(value)) >= _TELLING}
    return any(str(value) in values for _, value in leaves(item))


def _for(node: list[Any], old: list[Any], number: int, asked: Json) -> Any:
    """The answer's item for that item of the request."""
    like = number % len(node)
    shared = _Shared()
    _compare(old[like], asked, shared)
    return _taken_over(copy.deepcopy(node[like]), old[like], asked, shared)


def _reworded(text: str, words: Mapping[str, str]) -> str:
    if text in words:
        return words[text]
    found = sorted((each for each in words if len(each) >= _SHORTEST_WORD), key=len, reverse=True)
    if not found:
        return text
    pattern = "|".join(rf"\b{re.escape(each)}" for each in found)
    # Within a text nothing of a user's may be taken for markup.
    return re.sub(pattern, lambda hit: _spoken(words[hit[0]]), text)


def _spoken(text: str) -> str:
    return " ".join(re.sub(r"[<>&\[\]()`]", " ", text).split())
