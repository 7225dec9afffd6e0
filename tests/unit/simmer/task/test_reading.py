"""Requests of ordinary pydantic: read as JSON, kept, and read again by the worker."""

import json
from datetime import datetime
from typing import Any, Literal

import pytest
from pydantic import create_model

from simmer.task import TaskRequest
from simmer.task.reading import Misread, as_stored, read_request
from simmer.task.schema import wire_schema
from simmer.text import strict_json
from tests.unit.worker.shapes import SHAPES, Item, Shape

BUILT = {name: shape for name, shape in SHAPES.items() if not shape.refused}
GOOD = [
    pytest.param(shape, it, id=f"{name}: {it[:40]}")
    for name, shape in BUILT.items()
    for it in shape.good
]


def model(shape: Shape) -> type[TaskRequest]:
    return create_model("Request", __base__=TaskRequest, it=(shape.type, shape.default))


def errors(shape: Shape, body: str) -> list[tuple[str, str]]:
    with pytest.raises(Misread) as misread:
        read_request(model(shape), strict_json.loads(body))
    return list(misread.value.errors)


@pytest.mark.parametrize(("shape", "it"), GOOD)
def test_a_good_request_is_read_and_read_again_the_same(shape: Shape, it: str) -> None:
    asked = model(shape)
    request = read_request(asked, strict_json.loads(f'{{"it": {it}}}'))
    assert asked.model_validate_json(as_stored(request)) == request
    assert "null" not in as_stored(request)


@pytest.mark.parametrize(
    ("name", "it"),
    [
        *(("int", each) for each in ("2.5", '"2"', "true", "1e400")),
        *(("float", each) for each in ('"2"', "true", "1e400")),
        *(("bool", each) for each in ("1", '"true"')),
        *(("date", each) for each in ("20260131", '"2026-02-30"', "true")),
        *(("enum", each) for each in ('"RED"', "1")),
        *(("tuple", each) for each in ("[1]", '["a", 1]')),
        *(("mapping", each) for each in ('{"a": "1"}', "[]")),
    ],
)
def test_a_request_of_another_type_names_the_field(name: str, it: str) -> None:
    found = errors(SHAPES[name], f'{{"it": {it}}}')
    assert all(field == "it" or field.startswith("it.") for field, _ in found)


@pytest.mark.parametrize(
    ("name", "it", "place"),
    [
        ("literal numbers", "true", "it"),
        ("int enum", "true", "it"),
        ("datetime", '"2026-01-31T18:30:00"', "it"),
        ("datetime", '"1700000000"', "it"),
        ("union of a datetime and numbers", '"2026-01-31T18:30:00"', "it"),
        ("tagged datetimes", '[{"kind": "b", "b": "2026-01-31T18:30:00"}]', "it.0.b"),
        ("mapping of datetimes", '{"a": ["2026-01-31T18:30:00", 1]}', "it.a.0"),
    ],
)
def test_what_pydantic_reads_in_json_and_the_schema_forbids_is_refused(
    name: str, it: str, place: str
) -> None:
    shape = TIMES.get(name) or SHAPES[name]

    assert [field for field, _ in errors(shape, f'{{"it": {it}}}')] == [place]


class A(TaskRequest):
    kind: Literal["a"]
    a: datetime


class B(TaskRequest):
    kind: Literal["b"]
    b: datetime


TIMES = {
    "union of a datetime and numbers": Shape(datetime | list[int], ['"2026-01-31T18:30:00Z"']),
    "tagged datetimes": Shape(list[A | B], ['[{"kind": "b", "b": "2026-01-31T18:30:00Z"}]']),
    "mapping of datetimes": Shape(
        dict[str, tuple[datetime, int]], ['{"a": ["2026-01-31T18:30:00+09:00", 1]}']
    ),
}


@pytest.mark.parametrize("name", TIMES)
def test_the_same_with_an_offset_is_taken(name: str) -> None:
    assert read_request(model(TIMES[name]), strict_json.loads(f'{{"it": {TIMES[name].good[0]}}}'))


class Party(TaskRequest):
    adults: int


class Journey(TaskRequest):
    party: Party


def test_only_the_request_itself_has_a_locale() -> None:
    assert "locale" not in json.dumps(wire_schema(Journey))
    journey = read_request(Journey, {"party": {"adults": 2}})
    assert as_stored(journey) == '{"party":{"adults":2}}'
    with pytest.raises(Misread) as misread:
        read_request(Journey, {"party": {"adults": 2, "locale": "en"}})
    assert misread.value.errors == [("party.locale", "Extra inputs are not permitted")]


def test_a_whole_number_with_a_fraction_is_that_number() -> None:
    asked: Any = read_request(model(SHAPES["int"]), strict_json.loads('{"it": 2.0}'))
    assert (asked.it, type(asked.it)) == (2, int)


def test_null_is_absence_and_a_required_field_says_so() -> None:
    assert errors(SHAPES["int"], '{"it": null}') == [("it", "must not be null")]
    assert errors(SHAPES["int"], "{}") == [("it", "Field required")]
    optional = model(SHAPES["optional with default"])
    assert read_request(optional, {"it": None}) == read_request(optional, {})
    assert errors(SHAPES["nested model"], '{"it": {"unit_price": null}}') == [
        ("it.unit_price", "must not be null")
    ]
    assert errors(SHAPES["list"], '{"it": [null]}')[0][0] == "it.0"


@pytest.mark.parametrize(
    ("name", "it", "field"),
    [
        ("nested model", '{"unit_price": 1, "more": 1}', "it.more"),
        ("nested result model", '{"unitPrice": 1, "unit_price": 2}', "it.unit_price"),
        ("typed dict", '{"title": "a", "more": 1}', "it.more"),
        ("dataclass", '{"city": "a", "more": 1}', "it.more"),
        ("alias", '{"from": "a", "from_city": "b"}', "it.from_city"),
        ("list of lists", '[[{"more": 1}]]', "it.0.0"),
    ],
)
def test_nothing_unknown_is_taken_however_deep(name: str, it: str, field: str) -> None:
    assert field in [each for each, _ in errors(SHAPES[name], f'{{"it": {it}}}')]


def test_several_errors_are_told_at_once_and_none_repeats_what_was_sent() -> None:
    asked = create_model("Request", __base__=TaskRequest, a=(int, ...), b=(Item, ...))
    with pytest.raises(Misread) as misread:
        read_request(asked, {"a": "hunter2", "b": {"hunter": 2}, "hunter2": 1})
    found = misread.value.errors
    assert {field for field, _ in found} == {"a", "b.unit_price", "b.hunter", "hunter2"}
    assert "hunter2" not in json.dumps([message for _, message in found])
