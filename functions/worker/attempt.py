"""One worker's run at one job: claim, climb the ladder with a beating heart, write the end.

A message is *done* (and leaves the queue) when the job it speaks of has ended, has another message
that will bring it back, or needs none. In every other case it stays: SQS shows it again when its
visibility ends, and whoever gets it then finds the truth in the store.
"""

import asyncio
import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger

from books import Books
from climb import BudgetSpent, Climb, Completed, Failed, NoCapacity, Outcome, OutOfTime
from ladder import Ladder
from provider import Provider
from simmer import clock
from simmer.errors import DependencyUnavailable
from simmer.job import CLOCK_SKEW_MS, LAST_WRITE_MS, ErrorCode, Job, Lease, Usage
from simmer.job_queue import JobQueue, UnreadableMessage, Wakeup
from simmer.job_store import JobStore, LeaseLost, NotClaimed
from simmer.progress import takes_longer_than_usual
from simmer.settings import WorkerSettings

# Below this a call is not worth starting: no model writes a whole answer faster.
MIN_CALL_SECONDS = 2.0
# Kept back from the function's time-out, and from the last moment at which an end may be written,
# for the writes after the call.
WRITE_MARGIN_SECONDS = 5.0
# How long to try to write an end that DynamoDB will not take, before the message must do.
WRITE_TRIES = 6
# What was spent on a job that is gone is in the ledger anyhow: no long wait for it.
SETTLE_PAUSES_SECONDS = (0.0, 0.5, 1.0)

DONE, STAYS = True, False

logger = Logger(service="simmer", child=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What every attempt of this function needs."""

    store: JobStore
    queue: JobQueue
    ladder: Ladder
    provider: Provider
    settings: WorkerSettings
    books: Books

    async def run_message(self, record: Mapping[str, Any], function_ends_at: float) -> bool:
        """Handle one SQS record; whether it is done. `function_ends_at` is in loop time."""
        message_id, receipt_handle = record["messageId"], record["receiptHandle"]
        try:
            wakeup = Wakeup.parse(record["body"])
        except UnreadableMessage:
            # Back at once, until SQS has had enough of it and puts it aside for a human.
            logger.error("unreadable message", extra={"messageId": message_id})
            await self._hide(receipt_handle, 0)
            return STAYS
        # Hidden for no longer than a lease: if this worker dies, another has the job soon.
        await self._hide(receipt_handle, self._visibility_seconds)
        lease = Lease(
            token=uuid.uuid4().hex,
            expires_at_ms=self._lease_end_ms(),
            message_id=message_id,
        )
        durations = await self.books.durations()
        try:
            job = await asyncio.to_thread(
                self.store.claim, wakeup.job_id, wakeup.run_id, lease, clock.now_ms(), durations
            )
        except NotClaimed as refused:
            return await self._not_claimed(refused.job, wakeup, message_id, receipt_handle)
        except DependencyUnavailable:
            logger.warning("claim failed", extra={"jobId": wakeup.job_id})
            return STAYS
        receive_count = record.get("attributes", {}).get("ApproximateReceiveCount")
        logger.info("job claimed", extra={"jobId": job.job_id, "receiveCount": receive_count})
        return await self._run(job, receipt_handle, function_ends_at)

    async def _not_claimed(
        self, job: Job | None, wakeup: Wakeup, message_id: str, receipt_handle: str
    ) -> bool:
        if job is None or job.run_id != wakeup.run_id or _is_over(job):
            return DONE
        if job.lease is not None and job.lease.message_id != message_id:
            return DONE  # the holder has a message of its own, which stays until it is through
        if job.lease is not None:
            # Our own message, shown again while its first reader still has the lease.
            left_ms = job.lease.expires_at_ms + CLOCK_SKEW_MS - clock.now_ms()
            await self._hide(receipt_handle, max(1, math.ceil(left_ms / 1000)))
        return STAYS

    async def _run(self, job: Job, receipt_handle: str, function_ends_at: float) -> bool:
        """The job is ours for as long as the heartbeat says so."""
        climb = Climb(
            ladder=self.ladder,
            provider=self.provider,
            job=job,
            seconds_for_a_call=lambda: _seconds_for_a_call(job, function_ends_at),
            budget=self.books.budget,
        )
        climbing = asyncio.create_task(climb.run())
        beating = asyncio.create_task(self._beat(job, receipt_handle))
        try:
            await asyncio.wait((climbing, beating), return_when=asyncio.FIRST_COMPLETED)
            if climbing.done():
                return await self._conclude(climb, climbing, receipt_handle)
            return beating.result()
        finally:
            # Cancelling a climb closes its connection, so that the provider may stop writing.
            for task in (climbing, beating):
                task.cancel()
            await asyncio.wait((climbing, beating))
            # What was spent was spent, whether or not the job is still ours to write to.
            if climb.job is job:
                await self._settle(climb)
            await self.books.record(climb.job, climb.usage_by_model, climb.answered_by)

    async def _beat(self, job: Job, receipt_handle: str) -> bool:
        """Keep lease and message ours; returns when the lease is lost: whether that is the end."""
        lease_ends_at_ms = job.lease.expires_at_ms if job.lease else 0
        pause_seconds = float(self.settings.heartbeat_seconds)
        is_slow = False
        while True:
            await asyncio.sleep(pause_seconds)
            next_end_ms = self._lease_end_ms()
            try:
                await asyncio.to_thread(self.store.heartbeat, job, next_end_ms)
            except LeaseLost as lost:
                logger.info("lease lost", extra={"jobId": job.job_id})
                return DONE if lost.job is None or _is_over(lost.job) else STAYS
            except DependencyUnavailable:
                if clock.now_ms() >= lease_ends_at_ms:
                    return STAYS  # for all we know somebody else has it now
                pause_seconds = 1.0
                continue
            lease_ends_at_ms = next_end_ms
            pause_seconds = float(self.settings.heartbeat_seconds)
            await self._hide(receipt_handle, self._visibility_seconds)
            if not is_slow and takes_longer_than_usual(job, clock.now_ms()):
                is_slow = True  # said once an attempt; many of them are an alarm
                logger.warning("job slow", extra={"jobId": job.job_id})

    async def _conclude(
        self, climb: Climb, climbing: "asyncio.Task[Outcome]", receipt_handle: str
    ) -> bool:
        """Write down what the climb came to."""
        job = climb.job
        try:
            outcome = climbing.result()
        except OutOfTime:
            outcome = Failed(ErrorCode.DEADLINE_EXCEEDED)
            if _seconds_to_deadline(job) >= MIN_CALL_SECONDS:  # so it is the function that ends
                outcome = NoCapacity(delay_seconds=0)
        except BudgetSpent:
            outcome = Failed(ErrorCode.BUDGET_EXCEEDED)
        except Exception as error:
            logger.error(
                "attempt failed", extra={"jobId": job.job_id, "type": type(error).__name__}
            )
            outcome = Failed(ErrorCode.INTERNAL)
        if isinstance(outcome, NoCapacity):
            if outcome.delay_seconds + MIN_CALL_SECONDS < _seconds_to_deadline(job):
                return await self._give_back(climb, outcome.delay_seconds, receipt_handle)
            # There will be no room before the deadline: say so now, not then.
            outcome = Failed(ErrorCode.MODEL_UNAVAILABLE)
        retention_seconds = self.settings.retention_seconds
        if isinstance(outcome, Completed):
            end = partial(self.store.complete, job, outcome.result)
        else:
            end = partial(self.store.fail, job, outcome.error_code)
        return await self._write(
            climb,
            lambda: end(climb.usage, retention_seconds=retention_seconds, now_ms=clock.now_ms()),
        )

    async def _give_back(self, climb: Climb, delay_seconds: int, receipt_handle: str) -> bool:
        """Release the job and send a new message for it, so that the old one's receive count,
        which is for crashes, does not grow by this."""
        released = await self._write(
            climb,
            lambda: self.store.release(
                climb.job,
                climb.usage,
                first_rung=climb.rung,
                awaits_capacity=delay_seconds > 0,
            ),
        )
        if released is STAYS:
            return STAYS
        try:
            await asyncio.to_thread(self.queue.send, climb.job, delay_seconds)
        except DependencyUnavailable:
            await self._hide(receipt_handle, delay_seconds)  # then the old one must do
            return STAYS
        return DONE

    async def _write(self, climb: Climb, write: Callable[[], Job]) -> bool:
        """Try until the store took it (and keep the job as it is then), said that the job is not
        ours, or was asked too often."""
        for tried in range(WRITE_TRIES):
            try:
                climb.job = await asyncio.to_thread(write)
                return DONE
            except LeaseLost as lost:
                return DONE if lost.job is None or _is_over(lost.job) else STAYS
            except DependencyUnavailable:
                await asyncio.sleep(0.25 * 2**tried)
        return STAYS

    async def _settle(self, climb: Climb) -> None:
        """Nothing was written under the lease: if the job was cancelled or its time ran out, what
        it has cost is still to be said."""
        if climb.usage == Usage():
            return
        for pause in SETTLE_PAUSES_SECONDS:
            await asyncio.sleep(pause)
            try:
                await asyncio.to_thread(self.store.settle, climb.job, climb.usage)
            except DependencyUnavailable:
                continue
            return
        logger.warning("usage not settled", extra={"jobId": climb.job.job_id})

    async def _hide(self, receipt_handle: str, seconds: int) -> None:
        """A message that shows too early costs a look at the store, no more."""
        try:
            await asyncio.to_thread(self.queue.hide, receipt_handle, seconds)
        except DependencyUnavailable:
            logger.warning("message not hidden")

    @property
    def _visibility_seconds(self) -> int:
        """A little longer than the lease, so that who sees the message may claim the job."""
        return self.settings.lease_seconds + math.ceil(CLOCK_SKEW_MS / 1000)

    def _lease_end_ms(self) -> int:
        return clock.now_ms() + self.settings.lease_seconds * 1000


def _is_over(job: Job) -> bool:
    """Ended, or so near the deadline that no one may complete it any more."""
    return job.status.is_terminal or job.deadline_at_ms <= clock.now_ms() + LAST_WRITE_MS


def _seconds_to_deadline(job: Job) -> float:
    return (job.deadline_at_ms - LAST_WRITE_MS - clock.now_ms()) / 1000 - WRITE_MARGIN_SECONDS


def _seconds_for_a_call(job: Job, function_ends_at: float) -> float:
    to_function_end = function_ends_at - asyncio.get_running_loop().time() - WRITE_MARGIN_SECONDS
    seconds = min(to_function_end, _seconds_to_deadline(job))
    if seconds < MIN_CALL_SECONDS:
        raise OutOfTime
    return seconds
