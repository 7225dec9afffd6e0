"""The full check of a task: `python -m local.task_checks` says in a line each what is wrong.

`find_task` refuses at every start what a task's fields and types show. Here the example and its
answer go through all that a job goes through. Tests do this for every task, and `make run` before
it serves; a function on AWS does not, for the file cannot have changed since, and it would cost a
start more than the types do.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from simmer.task.answers import Misfit, by_schema, read_answer
from simmer.task.parts import AnyParts, items_of
from simmer.task.reading import Misread, as_stored, complaints, read_request
from simmer.task.registry import TaskError, find_task, flaws
from simmer.task.schema import target, wire_schema
from simmer.task.strict_schema import first_key, strict, unions
from simmer.task.task import AnyTask
from simmer.tasks import task_names
from simmer.text import strict_json

MAX_LEVELS = 10  # of objects in one another, as OpenAI documents it


def check_task(task: AnyTask, file: str) -> None:
    """Do nothing for a task that works; else raise a `TaskError` of one line a flaw, each with the
    file, the field, what is wrong with it, and the cure."""
    name = file.rpartition("/")[2].removesuffix(".py")
    found = list(flaws(task, name)) or list(_misfits(task))
    if found:
        raise TaskError("\n".join(f"{file}: {complaint}" for complaint in found))


def _misfits(task: AnyTask) -> Iterator[str]:
    """The example and its answer, taken through all that a job goes through."""
    for field, model in (("request", task.request_model), ("result", task.result_model)):
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", model.__name__):
            yield (
                f"{field}_model: is called {model.__name__!r}, and generated clients need a name: "
                "derive a class of its own from it"
            )
    told = strict(wire_schema(task.result_model), bounds=True)
    for key in alike(told):
        yield (
            f"result_model: has a union whose objects begin alike ({key}), so that no endpoint "
            "can tell which it writes: give each a `Literal` field of its own"
        )
    if (levels := _levels(told, told.get("$defs", {}), frozenset())) > MAX_LEVELS:
        yield (
            f"result_model: has {levels} levels of objects, a mapping being two; endpoints take "
            f"{MAX_LEVELS}: make it flatter"
        )
    yield from _pair_misfits(task, "example", task.example, "answer", task.answer)
    if not isinstance(task.examples, tuple | list):
        yield "examples: are no list: write [(request, answer)]"
        return
    for i, pair in enumerate(task.examples):
        if isinstance(pair, tuple) and len(pair) == 2:
            yield from _pair_misfits(
                task, f"examples[{i}][0]", pair[0], f"examples[{i}][1]", pair[1]
            )
        else:
            yield f"examples[{i}]: is no pair: write (request, answer)"


def _pair_misfits(
    task: AnyTask, asked_in: str, asked: Any, answered_in: str, answer: Any
) -> Iterator[str]:
    """A request and its answer; the fields that they stand in are named."""
    try:
        document = strict_json.loads(json.dumps(asked))
        request: Any = read_request(task.wire_model, document)
    except Misread as misread:
        for place, message in misread.errors:
            yield f"{asked_in}: {place or 'it'}: {message}: make it a request that the model takes"
        return
    except (TypeError, ValueError) as error:
        yield f"{asked_in}: is no JSON ({error}): write it as a client sends it"
        return
    # Pydantic takes the text "9.50" for a decimal; clients are told of a number.
    for place, message in by_schema(task.wire_model, strict_json.without_nulls(document)):
        yield f"{asked_in}: {place}: {message}: write it as openapi.json has it"
    yield from _cannot_be_kept(task, request)
    yield from _fits(task, request, answered_in, answer)


def alike(told: dict[str, Any]) -> Iterator[str]:
    """The first keys that two objects of one union share in a strict schema."""
    definitions = told.get("$defs", {})
    for alternatives in unions(told):
        objects = [target(each, definitions).get("properties") for each in alternatives]
        first = [first_key({"properties": each}, next(iter(each))) for each in objects if each]
        yield from (key for key, times in Counter(first).items() if times > 1)


def _levels(node: Any, definitions: dict[str, Any], seen: frozenset[str]) -> int:
    """How many objects stand in one another; what holds itself counts once."""
    if isinstance(node, list):
        return max((_levels(each, definitions, seen) for each in node), default=0)
    if not isinstance(node, dict):
        return 0
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return 0 if name in seen else _levels(definitions[name], definitions, seen | {name})
    parts = [*node.get("properties", {}).values(), *node.get("anyOf", ()), node.get("items")]
    return _levels(parts, definitions, seen) + ("properties" in node)


def _cannot_be_kept(task: AnyTask, request: Any) -> Iterator[str]:
    again = _tried(lambda: task.wire_model.model_validate_json(as_stored(request)))
    if isinstance(again, ValidationError):
        for place, message in complaints(again, None):
            yield f"request_model: {place}: its default is refused ({message}): give one that fits"
    elif again != request:
        yield (
            "request_model: is not the same when it has been stored and read again: look for "
            "fields that are excluded, secret, or named otherwise when they are written"
        )
    same = _tried(lambda: json.dumps(dict(task.identity(request))))
    if isinstance(same, Exception):
        yield f"identity: fails on the example ({same}): return a dict that JSON can hold"
    elif same != _tried(lambda: json.dumps(dict(task.identity(request)))):
        yield "identity: differs from call to call: let it depend on the request alone"


def _fits(task: AnyTask, request: Any, field: str, answered: Any) -> Iterator[str]:
    try:
        answer = read_answer(task.result_model, json.dumps(answered, ensure_ascii=False))
    except Misfit as misfit:
        yield from (f"{field}: {each}: make it one that fits" for each in misfit.complaints)
        return
    except (TypeError, ValueError) as error:
        yield f"{field}: is no JSON ({error}): write it as a model would"
        return
    yield from _complaints(task, request, answer.result, field)
    if task.parts:
        yield from _parts_misfits(task, task.parts, request, answer.result, field)


def _complaints(task: AnyTask, request: Any, result: Any, field: str) -> Iterator[str]:
    said = _tried(lambda: task.check(request, result))
    match said:
        case Exception():
            yield f"check: fails on the example and its answer ({said!r}): mend it"
        case list() if all(isinstance(each, str) for each in said):
            yield from (f"{field}: the check says: {each}: make it fit" for each in said)
        case _:
            yield f"check: returns {said!r}: return a list of texts, empty if all is well"


def _parts_misfits(
    task: AnyTask, parts: AnyParts, request: Any, result: Any, field: str
) -> Iterator[str]:
    """The answer as parts, each held to the request for one, as a worker does it."""
    count, items = _tried(lambda: parts.count(request)), items_of(result)
    if count != len(items):
        yield (
            f"parts: count: gives {count!r} for the example, and its {field} has {len(items)}: "
            "return how many there are to be"
        )
    one = _tried(lambda: parts.asking_for(request, 1))
    if not isinstance(one, task.request_model) or _tried(lambda: parts.count(one)) != 1:
        yield f"parts: asking_for: gives {one!r} for one: return the request, asking for so many"
        return
    for i, item in enumerate(items):
        part = result.model_copy(update={name: [item] for name in type(result).model_fields})
        yield from _complaints(task, one, part, f"parts: item {i} of {field} alone")


def _tried(call: Callable[[], Any]) -> Any:
    """What the task's own code gives, or the exception that it raises."""
    try:
        return call()
    except Exception as error:
        return error


def check_all() -> None:
    """Every task, or a `TaskError` with all that is wrong with any."""
    found = []
    for name in sorted(task_names()):
        try:
            check_task(find_task(name), f"simmer/tasks/{name}.py")
        except TaskError as error:
            found.append(str(error))
    if found:
        raise TaskError("\n".join(found))


if __name__ == "__main__":
    try:
        check_all()
    except TaskError as error:
        sys.exit(str(error))
