"""Reads the time to come back, in every form in which endpoints say it.

In this order: `retry-after-ms` (OpenAI, Azure), `Retry-After` in seconds or as an HTTP date
(RFC 9110), `retryDelay` and its like in the body (Google), "try again in 20s" in its words (OpenAI,
Groq, Azure), and at last the headers of rate limits that are used up (OpenAI, Groq, Anthropic,
OpenRouter), which are no promise and so never count for more than a minute.
"""

import math
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

MAX_HINT_SECONDS = 60.0

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhd])", re.IGNORECASE)
_IN_WORDS = re.compile(
    r"(?:try again|retry(?:ing)?|available again|wait|resets?)\s*(?:again\s*)?(?:in|after|for)?"
    r"\s*(?:about\s*)?((?:\d+(?:\.\d+)?\s*(?:ms|milliseconds?|s|sec(?:ond)?s?|m|min(?:ute)?s?"
    r"|h(?:our)?s?)(?![a-z])\s*)+)",
    re.IGNORECASE,
)
_BODY_KEYS = {
    **dict.fromkeys(("retrydelay", "retry_delay", "retry_after", "retryafter"), 1.0),
    **dict.fromkeys(("retry_after_seconds", "retry-after", "estimated_time"), 1.0),
    **dict.fromkeys(("retry_after_ms", "retryafterms"), 0.001),
}


def wait_seconds(headers: Mapping[str, str], body: Any = None, text: str = "") -> float | None:
    """The seconds to wait from now, or `None` where nothing says so."""
    named = {name.lower(): value for name, value in headers.items()}
    now = _epoch(named.get("date", "")) or time.time()
    ms = (_number(named.get(name), 0.001) for name in ("retry-after-ms", "x-ms-retry-after-ms"))
    for seconds in (*ms, _moment(named.get("retry-after"), now), _of_body(body), _of_words(text)):
        if seconds is not None:
            return seconds
    hints = [seconds for seconds in _used_up(named, now) if seconds is not None]
    return min(max(hints), MAX_HINT_SECONDS) if hints else None


def _number(value: Any, unit: float = 1.0) -> float | None:
    try:
        seconds = float(value) * unit
    except (TypeError, ValueError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _duration(text: str) -> float | None:
    """The seconds of "6m0s", "2m59.56s", "120ms", "36s"."""
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text).strip():
        return None
    return sum(float(count) * _UNITS[unit.lower()] for count, unit in parts)


def _epoch(text: str) -> float | None:
    """The moment of an HTTP date or an RFC 3339 timestamp."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
        except (TypeError, ValueError):
            continue
        if moment.tzinfo is not None:
            return moment.timestamp()
    return None


def _moment(value: Any, now: float) -> float | None:
    """Seconds from now of a number of seconds, a duration, a date, or an epoch in s or ms."""
    number = _number(value)
    if number is not None:
        if number > 1e11:
            number /= 1000
        return max(0.0, number - now) if number > 1e9 else number
    text = str(value or "")
    if (seconds := _duration(text)) is not None:
        return seconds
    epoch = _epoch(text)
    return None if epoch is None else max(0.0, epoch - now)


def _of_body(node: Any, depth: int = 0) -> float | None:
    if depth > 8:
        return None
    children = node.items() if isinstance(node, Mapping) else enumerate(node or ())
    for key, child in children if isinstance(node, Mapping | list) else ():
        unit = _BODY_KEYS.get(str(key).lower())
        seconds = None
        if unit is not None and isinstance(child, str | int | float) and child is not True:
            seconds = _number(child, unit)
            seconds = _duration(str(child)) if seconds is None else seconds
        elif isinstance(child, Mapping | list):
            seconds = _of_body(child, depth + 1)
        if seconds is not None:
            return seconds
    return None


def _of_words(text: str) -> float | None:
    found = _IN_WORDS.search(text)
    if not found:
        return None
    short = re.sub(r"(\d)\s*mil\w+", r"\1ms", found.group(1), flags=re.IGNORECASE)
    short = re.sub(r"(\d)\s*([smh])(ec|in|our)\w*", r"\1\2", short, flags=re.IGNORECASE)
    return _duration(short)


def _used_up(headers: Mapping[str, str], now: float) -> Iterator[float | None]:
    """The seconds until the used-up limits begin anew."""
    for name, value in headers.items():
        if "ratelimit" in name and "reset" in name:
            left = headers.get(name.replace("reset", "remaining"))
            if left is None or _number(left) == 0:
                yield _moment(value, now)
