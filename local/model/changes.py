"""Small changes of an answer, where a complaint points and with what it says."""

import copy
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from local.model.adapting import whole
from local.model.places import Path, alike, at, leaves, place_of, places
from local.model.values import Change, for_list, for_number, for_text, numbers_in, shifted
from simmer.task import AnyTask
from simmer.task.schema import wire_schema

type Json = dict[str, Any]

_AS_TOLD = 0.8  # of the changes are made where a complaint points
_EVERYWHERE = 0.35  # of the changes are made in all items alike
_OF_THE_HOLDER = 0.3
_LEFT_OUT = 0.1
_OF_WHAT_IS_NAMED = 0.3
_LONGEST_LIST = 50
_FREE_TEXT = re.compile(r"[^\W\d_][\w ,.'’-]*")


class Changes:
    """Changes for one request. `pieces` are further results of the task, to take from."""

    def __init__(self, task: AnyTask, request: Json, chance: random.Random) -> None:
        self.pieces: Sequence[Json] = []
        self._request = whole(task, request)
        self._chance = chance
        self._fixed = [each for each in _values(wire_schema(task.result_model)) if each]

    def of(self, answer: Json, complaints: Sequence[str]) -> Json:
        """A copy of the answer with one to three things changed."""
        changed = copy.deepcopy(answer)
        for _ in range(self._chance.choice((1, 1, 1, 2, 3))):
            place: Path = ()
            said = ""
            if complaints and self._chance.random() < _AS_TOLD:
                place, said = place_of(self._chance.choice(complaints))
            self._change(changed, place, said)
        return changed

    def _change(self, answer: Json, place: Path, said: str) -> None:
        everywhere = list(places(answer))
        near = [path for path in everywhere if path[: len(place)] == place]
        if not near and place:  # what it points at is not there, but its holder may be
            near = [path for path in everywhere if path == place[:-1]]
            self._fill(answer, place)
        if not everywhere:
            return
        named = [path for path in everywhere if _is_named(path, said)] if said else []
        if named and self._chance.random() < _OF_WHAT_IS_NAMED:
            path = self._chance.choice(named)
        elif place and near:
            path = near[0] if self._chance.random() < _OF_THE_HOLDER else self._chance.choice(near)
        else:
            path = self._any_place(answer)
        held = at(answer, path)
        match held:
            case list():
                self._change_list(held, path, said)
            case dict() if path and self._chance.random() < _LEFT_OUT:
                del at(answer, path[:-1])[path[-1]]
            case dict():
                self._change_object(held, path)
            case _:
                self._change_leaf(answer, path, said)

    def _any_place(self, answer: Json) -> Path:
        """The shallower the likelier."""
        path: Path = ()
        while isinstance(held := at(answer, path), dict | list) and held:
            path += (
                self._chance.choice(list(held) if isinstance(held, dict) else range(len(held))),
            )
            if self._chance.random() < _OF_THE_HOLDER:
                break
        return path

    # ── Objects ──────────────────────────────────────────────────────────────────────────────────

    def _change_object(self, held: Json, path: Path) -> None:
        if held and self._chance.random() < 0.4:
            del held[self._chance.choice(list(held))]
            return
        others = [each for piece in self.pieces for each in _objects(piece, path)]
        others += [each for _, each in _all_objects(self._request) if each.keys() & held.keys()]
        if others:
            other = self._chance.choice(others)
            key = self._chance.choice(list(other) or [""])
            if key in other:
                held[key] = copy.deepcopy(other[key])

    def _fill(self, answer: Json, place: Path) -> None:
        """Write what is missing there, from a piece or the request."""
        try:
            holder = at(answer, place[:-1])
        except (LookupError, TypeError):
            return
        if isinstance(holder, dict) and isinstance(place[-1], str):
            sources = [(path, each) for piece in self.pieces for path, each in _all(piece)]
            found = [each for path, each in sources if alike(path, place)]
            found += [each for path, each in _all(self._request) if path[-1] == place[-1]]
            found = self._of_that_item(place) or found
            if found:
                holder[place[-1]] = copy.deepcopy(self._chance.choice(found))

    def _of_that_item(self, place: Path) -> list[Any]:
        """What the request has under that name in its item of the same number."""
        numbers = [part for part in place if isinstance(part, int)]
        return [
            each
            for path, each in _all(self._request)
            if numbers and path[-1] == place[-1] and numbers == [*filter(_is_index, path)]
        ]

    # ── Lists ────────────────────────────────────────────────────────────────────────────────────

    def _change_list(self, held: list[Any], path: Path, said: str) -> None:
        taken = [each for piece in self.pieces for each in _lists(piece, path)]
        match self._chance.randrange(6):
            case 0 if held:
                moved = held.pop(self._chance.randrange(len(held)))
                held.insert(self._chance.choice((0, len(held))), moved)
            case 1 if held:
                del held[self._chance.randrange(len(held))]
            case 2 if taken:
                held.insert(
                    self._chance.randrange(len(held) + 1),
                    copy.deepcopy(self._chance.choice(self._chance.choice(taken))),
                )
            case 3 if not any(isinstance(each, dict) for each in held):
                lists = list(for_list(self._request, self._chance))
                held[:] = self._chance.choice(lists) if lists else held
            case _:
                self._resize(held, said)

    def _resize(self, items: list[Any], said: str) -> None:
        """Make the list as long as a number in the complaint or the request says, or as a list
        there is, with variants of what it holds."""
        asked = [each for _, each in _all(self._request)]
        lengths = [each for each in numbers_in(said) if type(each) is int] * 3
        lengths += [each for each in asked if type(each) is int]
        lengths += [len(each) for each in asked if isinstance(each, list)]
        lengths += [len(items) + 1] * 3 + [len(items) - 1]
        length = self._chance.choice([each for each in lengths if 0 <= each <= _LONGEST_LIST])
        del items[length:]
        while items and len(items) < length:
            items.append(self._variant(items, len(items) + 1))

    def _variant(self, items: list[Any], number: int) -> Any:
        """Another like the last one: a day later, with a number behind its name, and counted on
        where the items are counted."""
        other = copy.deepcopy(items[-1])
        if isinstance(other, str):
            return f"{re.sub(r' \d+$', '', other)} {number}"
        if not isinstance(other, dict):
            return other
        for path, value in list(leaves(other)):
            if isinstance(value, str):
                at(other, path[:-1])[path[-1]] = shifted(value, 1)
        for key, child in other.items():
            if isinstance(child, str) and child not in self._fixed and _FREE_TEXT.fullmatch(child):
                other[key] = f"{re.sub(r' \d+$', '', child)} {number}"
                break
        for key, child in other.items():
            if type(child) is int and [each.get(key) for each in items] == [*range(1, number)]:
                other[key] = number
        return other

    # ── Texts and numbers ────────────────────────────────────────────────────────────────────────

    def _change_leaf(self, answer: Json, path: Path, said: str) -> None:
        holder, key = at(answer, path[:-1]), path[-1]
        if isinstance(holder, dict) and self._chance.random() < _LEFT_OUT:
            del holder[key]
            return
        old = holder[key]
        ways = self._ways(old, said, answer)
        donated = [
            each
            for piece in self.pieces
            for place, each in leaves(piece)
            if alike(place, path) and type(each) is type(old)
        ]
        if donated and (not ways or self._chance.random() < 0.2):
            value = self._chance.choice(donated)
            ways = [lambda _: value]
        if not ways:
            return
        if (of_item := self._of_that_item(path)) and self._chance.random() < _OF_WHAT_IS_NAMED:
            ways = [lambda _: of_item[0]]
        way = self._chance.choice(ways)
        targets = [path]
        if self._chance.random() < _EVERYWHERE:
            kin = self._chance.choice((alike, _is_of_that_name, _is_number(old)))
            targets = [each for each, _ in leaves(answer) if kin(each, path)]
        for target in targets:
            there = at(answer, target)
            if type(there) is type(old):
                at(answer, target[:-1])[target[-1]] = way(there)

    def _ways(self, old: Any, said: str, answer: Json) -> list[Change]:
        match old:
            case bool():
                return [lambda value: not value]
            case int() | float():
                return for_number(old, said, self._request, answer)
            case str():
                return for_text(old, said, self._request, self._fixed, answer)
        return []


def _is_index(part: str | int) -> bool:
    return isinstance(part, int)


def _is_named(path: Path, said: str) -> bool:
    """Whether a complaint speaks of that field, or of what holds it."""
    words = {word.lower().rstrip("s") for word in re.findall(r"[A-Za-z]{3,}", said)}
    return any(isinstance(part, str) and part.lower().rstrip("s") in words for part in path[-2:])


def _is_of_that_name(one: Path, other: Path) -> bool:
    """At any depth, for models that hold themselves."""
    return one[-1] == other[-1]


def _is_number(value: Any) -> Callable[[Path, Path], bool]:
    """All numbers, so that what adds up still does when each is halved."""
    is_number = type(value) in (int, float)
    return lambda one, other: is_number or alike(one, other)


def _values(node: Any) -> Iterator[str]:
    """The texts that a schema lists."""
    if isinstance(node, dict):
        listed = node.get("enum", [node.get("const")])
        if isinstance(listed, list):
            yield from (each for each in listed if isinstance(each, str))
    if isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _values(child)


def _all(node: Any) -> Iterator[tuple[Path, Any]]:
    return ((path, at(node, path)) for path in places(node))


def _all_objects(node: Any) -> Iterator[tuple[Path, Json]]:
    yield (), node
    yield from ((path, each) for path, each in _all(node) if isinstance(each, dict))


def _objects(piece: Json, path: Path) -> Iterator[Json]:
    return (each for place, each in _all_objects(piece) if alike(place, path))


def _lists(piece: Json, path: Path) -> Iterator[list[Any]]:
    return (
        each
        for place, each in _all(piece)
        if isinstance(each, list) and each and alike(place, path)
    )
