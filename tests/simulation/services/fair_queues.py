"""Fair queues, as SQS makes of a standard queue whose messages have group ids.

Of AWS's two measures (SQS developer guide, "How Amazon SQS fair queues work") the first: a group
with more than a tenth of all messages in flight, and at least 30 of its own, is noisy. Its messages
come after those of quiet groups until its backlog is gone, or until it has sent nothing for five
minutes. The second, a share of the recent processing time, is left out, for how recent is not said:
the real queue is noisy to a slow group sooner.
"""

from collections import Counter
from collections.abc import Collection
from typing import Protocol

SHARE_IN_FLIGHT = 0.10
LEAST_IN_FLIGHT = 30
QUIET_AFTER_SECONDS = 300.0


class Grouped(Protocol):
    """What is looked at of a message."""

    visible_at: float
    group_id: str | None
    receive_count: int


class NoisyGroups:
    """The groups of one queue that have taken more than their share."""

    def __init__(self) -> None:
        self._noisy: set[str] = set()
        self._in_flight: Counter[str | None] = Counter()
        self._sent_at: dict[str, float] = {}

    def sent(self, group: str | None, now: float) -> None:
        """A message of that group was sent."""
        if group is not None:
            self._sent_at[group] = now

    def last[M: Grouped](self, visible: list[M], now: float) -> list[M]:
        """The visible messages in their order, but those of noisy groups after the others; of
        these the group with the fewest in flight first."""
        quiet_since = now - QUIET_AFTER_SECONDS
        self._noisy = {group for group in self._noisy if self._sent_at[group] > quiet_since}
        if not self._noisy:
            return visible

        def place(message: M) -> int:
            group = message.group_id
            return 1 + self._in_flight[group] if group in self._noisy else 0

        return sorted(visible, key=place)

    def look(self, messages: Collection[Grouped], now: float) -> None:
        """See who is noisy now, by all messages of the queue."""
        self._in_flight = Counter(
            message.group_id
            for message in messages
            if message.receive_count and message.visible_at > now
        )
        self._noisy &= {message.group_id for message in messages}
        total = self._in_flight.total()
        for group, count in self._in_flight.items():
            if group and count >= LEAST_IN_FLIGHT and count > SHARE_IN_FLIGHT * total:
                self._noisy.add(group)
