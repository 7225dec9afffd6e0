"""When to come back, in every form in which endpoints say it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from providers.waits import wait_seconds

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DATE = {"Date": format_datetime(NOW, usegmt=True)}
IN_90_S = NOW + timedelta(seconds=90)


def google(delay: str) -> list[Any]:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    return [{"error": {"code": 429, "details": [{"violations": [{"limit": 5}]}, info]}}]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "5"}, 5),
        ({"Retry-After": "0"}, 0),
        ({"retry-after": "7.5"}, 7.5),
        ({"retry-after": "20s"}, 20),
        ({"retry-after": format_datetime(IN_90_S, usegmt=True), **DATE}, 90),
        ({"retry-after": format_datetime(NOW, usegmt=True), **DATE}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        # Limits that are used up: OpenAI, Groq, OpenRouter, Anthropic. At most a minute.
        ({"x-ratelimit-reset-requests": "120ms", "x-ratelimit-remaining-requests": "0"}, 0.12),
        ({"x-ratelimit-reset-tokens": "7.66s", "x-ratelimit-remaining-tokens": "0"}, 7.66),
        ({"x-ratelimit-reset-tokens": "7.66s", "x-ratelimit-remaining-tokens": "9"}, None),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-requests": "0"}, 60),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp() * 1000) + 30_000), **DATE}, 30),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) + 30), **DATE}, 30),
        ({"anthropic-ratelimit-tokens-reset": "2026-11-25T12:00:40Z", **DATE}, 40),
        (
            {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "12s",
                "x-ratelimit-remaining-tokens": "0",
            },
            12,
        ),
        ({"x-ratelimit-reset-tokens": "6s", "retry-after": "2"}, 2),
    ],
)
def test_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_seconds(headers) == (None if seconds is None else pytest.approx(seconds, abs=0.01))


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (google("36s"), 36),
        (google("36.871s"), 36.871),
        (google("soon"), None),
        ({"error": {"metadata": {"retry_after_seconds": 12}}}, 12),
        ({"error": {"retry_after": "1m30s"}}, 90),
        ({"retry_after_ms": 2500}, 2.5),
        ({"error": "loading", "estimated_time": 20.0}, 20),
        ({"retry_after": True, "error": {"retry_after": None}}, None),
        (None, None),
        ("retry_after", None),
        ([[["retry_after"]]], None),
    ],
)
def test_bodies(body: Any, seconds: float | None) -> None:
    assert wait_seconds({}, body) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit reached: Limit 200, Used 198. Please try again in 20s. Visit us.", 20),
        ("Please try again in 7m12s.", 432),
        ("Please try again in 350ms", 0.35),
        ("Please try again in 1.5 seconds.", 1.5),
        ("Rate limit is exceeded. Try again in 26 seconds.", 26),
        ("Please retry after 6 seconds.", 6),
        ("Please retry in 36.871523s.", 36.871523),
        ("retry after 250 milliseconds", 0.25),
        ("Wait for 2 minutes, please", 120),
        ("Please wait 1 min", 60),
        ("Please try again later.", None),
        ("Try again in a while; 20s of audio", None),
        ("wait", None),
    ],
)
def test_words(text: str, seconds: float | None) -> None:
    assert wait_seconds({}, None, text) == (None if seconds is None else pytest.approx(seconds))


def test_a_header_comes_before_the_body_and_the_body_before_words() -> None:
    words = "try again in 3s"
    assert wait_seconds({"retry-after": "1"}, google("2s"), words) == 1
    assert wait_seconds({"x-ratelimit-reset": "9"}, google("2s"), words) == 2
    assert wait_seconds({"x-ratelimit-reset": "9"}, {}, words) == 3
