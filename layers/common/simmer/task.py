"""What a task must say of itself so that Simmer can run it. Tasks live in `simmer.tasks`."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, field_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from simmer.errors import UnknownTask

Locale = Literal["ko", "en"]
DEFAULT_LOCALE: Locale = "ko"


class _NeverNull:
    """Leaves null out of the JSON schema."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        json_schema = handler(schema)
        [alone] = [kind for kind in json_schema.pop("anyOf") if kind != {"type": "null"}]
        return {**json_schema, **alone}


# The type of a field that may be absent. On the wire absent is absent: null is refused.
# (`T | SkipJsonSchema[None]` would do, but for errors that ask for None and name no field.)
_T = TypeVar("_T")
Omittable = Annotated[_T | None, _NeverNull()]


class _WireModel(BaseModel):
    """camelCase, nothing unknown, nothing coerced, nothing null."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=False,
        extra="forbid",
        strict=True,
        frozen=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("must not be null: leave it out")
        return value


class TaskRequest(_WireModel):
    """The base of every request model."""

    locale: Locale = DEFAULT_LOCALE


class TaskResult(_WireModel):
    """The base of every result model, and of the models in it.

    A field with `json_schema_extra=NOT_ASKED` is accepted, but the model is not told of it.
    """


NOT_ASKED = {"x-not-asked": True}


@dataclass(frozen=True, kw_only=True)
class Task[Req: TaskRequest, Res: TaskResult]:
    """A kind of job.

    `identity` gives what makes two requests the same: equal values share one job and one answer.
    `check` holds a result that has the right types against its request and returns the
    complaints, worded for the model that has to mend them; none means that the result fits.
    `instructions` is the system prompt, the same for every request so that providers can cache it;
    the request follows it as data. Raise `version` whenever answers to old requests would be wrong
    now: it is part of every job's id.
    `is_shareable` says that an answer tells nothing of who asked, so that users may share it.
    `stage_messages` are the words for the user while a job is `analyzing` and `generating`.
    """

    name: str
    version: int
    request_model: type[Req]
    result_model: type[Res]
    instructions: str
    identity: Callable[[Req], Mapping[str, Any]]
    check: Callable[[Req, Res], list[str]]
    stage_messages: Mapping[Locale, Mapping[str, str]]
    is_shareable: bool = False


type AnyTask = Task[Any, Any]


@cache
def _tasks() -> Mapping[str, AnyTask]:
    package = importlib.import_module("simmer.tasks")
    modules = [
        importlib.import_module(f"simmer.tasks.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
    ]
    return {module.TASK.name: module.TASK for module in modules}


def task_names() -> Sequence[str]:
    return tuple(_tasks())


def find_task(name: str) -> AnyTask:
    """The task of that name, or `UnknownTask`."""
    try:
        return _tasks()[name]
    except KeyError:
        raise UnknownTask("There is no task of that name here.") from None
