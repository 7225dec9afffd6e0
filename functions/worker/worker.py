"""The worker takes messages in: each wakes it for one run of a job, and the claim says whose it is.

A message is *done* (and leaves the queue) when the job it speaks of has ended, has another message
that will bring it back, or needs none. In every other case the message stays: SQS shows it again
when its visibility ends, and the worker that receives it then finds the truth in the store.
"""

import asyncio
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger

from attempt import DONE, STAYS, Attempt, Message, Tools, is_over
from simmer import clock
from simmer.errors import DependencyUnavailable
from simmer.jobs.item import JobRefused
from simmer.jobs.job import CLOCK_SKEW_MS, Job, Lease
from simmer.jobs.queue import UnreadableMessage, Wakeup
from simmer.jobs.story import Event, tell

logger = Logger(service="simmer", child=True)


@dataclass(frozen=True, slots=True)
class Worker:
    """One process of the worker function; it lives on from batch to batch."""

    tools: Tools

    async def run_message(
        self, record: Mapping[str, Any], function_ends_at: float, *, is_hidden: bool = False
    ) -> bool:
        """Handle one SQS record; whether it is done. `function_ends_at` is in loop time, and
        `is_hidden` says that the message is hidden for no longer than a lease."""
        message = Message(
            message_id=record["messageId"],
            receipt_handle=record["receiptHandle"],
            queue=self.tools.queue,
            is_hidden=is_hidden,
        )
        receive_count = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
        is_done = await self._handle(record["body"], receive_count, message, function_ends_at)
        if is_done:
            await message.delete()
        return is_done

    async def _handle(
        self, body: str, receive_count: int, message: Message, function_ends_at: float
    ) -> bool:
        try:
            wakeup = Wakeup.parse(body)
        except UnreadableMessage:
            # The message comes back at once, until SQS puts it aside for a human.
            logger.error("unreadable message", extra={"messageId": message.message_id})
            await message.hide(0)
            return STAYS
        # Each message is a task of its own, and what this appends stays in it and its threads.
        logger.thread_safe_append_keys(jobId=wakeup.job_id, runId=wakeup.run_id)
        if not message.is_hidden:
            # For no longer than a lease: if this worker dies, another has the job soon.
            await message.hide(self.tools.visibility_seconds)
        try:
            job = await self._claim(wakeup, message, receive_count)
        except JobRefused as refused:
            return await self._not_claimed(refused.job, wakeup, message)
        except DependencyUnavailable:
            logger.warning("claim failed", extra={"jobId": wakeup.job_id})
            return STAYS
        return await Attempt(self.tools, job, message, function_ends_at).run()

    async def _claim(self, wakeup: Wakeup, message: Message, receive_count: int) -> Job:
        """The job, with a new lease on it, or `JobRefused`."""
        lease = Lease(
            token=uuid.uuid4().hex,
            expires_at_ms=self.tools.lease_end_ms(),
            message_id=message.message_id,
        )
        durations = await self.tools.books.durations(wakeup.task)
        now_ms = clock.now_ms()
        job = await asyncio.to_thread(
            self.tools.leases.claim, wakeup.job_id, wakeup.run_id, lease, now_ms, durations
        )
        _tell_claimed(job, now_ms, receive_count)
        return job

    async def _not_claimed(self, job: Job | None, wakeup: Wakeup, message: Message) -> bool:
        """Handle the message of a job that this worker may not run; True if the message is done."""
        if job is None or job.run_id != wakeup.run_id or job.status.is_terminal:
            return DONE
        if is_over(job):
            return await self._ended_by_time(job, message)
        if job.lease is not None and job.lease.message_id != message.message_id:
            return DONE  # the holder has a message of its own, which stays until it is through
        if job.lease is not None:
            # Our own message, shown again while its first reader still has the lease.
            left_ms = job.lease.expires_at_ms + CLOCK_SKEW_MS - clock.now_ms()
            await message.hide(max(1, math.ceil(left_ms / 1000)))
        return STAYS

    async def _ended_by_time(self, job: Job, message: Message) -> bool:
        """Nobody can complete the job any more: at its deadline the message has it failed."""
        left_ms = job.deadline_at_ms + CLOCK_SKEW_MS - clock.now_ms()
        if left_ms > 0:
            await message.hide(math.ceil(left_ms / 1000))
            return STAYS
        try:
            await asyncio.to_thread(self.tools.leases.expire, job, clock.now_ms())
        except DependencyUnavailable:
            return STAYS
        return DONE


def _tell_claimed(job: Job, claimed_at_ms: int, receive_count: int) -> None:
    """A run that was given back has a new message, so a message that comes again tells of a worker
    that did not come to an end."""
    if job.started_at_ms == claimed_at_ms:
        queue_seconds = (claimed_at_ms - job.created_at_ms) / 1000
        tell(Event.CLAIMED, job, receiveCount=receive_count, queueSeconds=queue_seconds)
    else:
        event = Event.TAKEN_OVER if receive_count > 1 else Event.CLAIMED
        tell(event, job, receiveCount=receive_count)
