"""The stand-in answers any task: what it says fits the request, and each misbehaviour is one."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import Field

from answer import InvalidAnswer, validated
from local.child import Child
from local.model import search
from local.model.chat import Order, Tasks, order_of
from local.model.contents import CONTENTS, content_of
from local.model.own import all_kinds
from local.model.search import adapted, complaints, good_answer
from local.model.strict import as_asked
from local.toolchain import REPOSITORY
from simmer.task import AnyTask, Omittable, Task, TaskRequest, TaskResult, find_task
from simmer.tasks import task_names
from tests.unit.local.copied import layer_in
from tests.unit.worker.fakes import answer_schema

type Json = dict[str, Any]


class TripRequest(TaskRequest):
    """A trip that is wanted."""

    city: str
    days: Annotated[int, Field(ge=1, le=7)] = 2
    likes: list[str]
    pace: Literal["slow", "fast"] = "slow"


class Stop(TaskResult):
    """One place to go to."""

    day: int
    place: Annotated[str, Field(min_length=1)]
    minutes: Annotated[int, Field(ge=10, le=600)]
    note: Omittable[str] = None


class Trip(TaskResult):
    """The plan of a trip."""

    title: str
    pace: Literal["slow", "fast"]
    stops: Annotated[list[Stop], Field(min_length=1)]
    total_minutes: int


def _fits(request: TripRequest, trip: Trip) -> list[str]:
    found = []
    if {stop.day for stop in trip.stops} != set(range(1, request.days + 1)):
        found.append("stops: there must be one for each day")
    if request.city not in trip.title:
        found.append("title: must name the city")
    if trip.pace != request.pace:
        found.append("pace: must be the one that was asked for")
    if trip.total_minutes != sum(stop.minutes for stop in trip.stops):
        found.append("totalMinutes: must be the sum")
    return found


TRIP: AnyTask = Task(
    name="trip",
    version=1,
    request_model=TripRequest,
    result_model=Trip,
    instructions="Plan a trip.",
    example={"city": "Rome", "likes": ["art", "food"], "days": 2},
    answer={
        "title": "Two slow days in Rome",
        "pace": "slow",
        "stops": [
            {"day": 1, "place": "A museum of art", "minutes": 120},
            {"day": 2, "place": "A market for food", "minutes": 90},
        ],
        "totalMinutes": 210,
    },
    check=_fits,
)

REQUESTS: list[Json] = [
    {"city": "Rome", "likes": ["art", "food"], "days": 2},
    {"city": "Seoul", "likes": ["music"], "days": 2, "pace": "fast"},
    {"city": "부산", "likes": ["sea", "fish", "art"], "days": 3},
    {"city": "<b>Ulm</b>", "likes": ["beer"], "days": 1},
    {"city": "Oslo", "likes": [], "days": 4},
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: str(each["city"]))
def test_an_answer_fits_another_request_than_the_example(request_: Json) -> None:
    answer = good_answer(TRIP, request_)

    assert complaints(TRIP, request_, answer) == 0
    assert answer == good_answer(TRIP, request_), "the same each time"


def test_an_answer_that_the_check_does_not_expect_is_not_said() -> None:
    """Such as a point in time without its offset, which no answer has that is delivered."""
    rome = dict(TRIP.answer)

    def only_rome(_: TripRequest, trip: Trip) -> list[str]:
        return [] if {"Two slow days in Rome": True}[trip.title] else ["never"]

    task = replace(TRIP, check=only_rome)

    assert good_answer(task, {"city": "Rome", "likes": ["art", "food"], "days": 2}) == rome
    assert complaints(task, REQUESTS[1], {**rome, "title": "Oslo"}) == 1


class NoText(TaskResult):
    """Of numbers, and of one of some texts."""

    pace: Literal["slow", "fast"]
    days: dict[str, int]


def test_markup_is_put_where_a_text_may_be() -> None:
    deep = replace(TRIP, result_model=Notes, answer={"notes": {"a": {"text": "b"}}}, check=_all_fit)
    none = replace(
        TRIP, result_model=NoText, answer={"pace": "slow", "days": {"a": 1}}, check=_all_fit
    )

    in_deep = json.loads(content_of("markup", Order(deep, REQUESTS[0])).text or "")
    assert in_deep["notes"]["a"]["text"].startswith("<script>")
    in_none = json.loads(content_of("markup", Order(none, REQUESTS[0])).text or "")
    assert in_none.pop("text").startswith("<script>")
    assert in_none == none.answer


class Note(TaskResult):
    """A text."""

    text: str


class Notes(TaskResult):
    """Texts, further down."""

    notes: dict[str, Note]


def _all_fit(*_: object) -> list[str]:
    return []


def test_what_the_example_and_its_answer_share_comes_from_the_request() -> None:
    answer = adapted(TRIP, {"city": "Seoul", "likes": ["music", "tea"], "pace": "fast"})

    assert answer["title"] == "Two fast days in Seoul"
    assert [stop["place"] for stop in answer["stops"]] == ["A museum of music", "A market for tea"]
    assert answer["pace"] == "fast"


def test_a_check_that_nothing_satisfies_leaves_the_answer_nearest_to_it() -> None:
    never = replace(TRIP, check=lambda request, trip: [*_fits(request, trip), "never"])

    assert complaints(never, REQUESTS[1], good_answer(never, REQUESTS[1])) == 1


@pytest.mark.parametrize("name", sorted(task_names()))
@pytest.mark.parametrize("has_own", [True, False])
def test_every_tasks_example_is_answered_by_what_may_be_delivered(
    name: str, has_own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_own:
        monkeypatch.setattr(search, "answer_of", lambda _: None)
    task = find_task(name)
    order = Order(task, dict(task.example), schema=answer_schema(name, bounds=True))
    request = task.wire_model.model_validate_json(json.dumps(task.example))

    assert validated(task, request, Order(task, dict(task.example)).text())
    asked = Draft202012Validator(order.schema or {})
    errors = list(asked.iter_errors(json.loads(order.text())))
    assert [error.message for error in errors if error.validator != "type"] == []


# ── Misbehaviour ──────────────────────────────────────────────────────────────────────────────────

TOLERATED = {"ok", "fenced"}


@pytest.mark.parametrize("kind", sorted(CONTENTS.keys() - TOLERATED))
@pytest.mark.parametrize("task", [TRIP, find_task(min(task_names()))], ids=lambda task: task.name)
def test_each_kind_of_bad_answer_is_bad_for_any_task(task: AnyTask, kind: str) -> None:
    content = content_of(kind, Order(task, dict(task.example)))

    if content.refusal or content.finish_reason != "stop":
        return
    request = task.wire_model.model_validate_json(json.dumps(task.example))
    with pytest.raises(InvalidAnswer):
        validated(task, request, content.text or "")


def test_an_unfit_answer_has_the_right_types() -> None:
    text = content_of("unfit", Order(TRIP, REQUESTS[0])).text or ""

    trip = Trip.model_validate_json(text)
    assert _fits(TripRequest.model_validate_json(json.dumps(REQUESTS[0])), trip)


def test_a_kind_of_another_tasks_is_just_unfit() -> None:
    for kind in all_kinds():
        assert content_of(kind, Order(TRIP, REQUESTS[0])) == content_of(
            "unfit", Order(TRIP, REQUESTS[0])
        )


# ── What it is asked ──────────────────────────────────────────────────────────────────────────────


def _chat(task: AnyTask, request: Json) -> list[Json]:
    return [
        {"role": "system", "content": f"{task.instructions}\nThe answer's JSON schema:\n{{}}"},
        {"role": "user", "content": f"<request>\n{json.dumps(request)}\n</request>"},
        {"role": "assistant", "content": "no"},
        {"role": "user", "content": [{"type": "text", "text": "That cannot be used."}]},
    ]


@pytest.mark.parametrize("name", sorted(task_names()))
@pytest.mark.parametrize("by_name", [True, False])
def test_the_task_is_known_by_the_schemas_name_or_by_its_instructions(
    name: str, by_name: bool
) -> None:
    task = find_task(name)
    told = {"json_schema": {"name": name, "schema": {"type": "object"}}} if by_name else {}
    chat = _chat(task, dict(task.example))

    order = order_of(Tasks(), chat if not by_name else chat[1:], told)

    assert order
    assert (order.task.name, order.request) == (name, task.example)


def test_a_task_that_cannot_be_loaded_is_named_before_it_listens(tmp_path: Path) -> None:
    layer = layer_in(tmp_path)
    (layer / "simmer" / "tasks" / "odd.py").write_text("TASK = nothing\n")
    child = Child(
        Path(sys.executable),
        "local.model.server",
        environment={**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{layer}"},
        log=tmp_path / "model.log",
    )
    try:
        assert child.port()
        said = child.log_tail()
    finally:
        child.stop()

    assert "task odd cannot be loaded: simmer/tasks/odd.py: line 1: NameError" in said
    assert said.index("odd.py") < said.index("listening on")


def test_a_chat_of_nobodys_is_no_order() -> None:
    assert order_of(Tasks(), [{"role": "user", "content": "Hello!"}], {}) is None
    assert order_of(Tasks(), _chat(TRIP, REQUESTS[0]), {}) is None


def _object(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


NUMBER, TEXT = {"type": "number"}, {"type": "string"}
PAIRS = _object({"entries": {"type": "array", "items": _object({"key": TEXT, "value": NUMBER})}})


@pytest.mark.parametrize(
    ("value", "schema", "said"),
    [
        ({"a": "x"}, _object({"a": TEXT, "b": TEXT}), {"a": "x", "b": None}),
        ({"m": {"k": 1}}, _object({"m": PAIRS}), {"m": {"entries": [{"key": "k", "value": 1}]}}),
        ([1, "x"], _object({"one": NUMBER, "two": TEXT}), {"one": 1, "two": "x"}),
        ([1, 2], _object({"whole": {"type": "array", "items": NUMBER}}), {"whole": [1, 2]}),
        (
            {"a": None},
            _object({"a": {"anyOf": [TEXT, {"type": "null"}]}}),
            {"a": None},
        ),
        (
            {"kind": "b", "n": 1},
            {
                "anyOf": [
                    _object({"kind": {"const": "a"}, "n": NUMBER}),
                    _object({"kind": {"const": "b"}, "n": NUMBER, "note": TEXT}),
                ]
            },
            {"kind": "b", "n": 1, "note": None},
        ),
        (
            {"child": {"child": {}}},
            {"$ref": "#/$defs/N", "$defs": {"N": _object({"child": {"$ref": "#/$defs/N"}})}},
            {"child": {"child": {"child": None}}},
        ),
        ({"x": 1}, _object({"a": TEXT, "b": TEXT}), {"a": None, "b": None, "x": 1}),
    ],
)
def test_an_answer_is_written_in_the_words_of_the_schema(
    value: Any, schema: Json, said: Any
) -> None:
    assert as_asked(value, schema) == said
