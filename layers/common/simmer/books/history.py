"""The durations of recent jobs, for callers that must not wait for the table."""

from collections.abc import Mapping, Sequence

from aws_lambda_powertools import Logger

from simmer import clock
from simmer.books.ledger import Ledger, day_of, durations_of
from simmer.errors import DependencyUnavailable

HISTORY_MAX_AGE_SECONDS = 60

logger = Logger(service="simmer", child=True)


class History:
    """The ledger's entries for the models of the ladder, read once a minute.

    When a reading fails, the last one stays in use, and the next try comes a minute later.
    """

    def __init__(self, ledger: Ledger, models: Sequence[str]) -> None:
        self._ledger = ledger
        self._models = models
        self._read: dict[tuple[str, int], tuple[int, Mapping[str, str]]] = {}  # when, and what

    def durations(self, task: str, parts: int) -> Mapping[str, str]:
        """Those of the task's jobs of so many parts, as a job keeps them; empty while nothing is
        known."""
        now_ms = clock.now_ms()
        read_at_ms, durations = self._read.get((task, parts), (None, {}))
        if read_at_ms is None or now_ms - read_at_ms >= HISTORY_MAX_AGE_SECONDS * 1000:
            try:
                recent = self._ledger.recent(task, self._models, day_of(now_ms))
                durations = durations_of(task, recent, parts)
            except DependencyUnavailable:
                logger.warning("ledger not read")
            self._read[task, parts] = now_ms, durations
        return durations
