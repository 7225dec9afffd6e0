"""The climbing rules: which model is asked what, until there is a result or a named failure.

| what came back                    | what happens                                                 |
| --------------------------------- | ------------------------------------------------------------ |
| a valid answer                    | done                                                         |
| an invalid one                    | the same model is shown its errors; invalid again: next rung |
| one its endpoint found to be none | the same model is asked again; once more: next rung          |
| cut short at the output cap       | the same model with twice the cap; cut again: next rung      |
| a cap spent on reasoning, or on   | next rung: more room would buy more of the same              |
| writing the same over and over    |                                                              |
| refused, or filtered              | next rung, once in a job; refused again: `refused`           |
| 5xx, time-out, a broken body,     | next rung; if none has an answer, back to the queue; where   |
| an end that is none               | it was billed, once in a job                                 |
| 429, overloaded, loading          | next rung; if none has an answer, back to the queue          |
| no credit, no good key            | an operator's alarm; next rung; no call there for a while    |
| parameter, unknown model          | an operator's alarm; next rung                               |
| twice the cap, and it is too much | next rung: the cap was ours                                  |
| (before any call) no money left   | an operator's alarm; `budget_exceeded`                       |
| (before any call) budget unread   | an operator's alarm; back to the queue                       |

A rung whose answer was useless, and every rung below it, is not asked again in this job. At the top
of the ladder the job goes back to the queue if a rung is left that may still answer. Otherwise it
fails: `refused` if a model refused, `invalid_output` if one answered, and `model_unavailable` if
none did. A rung is asked twice at the most, and the queue waits no longer than the deadline, so
every path ends.
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from aws_lambda_powertools import Logger
from openai.types.chat import ChatCompletionMessageParam

import prompt
from answer import InvalidAnswer, validated
from books import Budget
from complaints import kinds
from ladder import Ladder, Rung
from prices import priced
from provider import Provider, delay_seconds
from providers.outcomes import (
    UNREPORTED,
    Answer,
    Down,
    Misconfigured,
    Misfit,
    ProviderFailure,
    Throttled,
)
from providers.unwrap import unwrapped
from simmer import clock
from simmer.jobs.job import ErrorCode, Job, Usage
from simmer.jobs.story import Event, tell
from simmer.task import AnyTask, TaskRequest, find_task

# What a model writes while nobody counts, to estimate a call that was broken off.
OUTPUT_TOKENS_A_SECOND = 50

# How long a job waits for a worker with its own version of the task.
OLD_FILE_SECONDS = 5

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
    """The time that is left is too short for another call."""


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
    `logs_complaints` has the complaints themselves logged, which may quote what the user sent: for
    a developer's machine only.
    """

    ladder: Ladder
    provider: Provider
    job: Job
    seconds_for_a_call: Callable[[], float]
    budget: Budget = field(default_factory=Budget)
    usage_by_model: dict[str, Usage] = field(default_factory=dict)
    rung: int = 0
    answered_by: str | None = None
    logs_complaints: bool = False
    _asked_at_ms: int = 0

    @property
    def usage(self) -> Usage:
        return sum(self.usage_by_model.values(), Usage())

    async def run(self) -> Outcome:
        task = find_task(self.job.task)
        if (self.job.task_version or 0) > task.version:
            # A deployment is under way, and this worker has the old file: its answer would be kept
            # as one of the new version.
            return NoCapacity(OLD_FILE_SECONDS)
        request = task.wire_model.model_validate_json(self.job.request)
        return await self._climb(task, request)

    async def _climb(self, task: AnyTask, request: TaskRequest) -> Outcome:
        self.rung = self.job.first_rung
        failures: list[ErrorCode] = []
        open_again: dict[int, int] = {}  # the rungs that may still answer, and in how many seconds
        for index, rung in list(enumerate(self.ladder))[self.rung :]:
            try:
                result = await self._ask_rung(rung, task, request)
                self.answered_by = rung.model
                return Completed(result)
            except Throttled as failure:
                open_again[index] = delay_seconds(failure, self._waited_seconds)
                if self._waited_seconds + open_again[index] < rung.patience_seconds:
                    break  # the next rung costs more than the time
            except Down as failure:
                if self._may_come_back(failure):
                    open_again[index] = delay_seconds(failure, self._waited_seconds)
            except Misconfigured:
                if not open_again:  # a model below that only lacks room now must still be asked
                    self.rung = index + 1
            except _Useless as useless:
                self.rung = index + 1
                failures.append(useless.error_code)
                if failures.count(ErrorCode.REFUSED) == 2:
                    break
        return self._at_the_top(failures, open_again)

    def _at_the_top(self, failures: list[ErrorCode], open_again: dict[int, int]) -> Outcome:
        """The outcome when no rung had a result."""
        delays = [delay for index, delay in open_again.items() if index >= self.rung]
        if delays:
            return NoCapacity(min(delays))
        if ErrorCode.REFUSED in failures:
            return Failed(ErrorCode.REFUSED)
        return Failed(failures[-1] if failures else ErrorCode.MODEL_UNAVAILABLE)

    @property
    def _waited_seconds(self) -> float:
        """The seconds for which the job has been under way."""
        started_at_ms = self.job.started_at_ms
        return 0 if started_at_ms is None else (clock.now_ms() - started_at_ms) / 1000

    def _may_come_back(self, failure: Down) -> bool:
        """Whether to wait for the rung. One that fails at our expense is waited for once in a job:
        not when an earlier attempt was billed."""
        earlier = self.job.usage
        is_billed = failure.usage != Usage()
        return not (is_billed and (earlier.calls or earlier.unreported_calls))

    async def _ask_rung(self, rung: Rung, task: AnyTask, request: TaskRequest) -> str:
        """The rung's result after at most two calls, or why there is none."""
        if self._asked_at_ms:
            tell(Event.CLIMBED, self.job, model=rung.model)
        capped = rung.capped(task.max_output_tokens)
        first = messages = prompt.first_ask(task, rung, self.job.request)
        max_output_tokens = capped.max_output_tokens
        for asked in range(2):
            answer = await self._call(rung, task, messages, max_output_tokens, asked)
            match answer.ending:
                case "refused":
                    raise _Useless(ErrorCode.REFUSED)
                case "exhausted" | "looping":
                    break  # more room would buy more of the same
                case "malformed":
                    messages = first
                case "truncated":
                    if capped.larger_cap is None:
                        break
                    # The same question with more room: shown its errors it would be cut again.
                    messages, max_output_tokens = first, capped.larger_cap
                case "stop":
                    try:
                        # In a thread: the loop beats the hearts of the other jobs.
                        return await asyncio.to_thread(validated, task, request, answer.text)
                    except InvalidAnswer as invalid:
                        self._tell_rejected(rung, invalid)
                        said = unwrapped(answer.text)
                        messages = prompt.re_ask(first, said, invalid.complaints)
        raise _Useless(ErrorCode.INVALID_OUTPUT)

    async def _call(
        self,
        rung: Rung,
        task: AnyTask,
        messages: list[ChatCompletionMessageParam],
        max_output_tokens: int,
        asked: int,
    ) -> Answer:
        if await self.budget.is_spent():
            if self.budget.is_blind:
                raise BudgetBlind
            logger.error("daily budget spent", extra={"jobId": self.job.job_id})
            raise BudgetSpent
        timeout_seconds = min(rung.timeout_seconds, self.seconds_for_a_call())
        if asked:
            tell(Event.RE_ASKED, self.job, model=rung.model)
        call = _Call(rung, messages, max_output_tokens)
        self._asked_at_ms = clock.now_ms()
        try:
            answer = await self.provider.ask(
                rung,
                messages,
                prompt.response_format(task, rung),
                max_output_tokens=max_output_tokens,
                timeout_seconds=timeout_seconds,
            )
        except asyncio.CancelledError:
            self._log(call, "broken off", self._add(call, UNREPORTED))
            raise
        except Misfit as failure:
            is_ours = max_output_tokens > rung.max_output_tokens  # nothing else is new in the call
            kind = "cap refused" if is_ours else failure.kind
            self._log(call, kind, self._add(call, failure.usage), None if is_ours else failure)
            if is_ours:
                raise _Useless(ErrorCode.INVALID_OUTPUT) from None
            raise
        except ProviderFailure as failure:
            self._log(call, failure.kind, self._add(call, failure.usage), failure)
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
            seconds=(clock.now_ms() - self._asked_at_ms) / 1000,
            **({"parameter": parameter} if parameter else {}),
            **({"errorType": type(failure).__name__} if failure else {}),
            **asdict(usage),
        )

    def _tell_rejected(self, rung: Rung, invalid: InvalidAnswer) -> None:
        told: dict[str, Any] = {"kinds": kinds(self.job.task, invalid.complaints, invalid.types)}
        if self.logs_complaints:
            told["because"] = list(invalid.complaints)
        tell(
            Event.REJECTED,
            self.job,
            model=rung.model,
            complaints=len(invalid.complaints),
            **told,
        )


class _Call:
    """A call under way, and what it takes where nobody counts."""

    def __init__(
        self, rung: Rung, messages: list[ChatCompletionMessageParam], max_output_tokens: int
    ) -> None:
        self.rung = rung
        self._messages = messages
        self._max_output_tokens = max_output_tokens
        self._started_at = asyncio.get_running_loop().time()

    def estimated(self, usage: Usage, text: str) -> Usage:
        """The usage with what was not reported: the question by its length, the answer by its own
        or, where there is none, by the time there was to write it."""
        seconds = asyncio.get_running_loop().time() - self._started_at
        written = len(text.encode("utf-8", "replace")) // 4
        likely = min(self._max_output_tokens, round(seconds * OUTPUT_TOKENS_A_SECOND))
        return replace(
            usage,
            input_tokens=usage.input_tokens or prompt.estimated_tokens(self._messages),
            output_tokens=usage.output_tokens or written or likely,
        )
