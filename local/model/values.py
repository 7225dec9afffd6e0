"""Values that a place in an answer could have: from the request, the complaint, the answer."""

import random
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import Any

from local.model.places import at, leaves, places

type Json = dict[str, Any]
type Change = Callable[[Any], Any]

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})T([\d:.]+)(Z|[+-]\d{2}:\d{2})?")
_SPAN = re.compile(r"(-?)(?:(\d+) days?, )?(\d{1,2}):(\d{2})(?::\d{2})?")
# Of a line such as `Oat milk x2  5.00`: what comes before the last amount.
_BEFORE_AMOUNT = re.compile(r"(.*?[^\W\d_].*?)[\s:x×*-]*[-+]?[\d.,]+\D{0,3}$")
_LONGEST = 120
_DAY_MINUTES = 24 * 60


def numbers_in(text: str) -> list[Any]:
    return [float(each) if "." in each else int(each) for each in _NUMBER.findall(text)]


def for_number(old: Any, said: str, request: Json, answer: Json) -> list[Change]:
    """Ways to another number; the complaint's own come first and more than once."""
    told = numbers_in(said)
    apart = [one - other for one in told[:4] for other in told[:4] if one != other]
    asked = [each for _, each in leaves(request) if type(each) in (int, float)]
    ways: list[Change] = [_set_to(each) for each in (*told, *told, *asked, *_sums(answer), 0)]
    ways += [_added(each) for each in (*apart, *apart, -1, 1, -5, 5)]
    ways += [_times(each) for each in (0.5, 2, 3)]
    ways += [_times(one / other) for one in told[:3] for other in told[:3] if other and one]
    fractions = [_set_to(each) for each in told if type(each) is float]
    return [*(_as_type(way, type(old)) for way in ways), *fractions]


def _set_to(value: Any) -> Change:
    return lambda _: value


def _added(value: Any) -> Change:
    return lambda old: old + value


def _times(value: float) -> Change:
    return lambda old: old * value


def _as_type(way: Change, kind: type) -> Change:
    """A whole number stays one, but where a fraction is told; others have two places, as money."""

    def change(old: Any) -> Any:
        value = round(way(old), 2)
        return value if kind is float or isinstance(value, int) else int(value)

    return change


def _sums(answer: Json) -> Iterator[Any]:
    """How many items its lists have, and what the numbers in them come to: totals, mostly."""
    for path in places(answer):
        held = at(answer, path)
        if isinstance(held, dict):
            numbers = [each for each in held.values() if type(each) in (int, float)]
            if len(numbers) > 1:
                yield round(sum(numbers), 2)
        if not isinstance(held, list):
            continue
        yield len(held)
        columns: dict[str, list[Any]] = {}
        for item in (each for each in held if isinstance(each, dict)):
            for key, value in item.items():
                if type(value) in (int, float):
                    columns.setdefault(key, []).append(value)
        yield from [round(sum(column), 2) for column in columns.values()] * 4
        if len(columns) > 1:
            yield round(sum(map(sum, columns.values())), 2)


def for_text(old: str, said: str, request: Json, fixed: list[str], answer: Json) -> list[Change]:
    """Ways to another text: a date stays one, one of a few values stays one of these."""
    if ways := list(_for_time(old, said, request, answer)):
        return ways
    if old in fixed:
        return [_set_to(each) for each in fixed]
    asked = [each for _, each in leaves(request) if isinstance(each, str)]
    short = [each for each in asked if len(each) <= _LONGEST]
    told = [each for part in re.findall(r"[\"'“«]([^\"'”»]+)", said) for each in (part,)]
    told += [part.strip() for part in re.split(r"must be|[,:]", said)[1:] if part.strip()]
    parts = [part for each in asked for part in segments(each)]
    ways = [_set_to(each) for each in (*told, *short, *parts, *parts)]
    return ways + [_appended(each) for each in (*short, *told)]


def _appended(text: str) -> Change:
    return lambda old: f"{old} {text}"


def segments(text: str) -> list[str]:
    """What could be copied from a text: its lines, what they say before an amount, its words."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [line for line in lines if len(line) <= _LONGEST]
    found += [hit[1].strip() for line in lines if (hit := _BEFORE_AMOUNT.match(line))] * 3
    return found if len(lines) > 1 else [*found, *text.split()[:20]]


def _for_time(old: str, said: str, request: Json, answer: Json) -> Iterator[Change]:
    """Ways to another date, or point in time; none if it is neither."""
    whole = _DATE_TIME.fullmatch(old)
    if not whole and not _DATE.fullmatch(old):
        return
    asked = [each for _, each in leaves(request) if isinstance(each, str)]
    there = [each for _, each in leaves(answer) if isinstance(each, str)]
    dates = [hit for text in (said, said, *asked, *there) for hit in _DATE.findall(text)]
    for day in dates:
        yield _on(day)
    for days in (-1, 1):
        yield partial(shifted, days=days)
    if not whole:
        return
    for text in (*asked, *there):
        if _DATE_TIME.fullmatch(text):
            yield _set_to(text)
    minutes = [each for _, each in leaves(request) if type(each) is int and abs(each) <= 14 * 60]
    spans = [_minutes(hit) for hit in _SPAN.finditer(said)]
    for offset in (*minutes, *spans, *spans):
        yield _at_offset(offset)
    for hours in (-2, -1, 1, 2):
        yield partial(_later, hours=hours)


def _minutes(span: re.Match[str]) -> int:
    """Of a timedelta as Python writes it: `-1 day, 21:00:00` are -180."""
    sign, days, hours, minutes = span.groups()
    whole_days = int(days or 0) * (-1 if sign else 1)
    return whole_days * _DAY_MINUTES + int(hours) * 60 + int(minutes)


def _on(day: str) -> Change:
    return lambda text: f"{day}{text[10:]}"


def _at_offset(minutes: int) -> Change:
    """With the same time on the clock."""

    def change(text: str) -> str:
        try:
            at_offset = datetime.fromisoformat(text).replace(
                tzinfo=timezone(timedelta(minutes=minutes))
            )
        except ValueError:
            return text
        return at_offset.isoformat()

    return change


def _later(text: str, hours: int) -> str:
    try:
        return (datetime.fromisoformat(text) + timedelta(hours=hours)).isoformat()
    except (ValueError, OverflowError):
        return text


def days_between(one: str, other: str) -> int:
    """From a date, or point in time, to another; 0 if either is neither."""
    try:
        return (date.fromisoformat(other[:10]) - date.fromisoformat(one[:10])).days
    except ValueError:
        return 0


def shifted(text: str, days: int) -> str:
    """A date, or point in time, that many days later; any other text as it is."""
    if not (_DATE.fullmatch(text) or _DATE_TIME.fullmatch(text)):
        return text
    try:
        moved = date.fromisoformat(text[:10]) + timedelta(days=days)
    except (ValueError, OverflowError):
        return text
    return f"{moved.isoformat()}{text[10:]}"


def for_list(request: Json, chance: random.Random) -> Iterator[list[Any]]:
    """Lists of the request, and parts of them."""
    for path in places(request):
        held = at(request, path)
        if isinstance(held, list) and held:
            yield held
            yield held[: chance.randint(1, len(held))]
