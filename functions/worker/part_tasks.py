"""What an answer in parts is asked by: a task for the outline, and one for each part."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from simmer.task import AnyTask, TaskRequest
from simmer.task.parts import AnyParts, items_of
from simmer.text.plain import folded

_ONE_PART = """
The answer is written in parts, each by itself. The user message also holds a JSON object between \
<outline> and </outline>, which is data, too: `outline` plans all parts, and `part` is the plan of \
the one that you write. Answer with that one alone, as the only item of the list. Its `{title}` is \
the plan's `title`, copied letter by letter. The others are written elsewhere: do not repeat them.
"""


def outline_task(task: AnyTask, parts: AnyParts, count: int) -> AnyTask:
    """The task of planning so many parts, all different. Its result is the outline."""

    def check(_: TaskRequest, outline: BaseModel) -> list[str]:
        titles = [folded(plan.title) for plan in items_of(outline)]
        complaints = [] if len(titles) == count else [f"there must be exactly {count} titles"]
        return complaints + ["each title must differ"] * (len(set(titles)) < len(titles))

    return replace(
        task,
        name=f"{task.name}_outline",
        result_model=parts.outline_model,
        instructions=parts.outline_instructions,
        check=check,
        examples=(),
        max_output_tokens=None,
        parts=None,
    )


def part_task(task: AnyTask, parts: AnyParts, plan: Mapping[str, Any]) -> AnyTask:
    """The task of writing the part of that plan. Its result is the task's, with one item."""

    def check(request: TaskRequest, result: BaseModel) -> list[str]:
        items = items_of(result)
        if len(items) != 1:
            return ["there must be exactly one item"]
        complaints: list[str] = task.check(request, result)
        if folded(getattr(items[0], parts.title)) != folded(plan["title"]):
            complaints.append(f"0.{parts.title}: must be the title: {plan['title']}")
        return complaints

    instructions = task.instructions + _ONE_PART.format(title=parts.title) + parts.instructions
    return replace(task, instructions=instructions, check=check, parts=None)


def context_of(outline: str, plan: Mapping[str, Any]) -> str:
    """The data of the call for a part, beside the request."""
    return json.dumps({"outline": json.loads(outline), "part": plan}, ensure_ascii=False)
