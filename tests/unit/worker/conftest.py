import logging
from collections.abc import Iterator

import pytest

from tests.unit.clock import Clock
from tests.unit.cloud import Cloud
from tests.unit.worker.scene import Scene


class _Keeper(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.DEBUG)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """Everything that is logged at whatever level, by us or by a library, extras included."""
    kept: list[logging.LogRecord] = []
    root = logging.getLogger()
    level = root.level
    keeper = _Keeper(kept)
    root.addHandler(keeper)
    root.setLevel(logging.DEBUG)
    yield kept
    root.removeHandler(keeper)
    root.setLevel(level)


@pytest.fixture
def scene(cloud: Cloud, clock: Clock) -> Scene:
    return Scene(cloud, clock)
