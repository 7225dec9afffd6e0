"""A task: a kind of job."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, create_model
from pydantic_core import to_jsonable_python

from simmer.task.models import TaskRequest
from simmer.task.parts import MAX_PARTS, Parts

# The stages of a job that a task has words of its own for.
STAGES = ("analyzing", "generating")


def _as_sent(request: TaskRequest) -> Mapping[str, Any]:
    return {name: _sorted(value) for name, value in request}


def _sorted(value: Any) -> Any:
    """As JSON has it, and sets in an order that is the same in every process."""
    match value:
        case BaseModel():
            return {name: _sorted(each) for name, each in value}
        case Mapping():
            return {f"{to_jsonable_python(key)}": _sorted(each) for key, each in value.items()}
        case set() | frozenset():
            return sorted(map(_sorted, value), key=json.dumps)
        case list() | tuple():
            return [_sorted(each) for each in value]
    return to_jsonable_python(value)


def _anything_fits(_request: TaskRequest, _result: BaseModel) -> list[str]:
    return []


@dataclass(frozen=True, kw_only=True)
class Task[Req: TaskRequest, Res: BaseModel]:
    """A kind of job. `name` is that of the task's file, and part of its addresses.

    `instructions` is the system prompt, the same for every request so that providers can cache it;
    the request follows it as data.
    `identity` gives what makes two requests the same: equal values share one job and one answer.
    Without one, requests are the same when all their fields are.
    `check` holds a result that has the right types against its request and returns the complaints,
    worded for the model that has to mend the result; no complaints mean that the result fits.
    Raise `version` whenever answers to old requests would be wrong now: it is part of every job's
    id.
    `example` is a request as a client sends it, and `answer` a result that fits it, both as JSON.
    `examples` are further such pairs, which every model is shown before each request (few-shot);
    they cost input tokens in every call.
    `max_output_tokens` is the most that an answer needs, where that is less than a rung's own cap.
    `languages` are the languages that answers can be written in, as BCP 47 tags; the first one is
    for requests that prefer none of them.
    `words` are the words for the user while a job is `analyzing` and `generating`, by language.
    What a language lacks is taken from the generic words.
    `is_shareable` says that an answer tells nothing of who asked, so that users may share it.
    `links` lets texts hold addresses and Markdown links, of https alone. Without it they hold none
    but those of the request. Images and tags are refused either way.
    `parts` has the answer asked for in parts, which come earlier and fail alone.
    """

    name: str
    version: int
    request_model: type[Req]
    result_model: type[Res]
    instructions: str
    example: Mapping[str, Any]
    answer: Mapping[str, Any]
    identity: Callable[[Req], Mapping[str, Any]] = _as_sent
    check: Callable[[Req, Res], list[str]] = _anything_fits
    examples: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]] = ()
    max_output_tokens: int | None = None
    languages: Sequence[str] = ("en",)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    is_shareable: bool = False
    links: bool = False
    parts: Parts[Req] | None = None

    def part_count(self, request: Req) -> int:
        """The number of parts in which the answer is asked for; 1 is one call."""
        count = self.parts.count(request) if self.parts else 1
        return count if count <= MAX_PARTS else 1

    @cached_property
    def wire_model(self) -> type[Req]:
        """The request model, with `locale` one of the task's languages."""
        locale: Any = (Literal[tuple(self.languages)], self.languages[0])
        model: type[Req] = create_model(
            self.request_model.__name__,
            __base__=self.request_model,
            __doc__=self.request_model.__doc__,
            __module__=self.request_model.__module__,
            locale=locale,
        )
        return model


type AnyTask = Task[Any, Any]
