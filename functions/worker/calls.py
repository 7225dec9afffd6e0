"""The calls of one job's attempt: each within the budget and the time, counted and logged.

A call that takes longer than nearly all of its kind did is made once more, beside the first. The
first answer of the two counts; the other is broken off, and counted as what it may have taken.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from aws_lambda_powertools import Logger

import prompt
from books import Budget
from ladder import Ladder, Rung
from prices import priced
from provider import Provider
from providers.outcomes import UNREPORTED, Answer, Misfit, ProviderFailure
from simmer import clock
from simmer.jobs.job import ErrorCode, Job, Usage
from simmer.jobs.story import Event, tell
from simmer.waiting.durations import bucket

# An outline is some tens of tokens: who waits longer for it has one call's answer sooner.
OUTLINE_TIMEOUT_SHARE = 1 / 3
# What a model writes while nobody counts, to estimate a call that was broken off.
OUTPUT_TOKENS_A_SECOND = 50

logger = Logger(service="simmer", child=True)


class OutOfTime(Exception):
    """The time that is left is too short for another call."""


class BudgetSpent(Exception):
    """There is no money left for another call today."""


class BudgetBlind(Exception):
    """Nobody can read for now whether there is money left for another call."""


class Useless(Exception):
    """A rung has said what it can, and it is no result."""

    def __init__(self, error_code: ErrorCode) -> None:
        super().__init__(error_code)
        self.error_code = error_code


@dataclass(slots=True)
class Calls:
    """The calls for one job.

    `seconds_for_a_call` says how long the next call may take, or raises `OutOfTime`; `budget` is
    asked before each, and its end is `BudgetSpent`, or `BudgetBlind` while nobody can say.
    `usual_seconds` says of a model and a number of items how long a call takes that is not slow.
    `usage` (of all answered calls, the useless ones too) is right at any moment, so that it can be
    kept when the calls are broken off. `took` counts the durations of calls by model, then by items
    and bucket: of those that were answered, and of those that were slow whatever came of them.
    `logs_complaints` has the complaints themselves logged, which may quote what the user sent: for
    a developer's machine only.
    """

    ladder: Ladder
    provider: Provider
    job: Job
    seconds_for_a_call: Callable[[], float]
    budget: Budget = field(default_factory=Budget)
    usual_seconds: Callable[[str, int], float] = lambda _model, _items: math.inf
    usage_by_model: dict[str, Usage] = field(default_factory=dict)
    took: dict[str, Counter[tuple[int, int]]] = field(default_factory=dict)
    logs_complaints: bool = False

    @property
    def usage(self) -> Usage:
        return sum(self.usage_by_model.values(), Usage())

    async def call(
        self,
        rung: Rung,
        messages: list[prompt.Message],
        response_format: Mapping[str, Any] | None,
        max_output_tokens: int,
        about: Mapping[str, Any],
        *,
        items: int = 1,
        is_again: bool = False,
    ) -> Answer:
        """The answer, or a `ProviderFailure`, or `Useless`; `about` goes into the log line. `items`
        is how many of the answer are asked for, 0 for its outline."""
        await self._check_budget()
        usual_seconds = self.usual_seconds(rung.model, items)
        longest_seconds = rung.timeout_seconds * (1 if items else OUTLINE_TIMEOUT_SHARE)

        async def once() -> Answer:
            timeout_seconds = min(longest_seconds, self.seconds_for_a_call())
            call = _Call(rung, messages, max_output_tokens, about)
            is_answered = False
            try:
                answer = await self._ask(call, response_format, timeout_seconds)
                is_answered = True
                return answer
            finally:
                if is_answered or call.seconds > usual_seconds:
                    took = self.took.setdefault(rung.model, Counter())
                    took[items, bucket(call.seconds)] += 1

        if is_again:
            tell(Event.RE_ASKED, self.job, model=rung.model, **about)
        if usual_seconds >= longest_seconds:
            return await once()
        return await self._first_of_two(once, usual_seconds)

    async def _first_of_two(
        self, once: Callable[[], Coroutine[Any, Any, Answer]], usual_seconds: float
    ) -> Answer:
        """The answer of a call, or of a second one that begins after so long; if there is none, the
        failure of the first."""
        calls = [asyncio.create_task(once())]
        try:
            answered, _ = await asyncio.wait(calls, timeout=usual_seconds)
            if not answered and not await self.budget.is_spent():
                calls.append(asyncio.create_task(once()))
            while under_way := {call for call in calls if not call.done()}:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                if any(call.done() and not call.exception() for call in calls):
                    break
            ended = [call for call in calls if call.done()]
            return next((call for call in ended if not call.exception()), ended[0]).result()
        finally:
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)

    async def _check_budget(self) -> None:
        if await self.budget.is_spent():
            if self.budget.is_blind:
                raise BudgetBlind
            logger.error("daily budget spent", extra={"jobId": self.job.job_id})
            raise BudgetSpent

    async def _ask(
        self, call: "_Call", response_format: Mapping[str, Any] | None, timeout_seconds: float
    ) -> Answer:
        """One call to the provider, counted and logged."""
        try:
            answer = await self.provider.ask(
                call.rung,
                call.messages,
                response_format,
                max_output_tokens=call.max_output_tokens,
                timeout_seconds=timeout_seconds,
            )
        except asyncio.CancelledError:
            self._log(call, "broken off", self._add(call, UNREPORTED))
            raise
        except ProviderFailure as failure:
            usage = self._add(call, failure.usage)
            # Nothing but the cap is new in a second call.
            if isinstance(failure, Misfit) and call.max_output_tokens > call.rung.max_output_tokens:
                self._log(call, "cap refused", usage)
                raise Useless(ErrorCode.INVALID_OUTPUT) from None
            self._log(call, failure.kind, usage, failure)
            raise
        self._log(call, answer.ending, self._add(call, answer.usage, answer.text))
        return answer

    def _add(self, call: "_Call", usage: Usage, text: str = "") -> Usage:
        """Keep what a call consumed; the same with its cost."""
        rung = call.rung
        estimated = call.estimated(usage, text) if usage.unreported_calls else usage
        cost_microusd = priced(estimated, rung.model, rung.price).cost_microusd
        usage = replace(usage, cost_microusd=cost_microusd)
        if usage != Usage():
            self.usage_by_model[rung.model] = self.usage_by_model.get(rung.model, Usage()) + usage
            self.budget.spend(usage.cost_microusd)
        return usage

    def _log(
        self, call: "_Call", ending: str, usage: Usage, failure: ProviderFailure | None = None
    ) -> None:
        """Log the call; question and answer stay out, for they are the user's."""
        parameter = failure.parameter if failure is not None else None
        tell(
            Event.MODEL_CALL,
            self.job,
            is_alarming=failure is not None and failure.is_alarming,
            rung=self.ladder.index(call.rung) + 1,
            model=call.rung.model,
            ending=ending,
            seconds=(clock.now_ms() - call.asked_at_ms) / 1000,
            **({"parameter": parameter} if parameter else {}),
            **({"errorType": type(failure).__name__} if failure else {}),
            **call.about,
            **asdict(usage),
        )


@dataclass(frozen=True, slots=True)
class _Call:
    """A call under way, and what it takes where nobody counts."""

    rung: Rung
    messages: list[prompt.Message]
    max_output_tokens: int
    about: Mapping[str, Any]
    asked_at_ms: int = field(default_factory=lambda: clock.now_ms())
    started_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    @property
    def seconds(self) -> float:
        """The time since it began."""
        return asyncio.get_running_loop().time() - self.started_at

    def estimated(self, usage: Usage, text: str) -> Usage:
        """The usage with what was not reported: the question by its length, the answer by its own
        or, where there is none, by the time there was to write it."""
        written = len(text.encode("utf-8", "replace")) // 4
        likely = min(self.max_output_tokens, round(self.seconds * OUTPUT_TOKENS_A_SECOND))
        return replace(
            usage,
            input_tokens=usage.input_tokens or prompt.estimated_tokens(self.messages),
            output_tokens=usage.output_tokens or written or likely,
        )
