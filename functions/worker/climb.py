"""A job's climb: its answer in one call, or in parts that climb the ladder side by side.

A task that has parts is asked for an outline first, by the rung that the job begins with, and then
for each part by itself. A part that is valid, alone and beside those that stand, stands from then
on. The others are finished whatever becomes of one: then a part that no model has an answer for
ends the job, and one for which there is no room now gives the job back. The parts that stand are
kept either way.

Without an outline, or with one part only, there is one call.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from functools import partial

from answer import InvalidAnswer, validated
from ascent import Ascent, Completed, Failed, NoCapacity, Outcome, Question
from calls import Calls, Useless
from part_tasks import context_of, outline_task, part_task
from providers.outcomes import ProviderFailure
from simmer import clock
from simmer.errors import UnknownTask
from simmer.jobs.item import part_attributes
from simmer.jobs.job import ErrorCode
from simmer.jobs.outline import Outline
from simmer.task import AnyTask, TaskRequest, find_task
from simmer.task.parts import AnyParts
from simmer.task.reading import as_stored

# How long a job waits for a worker with its own version of the task.
OLD_FILE_SECONDS = 5
# For how long after its admission a job of a task that is not here may be of a new one. A worker
# goes on receiving for so long after a deployment.
NEW_TASK_SECONDS = 60


@dataclass(slots=True)
class Climb(Calls):
    """One job's way to its answer, in one call if `is_whole`.

    `rung`, the first that may still bring a result, is right at any moment. `answered_by` is the
    model that answered last. `news` are the attributes of what stands of the answer and is not
    stored yet; `has_news` is set whenever there is more of it.
    """

    is_whole: bool = False
    part_count: int = 1
    answered_by: str | None = None
    news: dict[str, str] = field(default_factory=dict)
    has_news: asyncio.Event = field(default_factory=asyncio.Event)
    _outline: str | None = None
    _parts: dict[int, str] = field(default_factory=dict)
    _ascents: list[Ascent] = field(default_factory=list)
    _accepting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def rung(self) -> int:
        unanswered = [each for each in self._ascents if each.answered_by is None]
        rungs = [each.rung for each in unanswered or self._ascents]
        return max(rungs, default=self.job.first_rung)

    async def run(self) -> Outcome:
        try:
            task = find_task(self.job.task)
        except UnknownTask:
            if clock.now_ms() - self.job.created_at_ms > NEW_TASK_SECONDS * 1000:
                raise
            return NoCapacity(OLD_FILE_SECONDS)  # newer workers may have the task
        if (self.job.task_version or 0) > task.version:
            # A deployment is under way, and this worker has the old file: its answer would be kept
            # as one of the new version.
            return NoCapacity(OLD_FILE_SECONDS)
        request = task.wire_model.model_validate_json(self.job.request)
        self._outline, self._parts = self.job.outline, dict(self.job.parts)
        self.part_count = task.part_count(request)
        if task.parts is not None and not self.is_whole:
            await self._plan(task, task.parts, request)
            if self._outline is not None:
                return await self._in_parts(task, task.parts, request)
        accepted = partial(_accepted, task, request)
        return await self._ascend(
            Question(task=task, request=self.job.request, accepted=accepted, items=self.part_count)
        )

    async def _ascend(self, question: Question) -> Outcome:
        ascent = Ascent(self, question, self.job.first_rung)
        self._ascents.append(ascent)
        outcome = await ascent.run()
        self.answered_by = ascent.answered_by or self.answered_by
        return outcome

    async def _plan(self, task: AnyTask, parts: AnyParts, request: TaskRequest) -> None:
        """Have an outline, if the answer has parts and the first rung gives one."""
        if self._outline is not None or self.part_count == 1:
            return
        planning = outline_task(task, parts, self.part_count)
        question = Question(
            task=planning,
            request=self.job.request,
            accepted=partial(_accepted, planning, request),
            items=0,
            about={"part": "outline"},
        )
        first = min(self.job.first_rung, len(self.ladder) - 1)
        with contextlib.suppress(Useless, ProviderFailure):  # then one call does
            self._outline = await Ascent(self, question, first).ask(self.ladder[first])
            self.news["outline"] = self._outline
            self.has_news.set()

    async def _in_parts(self, task: AnyTask, parts: AnyParts, request: TaskRequest) -> Outcome:
        outline = Outline.parse(self._outline or "")
        missing = [i for i in range(len(outline.plans)) if i not in self._parts]
        writing = [self._write(task, parts, request, outline, i) for i in missing]
        ends = await asyncio.gather(*writing, return_exceptions=True)
        for end in ends:
            if isinstance(end, Failed):
                return end
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        if waits := [end for end in ends if isinstance(end, NoCapacity)]:
            return min(waits, key=lambda wait: wait.delay_seconds)
        try:
            return Completed(await _accepted(task, request, outline.result_of(self._parts)))
        except InvalidAnswer:  # the task's file has changed under the parts
            return Failed(ErrorCode.INVALID_OUTPUT)

    async def _write(
        self, task: AnyTask, parts: AnyParts, request: TaskRequest, outline: Outline, i: int
    ) -> Outcome:
        """Have the part of that number."""
        plan, alone = outline.plans[i], parts.asking_for(request, 1)
        writing = part_task(task, parts, plan)

        async def accepted(text: str) -> str:
            whole = await _accepted(writing, alone, text)
            # The result's one list has the outermost brackets.
            part = whole[whole.index("[") + 1 : whole.rindex("]")].strip()
            async with self._accepting:  # what stands must not change meanwhile
                standing = {**self._parts, i: part}
                beside = parts.asking_for(request, len(standing))
                await _accepted(task, beside, outline.result_of(standing))
                self._parts = standing
                self.news |= part_attributes({i: part})
                if len(standing) < len(outline.plans):  # else the result follows at once
                    self.has_news.set()
            return part

        return await self._ascend(
            Question(
                task=writing,
                request=as_stored(alone),
                accepted=accepted,
                context=context_of(self._outline or "", plan),
                about={"part": i},
            )
        )


async def _accepted(task: AnyTask, request: TaskRequest, text: str) -> str:
    # In a thread: the loop beats the hearts of the other jobs.
    return await asyncio.to_thread(validated, task, request, text)
