"""Waiting for an event: no test fails because its machine is busy."""

import time
from collections.abc import Callable

# Only a hang takes this long, however busy the machine is.
HANG_SECONDS = 600


def until(holds: Callable[[], object], within_seconds: float = HANG_SECONDS) -> None:
    """Wait for something that another thread or process is about to bring about."""
    give_up = time.monotonic() + within_seconds
    while not holds():
        assert time.monotonic() < give_up, "it did not come to pass"
        time.sleep(0.05)
