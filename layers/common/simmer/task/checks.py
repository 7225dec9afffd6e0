"""The full check of a task: `python -m simmer.task.checks` says in a line each what is wrong.

Tests check every task by it, and `make run` does before it serves: no file gets to AWS otherwise.
There only the cheap part runs (`find_task`): schemas, the example and a validator cost more than
half a cold start, and the file cannot have changed since it was checked.
"""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from simmer.task.answers import Misfit, read_answer
from simmer.task.reading import Misread, as_stored, read_request
from simmer.task.registry import TaskError, find_task, flaws
from simmer.task.schema import unfit, wire_schema
from simmer.task.strict_schema import alike, strict
from simmer.task.task import AnyTask
from simmer.tasks import task_names
from simmer.text import strict_json


def check_task(task: AnyTask, file: str) -> None:
    """Do nothing for a task that works; else raise a `TaskError` of one line a flaw, each with the
    file, the field, what is wrong with it, and the cure."""
    name = file.rpartition("/")[2].removesuffix(".py")
    found = list(flaws(task, name)) or list(_unfit(task)) or list(_misfits(task))
    if found:
        raise TaskError("\n".join(f"{file}: {complaint}" for complaint in found))


def _unfit(task: AnyTask) -> Iterator[str]:
    """Types that cannot go over the wire."""
    models = (("request_model", task.request_model), ("result_model", task.result_model))
    for field, model in models:
        found = unfit(model, is_answer=field == "result_model")
        yield from dict.fromkeys(f"{field}: {place}: {sentence}" for place, sentence in found)


def _misfits(task: AnyTask) -> Iterator[str]:
    """The example and its answer, taken through all that a job goes through."""
    told = strict(wire_schema(task.result_model), bounds=True)
    for key in alike(told):
        yield (
            f"result_model: has a union whose objects begin alike ({key}), so that no endpoint "
            "can tell which it writes: give each a `Literal` field of its own"
        )
    try:
        document = strict_json.loads(json.dumps(task.example))
        request: Any = read_request(task.wire_model, document)
    except Misread as misread:
        for place, message in misread.errors:
            yield f"example: {place}: {message}: make it a request that the model takes"
        return
    except (TypeError, ValueError) as error:
        yield f"example: is no JSON ({error}): write it as a client sends it"
        return
    yield from _cannot_be_kept(task, request)
    yield from _fits(task, request)


def _cannot_be_kept(task: AnyTask, request: Any) -> Iterator[str]:
    again = _tried(lambda: task.wire_model.model_validate_json(as_stored(request)))
    if again != request:
        yield (
            "request_model: is not the same when it has been stored and read again: look for "
            "fields that are excluded, secret, or named otherwise when they are written"
        )
    same = _tried(lambda: json.dumps(dict(task.identity(request))))
    if isinstance(same, Exception):
        yield f"identity: fails on the example ({same}): return a dict that JSON can hold"
    elif same != _tried(lambda: json.dumps(dict(task.identity(request)))):
        yield "identity: differs from call to call: let it depend on the request alone"


def _fits(task: AnyTask, request: Any) -> Iterator[str]:
    try:
        answer = read_answer(task.result_model, json.dumps(task.answer, ensure_ascii=False))
    except Misfit as misfit:
        yield from (f"answer: {each}: make it one that fits" for each in misfit.complaints)
        return
    except (TypeError, ValueError) as error:
        yield f"answer: is no JSON ({error}): write it as a model would"
        return
    complaints = _tried(lambda: task.check(request, answer.result))
    match complaints:
        case Exception():
            yield f"check: fails on the example and its answer ({complaints!r}): mend it"
        case list() if all(isinstance(each, str) for each in complaints):
            yield from (f"answer: the check says: {each}: make it fit" for each in complaints)
        case _:
            yield f"check: returns {complaints!r}: return a list of texts, empty if all is well"


def _tried(call: Callable[[], Any]) -> Any:
    """What the task's own code gives, or the exception that it raises."""
    try:
        return call()
    except Exception as error:
        return error


def check_all() -> None:
    """Every task, or a `TaskError`."""
    for name in sorted(task_names()):
        check_task(find_task(name), f"simmer/tasks/{name}.py")


if __name__ == "__main__":
    try:
        check_all()
    except TaskError as error:
        sys.exit(str(error))
