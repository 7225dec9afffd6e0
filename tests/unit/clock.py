"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = int(datetime(2026, 11, 22, 9, 30, tzinfo=UTC).timestamp() * 1000)
        self.sleeps: list[float] = []

    def advance(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.advance(seconds)
