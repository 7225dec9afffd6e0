"""What a chat asks for: the task, the request, and the schema that the answer must have."""

import dataclasses
import importlib
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from local.model.search import good_answer
from local.model.strict import as_asked

type Json = dict[str, Any]

_REQUEST = re.compile(r"^<request>[ \t]*\n(.*?)\n</request>[ \t]*$", re.DOTALL | re.MULTILINE)
_OUTLINE = re.compile(r"^<outline>[ \t]*\n(.*?)\n</outline>[ \t]*$", re.DOTALL | re.MULTILINE)
_OF_OUTLINE = "_outline"  # behind a task's name: what the schema of its outline is called


@dataclass(frozen=True)
class Order:
    """A request to a task, and the good answer to it. `schema` is what the endpoint was told."""

    task: Any
    request: Json
    schema: Json | None = None
    given: Json | None = field(default=None)  # the good answer, if it is known already

    @cached_property
    def result(self) -> Json:
        return self.given or good_answer(self.task, self.request)

    def text(self, result: Any = None) -> str:
        """That result, or the good one, as a model writes it."""
        said = self.result if result is None else result
        if self.schema is not None:
            said = as_asked(said, self.schema)
        return json.dumps(said, ensure_ascii=False)


def order_of(tasks: "Tasks", messages: Iterable[Json], response_format: Json) -> Order | None:
    """What the chat asks for, or None if no task of ours wrote it. The last request counts: when a
    bad answer is asked again, the request is not the last text."""
    messages = list(messages)
    users = [text_of(each) for each in messages if each.get("role") == "user"]
    found = [request for text in users for request in _REQUEST.findall(text)]
    asked = response_format.get("json_schema") or {}
    system = "\n".join(text_of(each) for each in messages if each.get("role") == "system")
    name = asked.get("name") or ""
    task = tasks.asked_for(name.removesuffix(_OF_OUTLINE), system) if found else None
    if task is None:
        return None
    request, schema = json.loads(found[-1]), asked.get("schema")
    if name.endswith(_OF_OUTLINE) or (task.parts and _is_outline(task, system)):
        return _outline_order(task, request, schema)
    plans = [json.loads(each) for text in users for each in _OUTLINE.findall(text)]
    return Order(task, request, schema, _part(task, request, plans[-1]) if plans else None)


def _is_outline(task: Any, system: str) -> bool:
    told: bool = system.startswith(task.parts.outline_instructions)
    return told


def _outline_order(task: Any, request: Json, schema: Json | None) -> Order:
    """The titles of the good answer, as the outline's model has them."""
    [(name, items)] = good_answer(task, request).items()
    title = _title(task)
    fields = _item_model(task.parts.outline_model).model_fields.values()
    known = [field.alias for field in fields]
    plans = [
        {**{key: item[key] for key in known if key in item}, "title": item[title]} for item in items
    ]
    planning = dataclasses.replace(
        task,
        name=f"{task.name}{_OF_OUTLINE}",
        result_model=task.parts.outline_model,
        check=lambda *_: [],
        parts=None,
    )
    return Order(planning, request, schema, {name: plans})


def _part(task: Any, request: Json, planned: Json) -> Json:
    """That part of the good answer to the request for all of them."""
    [(name, plans)] = planned["outline"].items()
    asked = task.wire_model.model_validate_json(json.dumps(request))
    whole = task.parts.asking_for(asked, len(plans)).model_dump_json(
        by_alias=True, exclude_none=True
    )
    items = good_answer(task, json.loads(whole))[name]
    item = items[plans.index(planned["part"]) % len(items)]
    return {name: [{**item, _title(task): planned["part"]["title"]}]}


def _title(task: Any) -> str:
    alias: str = _item_model(task.result_model).model_fields[task.parts.title].alias
    return alias


def _item_model(model: Any) -> Any:
    """The model of the items of a model's one list."""
    [field] = model.model_fields.values()
    return field.annotation.__args__[0]


def text_of(message: Json) -> str:
    """The text of a message, whose content is a string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


class Tasks:
    """The tasks by name. With `reloads` they are read anew when a file of the layer has changed,
    which is for a process that does nothing else: whatever it has of `simmer` is loaded again."""

    def __init__(self, *, reloads: bool = False) -> None:
        self._reloads = reloads
        self._state: tuple[tuple[str, int], ...] = ()
        self._known: dict[str, Any] | None = None

    def load(self) -> None:
        """Read them now, so that one that cannot be loaded is named before anybody asks."""
        self._all()

    def asked_for(self, schema_name: str | None, system: str) -> Any:
        """By the name of the answer's schema, or by the instructions that the chat begins with;
        None if it is no task's."""
        known = self._all()
        if schema_name in known:
            return known[schema_name]
        told = [
            (len(text), task)
            for task in known.values()
            for text in (task.instructions, task.parts.outline_instructions if task.parts else "")
            if text and system.startswith(text)
        ]
        return max(told, key=lambda each: each[0], default=(0, None))[1]

    def _all(self) -> dict[str, Any]:
        if self._known is not None and not self._reloads:
            return self._known
        import simmer

        state = tuple(
            (str(file), file.stat().st_mtime_ns)
            for file in sorted(Path(simmer.__path__[0]).rglob("*.py"))
        )
        if self._known is None or state != self._state:
            before = self._known or {}
            if before:
                _forget()
            self._state, self._known = state, _load(before)
        return self._known


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "simmer"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _load(before: dict[str, Any]) -> dict[str, Any]:
    """Every task; one that cannot be loaded as it was before, which is still served."""
    registry = importlib.import_module("simmer.task")
    names = importlib.import_module("simmer.tasks").task_names()
    tasks = {}
    for name in sorted(names):
        try:
            tasks[name] = registry.find_task(name)
        except Exception as error:  # whatever a file may raise: its author is told elsewhere
            print(f"task {name} cannot be loaded: {error}", flush=True)
            if name in before:
                tasks[name] = before[name]
    return tasks
