"""An answer for any task: its own `answer`, brought to fit another request than its example.

What the answer shares with the example is taken from the request instead. If the task's `check` is
not content then, small changes are tried, each kept while there are no more complaints than before:
another number, another item, a longer list, a part of a result that polyfactory has made up.
"""

import copy
import hashlib
import json
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from local.model.made_up import made_up
from local.model.own import answer_of
from simmer.task import AnyTask

type Json = dict[str, Any]
type Path = tuple[str | int, ...]

TRIES = 3000
_A_TYPE_ERROR = 100  # worse than any number of complaints about the fit
_STEP_BACK = 0.1
_OF_A_LIST = 0.2
_SHORTEST_WORD = 2  # that is replaced within a text


def good_answer(task: AnyTask, request: Json) -> Json:
    """A result for the request, as JSON: plausible, the same each time, and fitting, if one that
    fits is found within `TRIES`; else the one with the fewest complaints."""
    if own := answer_of(task.name):
        return own(request)
    # Seeded, so that the same request gets the same answer from any process.
    canonical = json.dumps(request, sort_keys=True)
    chance = random.Random(hashlib.sha256(f"{task.name} {canonical}".encode()).digest())
    start = best = now = adapted(task, request)
    fewest = left_now = complaints(task, request, best)
    pieces: list[Json] = []
    for _ in range(TRIES):
        if not fewest:
            break
        if not pieces:
            pieces = [*made_up(task.result_model, chance), dict(task.answer)]
        changed = copy.deepcopy(now)
        for _ in range(chance.choice((1, 1, 2))):
            _change(changed, request, chance.choice(pieces), chance)
        left = complaints(task, request, changed)
        # A step back now and then: a longer list may need another sum.
        if left <= left_now or (left == left_now + 1 and chance.random() < _STEP_BACK):
            now, left_now = changed, left
        if left < fewest:
            best, fewest = changed, left
        elif left_now > fewest + 1:
            now, left_now = best, fewest
    return _taken_back(task, request, best, start)


def _taken_back(task: AnyTask, request: Json, best: Json, start: Json) -> Json:
    """Without the changes that were not needed."""
    fewest = complaints(task, request, best)
    for path in [path for path, _ in _leaves(best)]:
        try:
            before = _at(start, path)
        except (LookupError, TypeError):
            continue
        changed = copy.deepcopy(best)
        _at(changed, path[:-1])[path[-1]] = before
        if complaints(task, request, changed) <= fewest:
            best = changed
    return best


def complaints(task: AnyTask, request: Json, answer: Json) -> int:
    """How much is wrong with an answer; 0 if it would be delivered."""
    asked = task.wire_model.model_validate_json(json.dumps(request))
    try:
        result = task.result_model.model_validate_json(json.dumps(answer))
    except ValidationError as error:
        return _A_TYPE_ERROR * error.error_count()
    return len(task.check(asked, result))


# ── The task's own answer, for another request ────────────────────────────────────────────────────


def adapted(task: AnyTask, request: Json) -> Json:
    """The task's `answer` with what it shares with the `example` taken from the request."""
    before = _whole(task, dict(task.example))
    after = _whole(task, request)
    words: dict[str, str] = {}
    lists: list[tuple[list[Any], list[Any]]] = []
    _compare(before, after, words, lists)
    made: Json = _taken_over(copy.deepcopy(dict(task.answer)), before, after, words, lists)
    return made


def _whole(task: AnyTask, request: Json) -> Json:
    """With the defaults, as the worker has it."""
    asked = task.wire_model.model_validate_json(json.dumps(request))
    whole: Json = json.loads(asked.model_dump_json(by_alias=True, exclude_none=True))
    return whole


def _compare(before: Any, after: Any, words: dict[str, str], lists: list[Any]) -> None:
    match before, after:
        case dict(), dict():
            for key in before.keys() & after.keys():
                _compare(before[key], after[key], words, lists)
        case list(), list() if before and after:
            if all(isinstance(each, str) for each in (*before, *after)):
                lists.append((before, after))
            for i, each in enumerate(before):
                _compare(each, after[i % len(after)], words, lists)
        case str(), str() if before != after:
            words.setdefault(before, after)


def _taken_over(
    node: Any, before: Json, after: Json, words: dict[str, str], lists: list[Any], key: str = ""
) -> Any:
    match node:
        case dict():
            return {
                name: _taken_over(child, before, after, words, lists, name)
                for name, child in node.items()
            }
        case list():
            for old, new in lists:
                if node and all(each in old for each in node):
                    return new if set(node) == set(old) else new[: len(node)]
            return [_taken_over(child, before, after, words, lists) for child in node]
        case str():
            return _reworded(node, words)
        case _ if key in before and key in after and node == before[key]:
            return after[key]
    return node


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


# ── Small changes ─────────────────────────────────────────────────────────────────────────────────


def _change(answer: Json, request: Json, piece: Json, chance: random.Random) -> None:
    """Change one place of the answer, in place."""
    places = list(_places(answer))
    if not places:
        return
    lists = [path for path in places if isinstance(_at(answer, path), list)]
    path = chance.choice(lists if lists and chance.random() < _OF_A_LIST else places)
    holder = _at(answer, path[:-1])
    old = holder[path[-1]]
    if isinstance(old, list):
        _resize(old, request, chance)
        if chance.random() < 0.2:
            chance.shuffle(old)
        return
    values = [_at(request, place) for place in _places(request)]
    same_kind = [each for each in values if type(each) is type(old)]
    donated = [each for place, each in _leaves(piece) if _like(place, path) or type(each) is int]
    choices = [*same_kind, *(each for each in donated if type(each) is type(old))]
    if type(old) in (int, float):
        choices += [old - 1, old + 1, *_sums(answer), *_sums(answer)]
    if choices:
        holder[path[-1]] = chance.choice(choices)


def _resize(items: list[Any], request: Json, chance: random.Random) -> None:
    """Make the list as long as some number in the request, with variants of what it holds."""
    numbers = [each for _, each in _leaves(request) if type(each) is int and 0 < each <= 50]
    length = chance.choice([*numbers, len(items) + 1, max(1, len(items) - 1)])
    while len(items) > length:
        items.pop()
    kinds = list(items)
    for number in range(len(items), length if kinds else 0):
        items.append(_variant(kinds[number % len(kinds)], number + 1, items))


def _variant(item: Any, number: int, before: list[Any]) -> Any:
    """Another like it: with a number behind its first text, which is mostly its name, and counted
    on where the items are counted."""
    if isinstance(item, str):
        return f"{item} {number}"
    other = copy.deepcopy(item)
    if isinstance(other, dict):
        for key, child in other.items():
            if isinstance(child, str):
                other[key] = f"{child} {number}"
                break
        for key, child in other.items():
            if type(child) is int and [each.get(key) for each in before] == [*range(1, number)]:
                other[key] = number
    return other


def _sums(answer: Json) -> list[Any]:
    """How many items its lists have, and what the numbers in them come to: totals, mostly."""
    found: list[Any] = []
    for path in _places(answer):
        items = _at(answer, path)
        if isinstance(items, list):
            found.append(len(items))
            columns: dict[str, list[Any]] = {}
            for item in (each for each in items if isinstance(each, dict)):
                for key, value in item.items():
                    if type(value) in (int, float):
                        columns.setdefault(key, []).append(value)
            found += [round(sum(column), 2) for column in columns.values()]
    return found


def _places(node: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all that is in it, lists and what they hold, but not of the whole."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, child in pairs:
        if isinstance(child, dict | list):
            if isinstance(child, list):
                yield (*path, key)
            yield from _places(child, (*path, key))
        else:
            yield (*path, key)


def _leaves(node: Any) -> Iterator[tuple[Path, Any]]:
    for path in _places(node):
        if not isinstance(value := _at(node, path), list):
            yield path, value


def _like(one: Path, other: Path) -> bool:
    """The same field, whatever the item."""
    return [part for part in one if isinstance(part, str)] == [
        part for part in other if isinstance(part, str)
    ]


def _at(node: Any, path: Path) -> Any:
    for part in path:
        node = node[part]
    return node
