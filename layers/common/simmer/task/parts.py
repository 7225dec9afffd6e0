"""An answer in parts: a task whose result is one list says here how its items are asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from simmer.task.models import TaskRequest

# A call each, side by side; a longer list is asked for in one call.
MAX_PARTS = 10


@dataclass(frozen=True, kw_only=True)
class Parts[Req: TaskRequest]:
    """How the answer to a request is made of parts: the items of the result's one list.

    `count` says how many there are, and `asking_for` gives the same request for another number.
    The check of a part is the task's `check` of a result that has this part alone, against the
    request for one; together with the parts that stand, against the request for so many.
    `outline_model` has one list, too, of the same name: a plan for each part, with a `title` and
    whatever else the parts need to fit together. `outline_instructions` are the system prompt of
    the call for it. `title` is the field of a part that repeats the title of its plan.
    `instructions` are added to the task's in the call for a part.
    """

    count: Callable[[Req], int]
    asking_for: Callable[[Req, int], Req]
    outline_model: type[BaseModel]
    outline_instructions: str
    title: str
    instructions: str = ""


type AnyParts = Parts[Any]


def items_of(result: BaseModel) -> list[Any]:
    """The items of a model's one list."""
    [field] = type(result).model_fields
    items: list[Any] = getattr(result, field)
    return items
