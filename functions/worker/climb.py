"""The climbing rules: which model is asked what, until there is a result or a named failure.

| what came back                    | what happens                                                 |
| --------------------------------- | ------------------------------------------------------------ |
| a valid answer                    | done                                                         |
| an invalid one                    | the same model is shown its errors; invalid again: next rung |
| cut short at the output cap       | the same model with twice the cap; cut again: next rung      |
| refused, or filtered              | next rung, once in a job; refused again: `refused`           |
| 5xx, time-out, a broken body      | next rung                                                    |
| 429, overloaded                   | next rung; if none has an answer, back to the queue          |
| key, permission, unknown model    | an operator's alarm; next rung                               |
| (before any call) no money left   | an operator's alarm; `budget_exceeded`                       |
| (before any call) budget unread   | an operator's alarm; back to the queue                       |

A rung whose answer was useless, and every rung below it, is not asked again in this job. At the top
of the ladder the job goes back to the queue if a throttled rung is left that may still answer.
Otherwise it fails: `refused` if a model refused, `invalid_output` if one answered, and
`model_unavailable` if none did. A rung is asked twice at the most, so every path ends.
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from aws_lambda_powertools import Logger
from openai.types.chat import ChatCompletionMessageParam

import prompt
from answer import InvalidAnswer, validated
from books import Budget
from ladder import Ladder, Rung
from prices import priced
from provider import (
    UNREPORTED,
    Answer,
    Down,
    Misconfigured,
    Provider,
    ProviderFailure,
    Throttled,
    delay_seconds,
)
from simmer.jobs.job import ErrorCode, Job, Usage
from simmer.task import AnyTask, TaskRequest, find_task

logger = Logger(service="simmer", child=True)


@dataclass(frozen=True, slots=True)
class Completed:
    result: str


@dataclass(frozen=True, slots=True)
class Failed:
    error_code: ErrorCode


@dataclass(frozen=True, slots=True)
class NoCapacity:
    """Back to the queue, to be tried again after a delay."""

    delay_seconds: int


type Outcome = Completed | Failed | NoCapacity


class OutOfTime(Exception):
    """What is left of the time is too short for another call."""


class BudgetSpent(Exception):
    """There is no money left for another call today."""


class BudgetBlind(Exception):
    """Nobody can read for now whether there is money left for another call."""


class _Useless(Exception):
    """A rung has said what it can, and it is no result."""

    def __init__(self, error_code: ErrorCode) -> None:
        super().__init__(error_code)
        self.error_code = error_code


@dataclass(slots=True)
class Climb:
    """One job's way up the ladder.

    `seconds_for_a_call` says how long the next call may take, or raises `OutOfTime`; `budget` is
    asked before each, and its end is `BudgetSpent`, or `BudgetBlind` while nobody can say. `usage`
    (of all answered calls, the useless ones too) and `rung` (the first that may still bring a
    result) are right at any moment, so that they can be kept when the climb is broken off.
    `answered_by` is the model of the result.
    """

    ladder: Ladder
    provider: Provider
    job: Job
    seconds_for_a_call: Callable[[], float]
    budget: Budget = field(default_factory=Budget)
    usage_by_model: dict[str, Usage] = field(default_factory=dict)
    rung: int = 0
    answered_by: str | None = None

    @property
    def usage(self) -> Usage:
        return sum(self.usage_by_model.values(), Usage())

    async def run(self) -> Outcome:
        task = find_task(self.job.task)
        request = task.wire_model.model_validate_json(self.job.request)
        self.rung = self.job.first_rung
        failures: list[ErrorCode] = []
        throttled: dict[int, int] = {}
        for index, rung in list(enumerate(self.ladder))[self.rung :]:
            try:
                result = await self._ask_rung(rung, task, request)
                self.answered_by = rung.model
                return Completed(result)
            except Throttled as failure:
                throttled[index] = delay_seconds(failure)
            except Down:
                pass
            except Misconfigured:
                if not throttled:  # a model below that only lacks room now must still be asked
                    self.rung = index + 1
            except _Useless as useless:
                self.rung = index + 1
                failures.append(useless.error_code)
                if failures.count(ErrorCode.REFUSED) == 2:
                    break
        delays = [delay for index, delay in throttled.items() if index >= self.rung]
        if delays:
            return NoCapacity(min(delays))
        if ErrorCode.REFUSED in failures:
            return Failed(ErrorCode.REFUSED)
        return Failed(failures[-1] if failures else ErrorCode.MODEL_UNAVAILABLE)

    async def _ask_rung(self, rung: Rung, task: AnyTask, request: TaskRequest) -> str:
        """The rung's result after at most two calls, or why there is none."""
        first = messages = prompt.first_ask(task, rung, self.job.request)
        max_output_tokens = rung.max_output_tokens
        for _ in range(2):
            answer = await self._call(rung, task, messages, max_output_tokens)
            match answer.ending:
                case "refused":
                    raise _Useless(ErrorCode.REFUSED)
                case "truncated":
                    # The same question with more room: shown its errors it would be cut again.
                    messages, max_output_tokens = first, rung.max_output_tokens * 2
                case "stop":
                    try:
                        # In a thread: the loop beats the hearts of the other jobs.
                        return await asyncio.to_thread(validated, task, request, answer.text)
                    except InvalidAnswer as invalid:
                        messages = prompt.re_ask(first, answer.text, invalid.complaints)
        raise _Useless(ErrorCode.INVALID_OUTPUT)

    async def _call(
        self,
        rung: Rung,
        task: AnyTask,
        messages: list[ChatCompletionMessageParam],
        max_output_tokens: int,
    ) -> Answer:
        if await self.budget.is_spent():
            if self.budget.is_blind:
                raise BudgetBlind
            logger.error("daily budget spent", extra={"jobId": self.job.job_id})
            raise BudgetSpent
        timeout_seconds = min(rung.timeout_seconds, self.seconds_for_a_call())
        try:
            answer = await self.provider.ask(
                rung,
                messages,
                prompt.response_format(task, rung),
                max_output_tokens=max_output_tokens,
                timeout_seconds=timeout_seconds,
            )
        except asyncio.CancelledError:
            self._log(rung, "broken off", self._add(rung, UNREPORTED, messages))
            raise
        except ProviderFailure as failure:
            usage = self._add(rung, failure.usage, messages)
            self._log(rung, failure.kind, usage, isinstance(failure, Misconfigured))
            raise
        self._log(rung, answer.ending, self._add(rung, answer.usage, messages))
        return answer

    def _add(self, rung: Rung, usage: Usage, messages: list[ChatCompletionMessageParam]) -> Usage:
        """Keep what a call consumed; the same with its cost."""
        usage = priced(usage, rung.model, rung.price)
        if usage.unreported_calls:
            # At least the question is paid for.
            question = Usage(input_tokens=prompt.estimated_tokens(messages))
            cost_microusd = priced(question, rung.model, rung.price).cost_microusd
            usage = replace(usage, cost_microusd=cost_microusd)
        if usage != Usage():
            self.usage_by_model[rung.model] = self.usage_by_model.get(rung.model, Usage()) + usage
            self.budget.spend(usage.cost_microusd)
        return usage

    def _log(self, rung: Rung, ending: str, usage: Usage, is_alarming: bool = False) -> None:
        """What was asked and answered stays out: it is the user's."""
        log = logger.error if is_alarming else logger.info
        log(
            "model call",
            extra={
                "jobId": self.job.job_id,
                "model": rung.model,
                "ending": ending,
                **asdict(usage),
            },
        )
