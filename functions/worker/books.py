"""The worker's view of the ledger: what is spent today, how long jobs take, and what it adds.

The ledger is not in a job's way for a passing fault: what cannot be read counts as it was read
last, and what cannot be written is logged, with its figures. But a budget that has been blind for
`BLIND_SECONDS` lets nothing be spent until it can be read again.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from functools import partial

from aws_lambda_powertools import Logger

from simmer import clock
from simmer.books.ledger import Control, Ledger, calls_of, day_of, durations_of
from simmer.errors import DependencyUnavailable
from simmer.jobs.job import Job, JobStatus, Usage
from simmer.tasks import task_names
from simmer.waiting.durations import Durations

# How late a worker may notice what the others have spent. Until then each of them may go on, so
# the budget is exceeded by no more than that time, and the calls then under way, cost.
SPENT_MAX_AGE_SECONDS = 10
# How late it may notice that an operator has stopped all spending.
CONTROL_MAX_AGE_SECONDS = 3
DURATIONS_MAX_AGE_SECONDS = 60
# For how long a budget may be trusted that nobody can look at: far longer than DynamoDB throttles
# or a connection breaks, and short against the day that the budget is for.
BLIND_SECONDS = 300
# From this share on somebody is told, while there is something left to decide about.
NEARLY_SPENT = 0.8
# A call is slow that takes so many times as long as this share of its kind did. So no more than a
# tenth are, however the times scatter, and a tenth may be stuck before they count as usual.
NEARLY_ALL, SLOW_RATIO = 0.9, 1.5
# Longer than this no job waits for the ledger.
LEDGER_SECONDS = 2.0

logger = Logger(service="simmer", child=True)


# How long the jobs of a task take, as a job keeps it; and its calls, by model and items.
type Learned = tuple[Mapping[str, str], Mapping[tuple[str, int], Durations]]


class Reading[T]:
    """A reading of today's ledger, renewed when it is too old; `nothing` while it cannot be read.
    `value` is what was read last.

    `is_blind` says that it has not been read for `blind_seconds`, counted from the last reading, or
    from the first try if there was none.
    """

    def __init__(
        self,
        read: Callable[[date], T],
        nothing: T,
        max_age_seconds: float,
        blind_seconds: float = math.inf,
    ) -> None:
        self._read = read
        self._nothing = self.value = nothing
        self._max_age_ms = max_age_seconds * 1000
        self._blind_ms = blind_seconds * 1000
        self._read_at_ms: int | None = None
        self._seen_at_ms: int | None = None
        self._lock = asyncio.Lock()  # ten jobs that begin at once read once

    @property
    def is_blind(self) -> bool:
        seen_ms = self._seen_at_ms
        return seen_ms is not None and clock.now_ms() - seen_ms >= self._blind_ms

    async def today(self) -> T:
        async with self._lock:
            now_ms = clock.now_ms()
            last_ms = self._read_at_ms
            is_todays = last_ms is not None and day_of(last_ms) == day_of(now_ms)
            if last_ms is None or not is_todays or now_ms - last_ms >= self._max_age_ms:
                self.value = self.value if is_todays else self._nothing
                self._read_at_ms = now_ms
                if self._seen_at_ms is None:
                    self._seen_at_ms = now_ms
                try:
                    async with asyncio.timeout(LEDGER_SECONDS):
                        self.value = await asyncio.to_thread(self._read, day_of(now_ms))
                    self._seen_at_ms = now_ms
                except (DependencyUnavailable, TimeoutError):
                    log = logger.error if self.is_blind else logger.warning
                    log("ledger not read")  # as an error it is an alarm
            return self.value


class Budget:
    """The spending limit of a day (UTC); `limit_usd` 0 is no limit.

    `read_spent` reads what the ledger has for a day, in microdollars. What this process spends
    counts at once, in the ledger or not. Nothing may be spent while `is_blind`, or while an
    operator has stopped it, as `read_control` says.
    """

    def __init__(
        self,
        limit_usd: float = 0,
        read_spent: Callable[[date], int] | None = None,
        read_control: Callable[[date], Control] = lambda _: Control(),
    ) -> None:
        self._control = Reading(read_control, Control(), CONTROL_MAX_AGE_SECONDS)
        self._is_stopped = False
        self._limit_microusd = round(limit_usd * 1_000_000)
        self._read_spent = read_spent
        self._elsewhere = Reading(
            self._spent_elsewhere, 0, SPENT_MAX_AGE_SECONDS, blind_seconds=BLIND_SECONDS
        )
        self._spent_here: Counter[date] = Counter()
        self._booked: Counter[date] = Counter()  # the part of it that the ledger has
        self._told_on: date | None = None  # that it is nearly spent

    async def is_spent(self) -> bool:
        """True if today's budget is used up, if spending is stopped, or if nobody could read for
        long how much is left."""
        control = await self._control.today()
        self._is_stopped = control.is_stopped
        if self._is_stopped or not self._limit_microusd:
            return self._is_stopped
        elsewhere = await self._elsewhere.today()
        spent_microusd = elsewhere + self._spent_here[_today()]
        limit_microusd = self._limit_microusd + control.more_microusd
        is_spent = spent_microusd >= limit_microusd
        is_near = spent_microusd >= NEARLY_SPENT * limit_microusd
        if is_near and not is_spent and self._told_on != _today():
            self._told_on = _today()  # once a process and day; one is enough for an alarm
            logger.warning("daily budget nearly spent")
        return self.is_blind or is_spent

    @property
    def is_blind(self) -> bool:
        """True if the last reading is too old to go on by, or if it says to wait."""
        return self._is_stopped or self._elsewhere.is_blind

    def spend(self, microusd: int) -> None:
        """A call has cost so much."""
        self._spent_here[_today()] += microusd

    def booked(self, microusd: int, day: date) -> None:
        """So much of it is in that day's ledger now."""
        self._booked[day] += microusd

    def _spent_elsewhere(self, day: date) -> int:
        booked = self._booked[day]  # before the reading: what is booked meanwhile counts twice
        return self._read_spent(day) - booked if self._read_spent else 0


class Books:
    """The ledger's entries for every task and the models of the ladder."""

    def __init__(self, ledger: Ledger, models: Sequence[str], daily_budget_usd: float = 0) -> None:
        self._ledger = ledger
        self._models = list(dict.fromkeys(models))
        # By task: how long its jobs take, and its calls.
        self._learned: dict[str, Reading[Learned]] = {}
        self.budget = Budget(daily_budget_usd, self._read_spent, ledger.control)

    async def durations(self, task: str | None) -> Mapping[str, str]:
        """How long the task's jobs took today and yesterday, as a job keeps it. Empty while nothing
        is known, or for no task."""
        if task is None or task not in task_names():
            return {}  # an old message names none, and what a message names is not trusted
        if task not in self._learned:
            read = partial(self._read_learned, task)
            self._learned[task] = Reading(read, ({}, {}), DURATIONS_MAX_AGE_SECONDS)
        return (await self._learned[task].today())[0]

    def usual_seconds(self, task: str, model: str, items: int) -> float:
        """How long a call for so many items of the answer takes if it is not slow, by what
        `durations` has read last; infinite while too few are known."""
        reading = self._learned.get(task)
        known = reading.value[1].get((model, items)) if reading else None
        if known is None or not known.are_known:
            return math.inf
        return SLOW_RATIO * known.seconds_until(NEARLY_ALL)

    async def record(
        self,
        job: Job,
        usage_by_model: Mapping[str, Usage],
        answered_by: str | None,
        parts: int = 1,
        calls: Mapping[str, Mapping[tuple[int, int], int]] | None = None,
    ) -> None:
        """Add what an attempt consumed, whatever its end, `calls` by model, items and bucket, and
        how long the job took if it is completed, by the model that answered last and the number of
        parts."""
        for model, usage in usage_by_model.items():
            is_answer = model == answered_by and job.status is JobStatus.COMPLETED
            took_ms = (job.completed_at_ms or 0) - (job.started_at_ms or 0)  # from the first claim
            now_ms = clock.now_ms()
            try:
                async with asyncio.timeout(LEDGER_SECONDS):
                    await asyncio.to_thread(
                        self._ledger.add,
                        job.task,
                        model,
                        usage,
                        now_ms=now_ms,
                        took_seconds=took_ms / 1000 if is_answer else None,
                        parts=parts,
                        calls=(calls or {}).get(model),
                    )
            except (DependencyUnavailable, TimeoutError):
                logger.error(
                    "ledger not written",
                    extra={"jobId": job.job_id, "model": model, **asdict(usage)},
                )
            else:
                self.budget.booked(usage.cost_microusd, day_of(now_ms))

    def _read_learned(self, task: str, day: date) -> Learned:
        recent = self._ledger.recent(task, self._models, day)
        return durations_of(task, recent), calls_of(recent)

    def _read_spent(self, day: date) -> int:
        return sum(
            self._ledger.read(task, model, day).usage.cost_microusd
            for task in task_names()
            for model in self._models
        )


def _today() -> date:
    return day_of(clock.now_ms())
