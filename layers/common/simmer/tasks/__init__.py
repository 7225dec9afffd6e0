"""One file a task: its name is the task's, and it holds a `TASK`. A file whose name begins with `_`
is no task: what several tasks share may stand there.

This module imports none of them, so that a poll need not load their models.
"""

import pkgutil
from functools import cache

from simmer.errors import UnknownTask


@cache  # a poll asks, too
def task_names() -> frozenset[str]:
    """The names of all tasks."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return frozenset(name for name in names if not name.startswith("_"))


def known_task(name: str) -> str:
    """The name itself, or `UnknownTask`."""
    if name not in task_names():
        raise UnknownTask("There is no task of that name here.")
    return name
