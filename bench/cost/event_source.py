"""Lambda's event source mapping, as its developer guide describes it.

Without a batching window a poller that has a message invokes at once. No poller receives while as
many workers run as may. Here Lambda is always quicker than a worker that receives, too.
"""

import asyncio
from collections import Counter
from typing import Any

from bench.cost.deployed import Deployed
from tests.simulation.scenario import Schedule
from tests.simulation.workers import WorkerProcess

# A long poll that finds nothing, and how many of them go on for ever.
LONG_POLL_SECONDS, IDLE_POLLERS = 20.0, 5
# An environment that has had no call for so long is gone (AWS does not say; 5 to 15 minutes).
FORGOTTEN_SECONDS = 600.0


class EventSource:
    """Feeds real workers from the queue of a schedule."""

    def __init__(self, schedule: Schedule, deployed: Deployed, tally: Counter[str]) -> None:
        self._schedule = schedule
        self._loop = schedule.world.loop
        self._deployed = deployed
        self._tally = tally
        self._slots = asyncio.Semaphore(deployed.workers)
        self._idle: list[tuple[float, WorkerProcess]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        schedule.sqs.on_change = self._changed.set
        self.billed_seconds = 0.0

    async def run(self) -> None:
        """Poll for ever."""
        while True:
            await self._slots.acquire()
            while not (messages := self._receive(self._deployed.batch)):
                await self._wait()
            task = asyncio.create_task(self._invoke(messages))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _receive(self, at_most: int) -> list[Any]:
        next_at = self._schedule.sqs.next_visible_at(self._schedule.queue_url)
        if next_at is None or next_at > self._schedule.world.clock():
            return []
        received = self._schedule.sqs.receive_message(
            QueueUrl=self._schedule.queue_url, MaxNumberOfMessages=at_most
        )
        self._tally["sqs_requests"] += 1
        self._tally["sqs receive by Lambda"] += 1
        messages: list[Any] = received.get("Messages", [])
        return messages

    async def _wait(self) -> None:
        """Wait for a message that comes or comes back."""
        self._changed.clear()
        timer = None
        next_at = self._schedule.sqs.next_visible_at(self._schedule.queue_url)
        if next_at is not None:
            comes_in = next_at - self._schedule.world.clock()
            timer = self._loop.call_later(max(comes_in, 0.001), self._changed.set)
        await self._changed.wait()
        if timer:
            timer.cancel()

    async def _invoke(self, messages: list[Any]) -> None:
        now = self._loop.time()
        self._idle = [idle for idle in self._idle if now - idle[0] < FORGOTTEN_SECONDS]
        if self._idle:
            worker = self._idle.pop()[1]
        else:
            worker = WorkerProcess(self._schedule)
            self._tally["worker cold starts"] += 1
        lives = await worker.run(messages)
        self.billed_seconds += self._loop.time() - now
        self._tally["worker invocations"] += 1
        self._tally["sqs_requests"] += 1  # it deletes what the answer does not name as failed
        if lives:
            self._idle.append((self._loop.time(), worker))
        self._slots.release()
