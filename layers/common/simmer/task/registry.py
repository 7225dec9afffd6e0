"""Finds a task by its name, and refuses one that cannot work, by its file and the cure."""

import importlib
from functools import cache

from simmer.task.task import AnyTask, Task
from simmer.tasks import known_task


class TaskError(Exception):
    """A task file is wrong. The text names the file, what is wrong in it, and the cure."""


@cache
def find_task(name: str) -> AnyTask:
    """The task of that name, or `UnknownTask`. Only its own file is imported."""
    module = importlib.import_module(f"simmer.tasks.{known_task(name)}")
    file = f"simmer/tasks/{name}.py"
    task = getattr(module, "TASK", None)
    if not isinstance(task, Task):
        raise TaskError(
            f"{file}: has no `TASK = Task(…)`; if it is no task, let its name begin with `_`"
        )
    if task.name != name:
        raise TaskError(f"{file}: names its task {task.name!r}; give both the same name")
    return task
