"""The one place that reads the wall clock or sleeps on it, so that a test can move it."""

import time


def now_ms() -> int:
    """Milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def sleep(seconds: float) -> None:
    time.sleep(seconds)
