"""One attempt: one worker's run at one job, from the claim to the end that it writes.

While the climb asks models, the heartbeat keeps the lease and the message. The attempt ends with
the climb's outcome, or when the lease is lost.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger

from ascent import Completed, Failed, NoCapacity, Outcome
from books import SPENT_MAX_AGE_SECONDS, Books
from calls import BudgetBlind, BudgetSpent, OutOfTime
from climb import Climb
from ladder import Ladder
from provider import Provider
from simmer import clock
from simmer.errors import DependencyUnavailable
from simmer.jobs.item import JobRefused
from simmer.jobs.job import CLOCK_SKEW_MS, LAST_WRITE_MS, ErrorCode, Job, JobStatus, Usage
from simmer.jobs.leases import LeaseStore
from simmer.jobs.queue import JobQueue
from simmer.jobs.story import Event, tell
from simmer.settings import WorkerSettings
from simmer.waiting.progress import share_done, takes_longer_than_usual

# Below this a call is not worth starting: no model writes a whole answer faster.
MIN_CALL_SECONDS = 2.0
# Kept back from the function's time-out, and from the last moment at which an end may be written,
# for the writes after the call.
WRITE_MARGIN_SECONDS = 5.0
# How long to try to write an end that DynamoDB does not take, before the message must bring the
# job back.
WRITE_TRIES = 6
# The share of a lease after which it is renewed. A write costs five times what a look costs, and
# one that fails is tried again while the lease lasts.
RENEWED_AFTER = 0.6
# What was spent on a job that has ended is in the ledger anyhow: no long wait for it.
SETTLE_PAUSES_SECONDS = (0.0, 0.5, 1.0)

DONE, STAYS = True, False

logger = Logger(service="simmer", child=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The tools that all attempts of one worker process share."""

    leases: LeaseStore
    queue: JobQueue
    ladder: Ladder
    provider: Provider
    settings: WorkerSettings
    books: Books

    @property
    def visibility_seconds(self) -> int:
        """A little longer than the lease, so that the next reader of the message may claim."""
        return self.settings.lease_seconds + math.ceil(CLOCK_SKEW_MS / 1000)

    @property
    def renewed_after_ms(self) -> float:
        """The part of a lease after which it is renewed."""
        return RENEWED_AFTER * self.settings.lease_seconds * 1000

    def lease_end_ms(self) -> int:
        """The end of a lease that is taken or kept now."""
        return clock.now_ms() + self.settings.lease_seconds * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The SQS message that woke the worker."""

    message_id: str
    receipt_handle: str
    queue: JobQueue
    is_hidden: bool = False  # for a lease only, and not for the queue's own timeout

    async def hide(self, seconds: int) -> None:
        """Show the message to no worker for so long. If it shows too early, that costs a look at
        the store, no more."""
        try:
            await asyncio.to_thread(self.queue.hide, self.receipt_handle, seconds)
        except DependencyUnavailable:
            logger.warning("message not hidden")

    async def delete(self) -> None:
        """Take the message off the queue now. Lambda would do so when the last job of the batch
        ends; until then nobody hides the message, and it would wake other workers for nothing."""
        try:
            await asyncio.to_thread(self.queue.delete, self.receipt_handle)
        except DependencyUnavailable:
            logger.warning("message not deleted")


@dataclass(slots=True)
class Attempt:
    """One job, the message that brought it, and the climb that looks for its answer.

    `function_ends_at` is the end of the invocation in loop time.
    """

    tools: Tools
    job: Job  # as it was claimed: the lease that every write needs
    message: Message
    function_ends_at: float
    climb: Climb = field(init=False)
    written: Job = field(init=False)  # the same as the attempt left it
    is_lost: bool = field(default=False, init=False)
    is_ending: bool = field(default=False, init=False)  # the end is being written

    def __post_init__(self) -> None:
        self.written = self.job
        self.climb = Climb(
            ladder=self.tools.ladder,
            provider=self.tools.provider,
            job=self.job,
            seconds_for_a_call=self._seconds_for_a_call,
            budget=self.tools.books.budget,
            usual_seconds=partial(self.tools.books.usual_seconds, self.job.task),
            logs_complaints=self.tools.settings.log_complaints,
        )

    async def run(self) -> bool:
        """Run the job; True if its message is done. The job is ours while the heartbeat says so."""
        climbing = asyncio.create_task(self.climb.run())
        beating = asyncio.create_task(self._beat())
        try:
            await asyncio.wait((climbing, beating), return_when=asyncio.FIRST_COMPLETED)
            if climbing.done():
                self.is_ending = True
                return await self._conclude(self._outcome(climbing))
            return beating.result()
        finally:
            # Cancelling a climb closes its connection, so that the provider may stop writing.
            for task in (climbing, beating):
                task.cancel()
            await asyncio.wait((climbing, beating))
            # What was spent was spent, whether or not the job is still ours to write to.
            if self.written is self.job:
                await self._settle()
            await self.tools.books.record(
                self.written,
                self.climb.usage_by_model,
                self.climb.answered_by,
                self.climb.part_count,
                self.climb.took,
            )

    async def _beat(self) -> bool:
        """Look every few seconds whether the job is still ours; keep lease and message so when much
        of the lease is over, and store the news of the climb at once. Returns when the lease is
        lost: whether the job is over."""
        lease_ends_at_ms = self.job.lease.expires_at_ms if self.job.lease else 0
        pause_seconds = float(self.tools.settings.heartbeat_seconds)
        is_slow = False
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.climb.has_news.wait(), pause_seconds)
            self.climb.has_news.clear()
            next_end_ms, news = self.tools.lease_end_ms(), dict(self.climb.news)
            try:
                if news or next_end_ms - lease_ends_at_ms >= self.tools.renewed_after_ms:
                    await self._renew(next_end_ms, news)
                    lease_ends_at_ms = next_end_ms
                else:
                    await asyncio.to_thread(self.tools.leases.look, self.job)
            except JobRefused as lost:
                # The end that is being written gives the lease up, and is no loss.
                return DONE if self.is_ending else self._lost(lost.job)
            except DependencyUnavailable:
                if clock.now_ms() >= lease_ends_at_ms:
                    return STAYS  # for all we know another worker has the job now
                pause_seconds = 1.0
                continue
            pause_seconds = float(self.tools.settings.heartbeat_seconds)
            if not is_slow and takes_longer_than_usual(self.job, clock.now_ms()):
                is_slow = True  # logged once an attempt; many of them are an alarm
                logger.warning("job slow", extra={"jobId": self.job.job_id})

    async def _renew(self, lease_ends_at_ms: int, news: Mapping[str, str]) -> None:
        """Keep lease and message ours until then, with the news stored."""
        stored = await asyncio.to_thread(
            self.tools.leases.heartbeat, self.job, lease_ends_at_ms, news
        )
        if news:
            _tell_news(stored, news)
        for name in news:
            del self.climb.news[name]
        await self.message.hide(self.tools.visibility_seconds)

    def _outcome(self, climbing: "asyncio.Task[Outcome]") -> Outcome:
        """The outcome of the climb; its exceptions are turned into outcomes."""
        try:
            outcome = climbing.result()
        except OutOfTime:
            # With time left until the deadline it is the function that ends.
            is_function_end = _seconds_to_deadline(self.job) >= MIN_CALL_SECONDS
            outcome = NoCapacity(0) if is_function_end else Failed(ErrorCode.DEADLINE_EXCEEDED)
        except BudgetSpent:
            outcome = Failed(ErrorCode.BUDGET_EXCEEDED)
        except BudgetBlind:  # a fault that passes, and no word of the user's: time, not the job
            outcome = NoCapacity(delay_seconds=SPENT_MAX_AGE_SECONDS)
        except Exception as error:
            logger.error("attempt failed", extra={"type": type(error).__name__})
            outcome = Failed(ErrorCode.INTERNAL)
        if isinstance(outcome, NoCapacity):
            comes_back_in_seconds = outcome.delay_seconds + MIN_CALL_SECONDS
            if comes_back_in_seconds >= _seconds_to_deadline(self.job):
                # There will be no room before the deadline: say so now, not then.
                return Failed(ErrorCode.MODEL_UNAVAILABLE)
        return outcome

    async def _conclude(self, outcome: Outcome) -> bool:
        """Write down what the climb came to; whether the message is done."""
        match outcome:
            case NoCapacity(delay_seconds):
                return await self._give_back(delay_seconds)
            case Completed(result):
                end = partial(self.tools.leases.complete, self.job, result)
            case Failed(error_code):
                end = partial(self.tools.leases.fail, self.job, error_code, news=self.climb.news)
        retention_seconds = self.tools.settings.retention_seconds
        return await self._write(
            lambda: end(
                self.climb.usage, retention_seconds=retention_seconds, now_ms=clock.now_ms()
            )
        )

    async def _give_back(self, delay_seconds: int) -> bool:
        """Release the job and send a new message for it, so that the old one's receive count,
        which is for crashes, does not grow by this."""
        released = await self._write(
            lambda: self.tools.leases.release(
                self.job,
                self.climb.usage,
                first_rung=self.climb.rung,
                awaits_capacity=delay_seconds > 0,
                news=self.climb.news,
            )
        )
        if released is STAYS:
            return STAYS
        tell(Event.GIVEN_BACK, self.job, delaySeconds=delay_seconds)
        try:
            await asyncio.to_thread(self.tools.queue.send, self.job, delay_seconds)
        except DependencyUnavailable:
            await self.message.hide(delay_seconds)  # then the old message must bring the job back
            return STAYS
        return DONE

    async def _write(self, write: Callable[[], Job]) -> bool:
        """Try until the store took the end, said that the job is not ours, or was asked too often.

        The job as it was written is then `self.written`.
        """
        for tried in range(WRITE_TRIES):
            try:
                self.written = await asyncio.to_thread(write)
                _tell_end(self.written)
                return DONE
            except JobRefused as lost:
                return self._lost(lost.job)
            except DependencyUnavailable:
                await asyncio.sleep(0.25 * 2**tried)
        return STAYS

    def _lost(self, stored: Job | None) -> bool:
        """The lease is not ours any more, which is told once; whether the job is over."""
        if self.written is self.job and not self.is_lost:
            self.is_lost = True
            tell(Event.LEASE_LOST, self.job)
        return DONE if stored is None or is_over(stored) else STAYS

    async def _settle(self) -> None:
        """Nothing was written under the lease: if the job was cancelled or its time ran out, what
        the job has cost is still to be written."""
        if self.climb.usage == Usage():
            return
        for pause in SETTLE_PAUSES_SECONDS:
            await asyncio.sleep(pause)
            try:
                await asyncio.to_thread(self.tools.leases.settle, self.job, self.climb.usage)
            except DependencyUnavailable:
                continue
            return
        logger.warning("usage not settled", extra={"jobId": self.job.job_id})

    def _seconds_for_a_call(self) -> float:
        """The seconds that the next call may take, or `OutOfTime`."""
        to_function_end = self.function_ends_at - asyncio.get_running_loop().time()
        seconds = min(to_function_end - WRITE_MARGIN_SECONDS, _seconds_to_deadline(self.job))
        if seconds < MIN_CALL_SECONDS:
            raise OutOfTime
        return seconds


def _tell_news(job: Job, news: Mapping[str, str]) -> None:
    seconds = (clock.now_ms() - job.created_at_ms) / 1000
    # All the parts that stand came by this write.
    is_first = 0 < len(job.parts) == len(news.keys() - {"outline"})
    first: dict[str, Any] = {"firstPartSeconds": seconds} if is_first else {}
    tell(Event.PART_STORED, job, parts=len(job.parts), seconds=seconds, **first)


def _tell_end(job: Job) -> None:
    now_ms = clock.now_ms()
    seconds = (now_ms - job.created_at_ms) / 1000
    if job.status is JobStatus.COMPLETED:
        bar_percent = round(100 * share_done(job, now_ms), 1)
        tell(Event.STORED, job, seconds=seconds, barPercent=bar_percent)
    if job.status is JobStatus.FAILED:
        tell(Event.FAILED, job, code=job.error_code, seconds=seconds)


def is_over(job: Job) -> bool:
    """Ended, or so near the deadline that no worker may complete the job any more."""
    return job.status.is_terminal or job.deadline_at_ms <= clock.now_ms() + LAST_WRITE_MS


def _seconds_to_deadline(job: Job) -> float:
    return (job.deadline_at_ms - LAST_WRITE_MS - clock.now_ms()) / 1000 - WRITE_MARGIN_SECONDS
