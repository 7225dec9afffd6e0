"""What a task says of itself so that Simmer can run it. A file of `simmer.tasks` imports from here.

The tests, `make run` and the functions find a task by `find_task`.
"""

from simmer.task.models import NOT_ASKED, Omittable, TaskRequest, TaskResult
from simmer.task.parts import Parts
from simmer.task.registry import TaskError, find_task
from simmer.task.task import AnyTask, Task

__all__ = [
    "NOT_ASKED",
    "AnyTask",
    "Omittable",
    "Parts",
    "Task",
    "TaskError",
    "TaskRequest",
    "TaskResult",
    "find_task",
]
