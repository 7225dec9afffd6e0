"""The climbing rules of one answer: which model is asked what, until it is there or fails by name.

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
| nothing for longer than usual     | the same call once more beside it; the first answer counts   |
| (before any call) no money left   | an operator's alarm; `budget_exceeded`                       |
| (before any call) budget unread   | an operator's alarm; back to the queue                       |

A rung whose answer was useless, and every rung below it, is not asked again in this job. At the top
of the ladder the job goes back to the queue if a rung is left that may still answer. Otherwise it
fails: `refused` if a model refused, `invalid_output` if one answered, and `model_unavailable` if
none did. A rung is asked twice at the most, each time by two calls at the most, and the queue waits
no longer than the deadline, so every path ends.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import prompt
from answer import InvalidAnswer
from calls import Calls, Useless
from complaints import kinds
from ladder import Rung
from provider import delay_seconds
from providers.outcomes import Down, Misconfigured, Throttled
from providers.unwrap import unwrapped
from simmer import clock
from simmer.jobs.job import ErrorCode, Usage
from simmer.jobs.story import Event, tell
from simmer.task import AnyTask


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: the task's instructions and shape, the `request` as JSON text, and `context`,
    more data behind it, of so many `items` of the answer (0: its outline). `accepted` gives the
    text to keep of a model's, or raises `InvalidAnswer`. `about` says in the log which part of the
    answer is asked for."""

    task: AnyTask
    request: str
    accepted: Callable[[str], Awaitable[str]]
    items: int = 1
    context: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Ascent:
    """One answer's way up the ladder.

    `rung`, the first that may still bring a result, is right at any moment. `answered_by` is the
    model of the result.
    """

    calls: Calls
    question: Question
    rung: int
    answered_by: str | None = None
    _has_asked: bool = False

    async def run(self) -> Outcome:
        failures: list[ErrorCode] = []
        open_again: dict[int, int] = {}  # the rungs that may still answer, and in how many seconds
        for index, rung in list(enumerate(self.calls.ladder))[self.rung :]:
            try:
                result = await self.ask(rung)
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
            except Useless as useless:
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
        started_at_ms = self.calls.job.started_at_ms
        return 0 if started_at_ms is None else (clock.now_ms() - started_at_ms) / 1000

    def _may_come_back(self, failure: Down) -> bool:
        """Whether to wait for the rung. One that fails at our expense is waited for once in a job:
        not when an earlier attempt was billed for more than what stands of the answer."""
        job = self.calls.job
        standing = len(job.parts) + (job.outline is not None)
        is_billed = failure.usage != Usage()
        return not (is_billed and (job.usage.calls > standing or job.usage.unreported_calls))

    async def ask(self, rung: Rung) -> str:
        """The rung's result after at most two calls; or `Useless`, or a `ProviderFailure`."""
        question = self.question
        if self._has_asked:
            tell(Event.CLIMBED, self.calls.job, model=rung.model, **question.about)
        self._has_asked = True
        capped = rung.capped(question.task.max_output_tokens)
        first = messages = prompt.first_ask(question.task, rung, question.request, question.context)
        shape = prompt.response_format(question.task, rung)
        max_output_tokens = capped.max_output_tokens
        for asked in range(2):
            answer = await self.calls.call(
                rung,
                messages,
                shape,
                max_output_tokens,
                question.about,
                items=question.items,
                is_again=asked > 0,
            )
            match answer.ending:
                case "refused":
                    raise Useless(ErrorCode.REFUSED)
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
                        return await question.accepted(answer.text)
                    except InvalidAnswer as invalid:
                        self._tell_rejected(rung, invalid)
                        said = unwrapped(answer.text)
                        messages = prompt.re_ask(first, said, invalid.complaints)
        raise Useless(ErrorCode.INVALID_OUTPUT)

    def _tell_rejected(self, rung: Rung, invalid: InvalidAnswer) -> None:
        job = self.calls.job
        told: dict[str, Any] = {
            "model": rung.model,
            "complaints": len(invalid.complaints),
            "kinds": kinds(job.task, invalid.complaints, invalid.types),
            **self.question.about,
        }
        if self.calls.logs_complaints:
            told["because"] = list(invalid.complaints)
        tell(Event.REJECTED, job, **told)
