"""Finds a task by its name, and refuses one that cannot work, by its file and the cure."""

import importlib
import re
import traceback
from collections.abc import Iterator, Mapping
from functools import cache
from typing import get_args, get_origin

from pydantic import BaseModel

from simmer.task.models import TaskRequest
from simmer.task.parts import Parts
from simmer.task.schema import unfit
from simmer.task.task import STAGES, AnyTask, Task
from simmer.tasks import known_task

# RFC 5646, 2.1: language, script, region, variants, extensions, private use.
_LANGUAGE_TAG = re.compile(
    r"[a-z]{2,3}(-[a-z]{3}){0,3}(-[a-z]{4})?(-([a-z]{2}|\d{3}))?(-(\w{5,8}|\d\w{3}))*"
    r"(-[0-9a-wy-z](-\w{2,8})+)*(-x(-\w{1,8})+)?",
    re.ASCII | re.IGNORECASE,
)


MAX_SAID_CHARACTERS = 300


class TaskError(Exception):
    """A task file is wrong. The text names the file, what is wrong in it, and the cure."""


@cache
def find_task(name: str) -> AnyTask:
    """The task of that name, or `UnknownTask`. Only its own file is imported.

    What it cannot have is refused here, at every start, and not by jobs that fail. Whether its
    example and its answer fit is a matter of the tests and of `make run`.
    """
    file = f"simmer/tasks/{known_task(name)}.py"
    try:
        module = importlib.import_module(f"simmer.tasks.{name}")
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:MAX_SAID_CHARACTERS]}"
        raise TaskError(f"{file}: {_where(error, name)}: {said}") from error
    task = getattr(module, "TASK", None)
    if not isinstance(task, Task):
        raise TaskError(
            f"{file}: has no `TASK = Task(…)`; if it is no task, let its name begin with `_`"
        )
    if found := [f"{file}: {flaw}" for flaw in flaws(task, name)]:
        raise TaskError("\n".join(found))
    return task


def _where(error: BaseException, name: str) -> str:
    """The last line of the task's own file on the way to the error."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename.endswith(f"/{name}.py")]
    return f"line {lines[-1]}" if lines else "cannot be loaded"


def flaws(task: AnyTask, name: str) -> Iterator[str]:
    """The flaws of a task in a file of that name, as far as its fields and types show them."""
    if task.name != name:
        yield f"name: is {task.name!r}: give the task and its file the same name"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        yield "name: is part of an address: use small letters, digits and _, a letter first"
    if type(task.version) is not int or task.version < 1:
        yield f"version: is {task.version!r}: use 1, 2, 3 and so on"
    if not isinstance(task.instructions, str) or not task.instructions.strip():
        yield "instructions: are empty: tell the model what to write"
    if task.max_output_tokens is not None and (
        type(task.max_output_tokens) is not int or task.max_output_tokens < 1
    ):
        yield f"max_output_tokens: is {task.max_output_tokens!r}: use a number, or leave it out"
    for field in ("is_shareable", "links"):
        if type(getattr(task, field)) is not bool:
            yield f"{field}: is {getattr(task, field)!r}: use True or False"
    yield from _flaws_of_models(task)
    yield from _flaws_of_parts(task)
    yield from _flaws_of_languages(task)


def _flaws_of_models(task: AnyTask) -> Iterator[str]:
    request, result = task.request_model, task.result_model
    if not (isinstance(request, type) and issubclass(request, TaskRequest)):
        yield "request_model: is no such model: derive it from TaskRequest"
        return
    if request.model_fields["locale"].annotation is not str:
        yield "request_model: locale: is the language of the answer: call your field otherwise"
    if not (isinstance(result, type) and issubclass(result, BaseModel)):
        yield "result_model: is no pydantic model: derive it from TaskResult"
        return
    models = (("request_model", request, False), ("result_model", result, True))
    for field, model, is_answer in models:
        found = unfit(model, is_answer=is_answer, has_links=task.links or not is_answer)
        yield from dict.fromkeys(f"{field}: {place}: {sentence}" for place, sentence in found)


def _flaws_of_parts(task: AnyTask) -> Iterator[str]:
    if not isinstance(task.parts, Parts):
        if task.parts is not None:
            yield f"parts: is {task.parts!r}: write Parts(…), or leave it out"
        return
    lists = {}
    models = (
        ("result_model", task.result_model),
        ("parts: outline_model", task.parts.outline_model),
    )
    for field, model in models:
        fields = list(getattr(model, "model_fields", {}).items())
        kind = fields[0][1].annotation if len(fields) == 1 else None
        item = get_args(kind)[0] if get_origin(kind) is list else None
        if not (isinstance(item, type) and issubclass(item, BaseModel)):
            yield f"{field}: is not one list of models: leave out `parts`, or the other fields"
            return
        lists[field] = fields[0][1].validation_alias or fields[0][0], item
    (name, item), (planned, plan) = lists.values()
    if name != planned:
        yield f"parts: outline_model: has a list called {planned}: call it {name}, as in the result"
    for field, model, title in (
        ("title", item, task.parts.title),
        ("outline_model", plan, "title"),
    ):
        if title not in model.model_fields or model.model_fields[title].annotation is not str:
            yield f"parts: {field}: {model.__name__} has no text called {title}: name one"


def _flaws_of_languages(task: AnyTask) -> Iterator[str]:
    languages = task.languages
    if isinstance(languages, str) or not languages:
        yield 'languages: name none: give a tuple such as ("en",)'
        return
    for tag in languages:
        if not isinstance(tag, str) or not _LANGUAGE_TAG.fullmatch(tag):
            yield f"languages: {tag!r} is no language tag: write it as in BCP 47, such as pt-BR"
    if len({str(tag).lower() for tag in languages}) < len(languages):
        yield "languages: name one twice: name each once"
    yield from _flaws_of_words(task)


def _flaws_of_words(task: AnyTask) -> Iterator[str]:
    if not isinstance(task.words, Mapping):
        yield 'words: are none by language: write {"en": {"analyzing": "…"}}'
        return
    for language, words in task.words.items():
        if not isinstance(words, Mapping):
            yield f'words: {language}: are none by stage: write {{"analyzing": "…"}}'
            continue
        if language not in task.languages:
            yield f"words: {language}: is not among the languages: add it there, or leave it out"
        for stage, text in words.items():
            if stage not in STAGES:
                yield f"words: {language}: {stage!r} is no stage: use {' or '.join(STAGES)}"
            elif not isinstance(text, str) or not text.strip():
                yield f"words: {language}: {stage}: is empty: write it, or leave it out"
