"""Generators that are a task's own, where a better answer is wanted than one made of its example.

A module named as the task has `answer(request)`, the result for a request, both as JSON; and
perhaps `KINDS`, answers that are wrong in a way only this task knows, by name.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

type Json = dict[str, Any]


def answer_of(task_name: str) -> Callable[[Mapping[str, Any]], Json] | None:
    """The task's own generator, if there is one."""
    return getattr(_module(task_name), "answer", None)


def kinds_of(task_name: str) -> Mapping[str, Callable[[Json, Json], Json]]:
    """The task's own wrong answers: of the request and the good result, the wrong one."""
    return getattr(_module(task_name), "KINDS", {})


def all_kinds() -> frozenset[str]:
    """Those of every task that has a generator of its own."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return frozenset(kind for name in names for kind in kinds_of(name))


def _module(task_name: str) -> Any:
    if any(module.name == task_name for module in pkgutil.iter_modules(__path__)):
        return importlib.import_module(f"{__name__}.{task_name}")
    return None
