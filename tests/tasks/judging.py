"""A task's request and answer, read and checked as the worker does it."""

import json
from typing import Any

from simmer.task import AnyTask
from simmer.task.answers import read_answer
from simmer.task.reading import read_request


def asked(task: AnyTask, **changes: object) -> Any:
    """The task's example with these fields."""
    return read_request(task.wire_model, {**task.example, **changes})


def complaints(task: AnyTask, answer: object, **changes: object) -> list[str]:
    """What the check has against an answer to the example with these changes."""
    result = read_answer(task.result_model, json.dumps(answer)).result
    found: list[str] = task.check(asked(task, **changes), result)
    return found


def identity(task: AnyTask, **changes: object) -> str:
    return json.dumps(task.identity(asked(task, **changes)), sort_keys=True)
