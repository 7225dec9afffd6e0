"""The messages of one invocation: those that Lambda brings, and more while the worker has room.

Without the second kind a job that finds all workers busy waits until the slowest job of somebody's
batch has ended; and a worker would run one or two jobs where it has room for thirty.

      Lambda   ──1─▶ ├── job ────────────────┤
                ──2─▶ ├── job ──────────────────────┤
      received        · · ──3─▶ ├── job ───────────────────┤
                          ·  ·  ·  ──4─▶ ├── job ────────┤
                     ├─ receives ────────┤                 ├ the invocation ends
"""

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import Any

from aws_lambda_powertools import Logger

from attempt import STAYS, Tools
from simmer.web.http import whereabouts
from worker import Worker

# By chance, for the workers of a busy minute start together: if all of them stopped together,
# nobody would receive until they end.
RECEIVES_FOR_SECONDS = (10.0, 60.0)
# What is received last has the time that the longest call may take, and this: for a receive, the
# claim and the writes after it.
AROUND_A_CALL_SECONDS = 10.0

logger = Logger(service="simmer", child=True)

type Record = Mapping[str, Any]


async def run_all(worker: Worker, records: Iterable[Record], function_ends_at: float) -> list[bool]:
    """Run Lambda's records, and what the worker receives meanwhile: whether each record is done.

    `function_ends_at` is in loop time.
    """
    running: set[asyncio.Task[bool]] = set()

    async def run(record: Record, *, is_hidden: bool) -> bool:
        try:
            return await worker.run_message(record, function_ends_at, is_hidden=is_hidden)
        except Exception as error:  # one message's bug is its own
            logger.error("message failed", extra=whereabouts(error))
            return STAYS

    def start(record: Record, *, is_hidden: bool = False) -> asyncio.Task[bool]:
        task = asyncio.create_task(run(record, is_hidden=is_hidden))
        running.add(task)
        task.add_done_callback(running.discard)
        return task

    brought = [start(record) for record in records]
    async for record in _received(worker.tools, running, function_ends_at):
        start(record, is_hidden=True)
    await asyncio.gather(*running, return_exceptions=True)
    return [not task.cancelled() and task.result() for task in brought]


async def _received(
    tools: Tools, running: Collection[asyncio.Task[bool]], function_ends_at: float
) -> AsyncIterator[Record]:
    """What comes for a while, as long as something is running and there is room beside it."""
    loop = asyncio.get_running_loop()
    call_seconds = max(rung.timeout_seconds for rung in tools.ladder)
    ends_at = min(
        loop.time() + random.uniform(*RECEIVES_FOR_SECONDS),
        function_ends_at - call_seconds - AROUND_A_CALL_SECONDS,
    )
    while running and loop.time() < ends_at:
        room = tools.settings.worker_jobs - len(running)
        if room <= 0:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            continue
        try:
            records = await asyncio.to_thread(tools.queue.receive, room, tools.visibility_seconds)
        except Exception as error:  # whatever it is, the jobs that run must come to their ends
            logger.warning("nothing received", extra=whereabouts(error))
            return
        for record in records:
            yield record
