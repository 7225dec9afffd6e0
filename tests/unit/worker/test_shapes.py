"""Any result of ordinary pydantic, from the schema that a strict endpoint is sent to the text that
is delivered."""

import dataclasses
import json
from functools import cache
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import BaseModel, create_model

from answer import InvalidAnswer, validated
from local.task_checks import check_task
from simmer.task import AnyTask, TaskError, TaskRequest, TaskResult
from simmer.task.schema import wire_schema
from simmer.task.strict_schema import natural, strict
from simmer.tasks.recipe import TASK
from tests.unit.worker.fakes import answer_schema
from tests.unit.worker.shapes import ROOTS, SHAPES, Shape
from tests.unit.worker.strict_mode import answers, broken_rules

BUILT = {name: shape for name, shape in SHAPES.items() if not shape.refused}
REFUSED = {name: shape for name, shape in SHAPES.items() if shape.refused}


@cache
def model(name: str) -> type[BaseModel]:
    shape = SHAPES[name]
    return create_model("Answer", __base__=TaskResult, it=(shape.type, shape.default))


def task(result_model: type[BaseModel], answer: Any) -> AnyTask:
    return dataclasses.replace(
        cast(AnyTask, TASK),
        parts=None,
        links=True,
        name="shape",
        request_model=TaskRequest,
        result_model=result_model,
        example={},
        answer=answer,
        identity=lambda request: {},
        check=lambda *_: [],
    )


def delivered(result_model: type[BaseModel], text: str) -> str:
    return validated(task(result_model, {}), TaskRequest(locale="ko"), text)


def judge(result_model: type[BaseModel], text: str) -> None:
    """Neither our validator nor our reading of the schema."""
    schema = wire_schema(result_model)
    Draft202012Validator.check_schema(schema)
    document = json.loads(text)
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(document)
    assert "null" not in text


def numbers(text: str) -> list[str]:
    """As they are written, in their order."""
    found: list[str] = []
    json.loads(text, parse_int=found.append, parse_float=found.append)
    return found


def test_the_table_is_long() -> None:
    assert len(SHAPES) >= 40
    assert len(BUILT) >= 40


# ── What a strict endpoint is sent, and what it writes ────────────────────────────────────────────


@pytest.mark.parametrize("bounds", [True, False])
@pytest.mark.parametrize("name", BUILT)
def test_a_strict_endpoint_takes_the_schema(name: str, bounds: bool) -> None:
    told = strict(wire_schema(model(name)), bounds=bounds)
    Draft202012Validator.check_schema(told)
    assert broken_rules(told, bounds=bounds) == []


@pytest.mark.parametrize("bounds", [True, False])
@pytest.mark.parametrize("name", ROOTS)
def test_a_strict_endpoint_takes_any_root(name: str, bounds: bool) -> None:
    told = strict(wire_schema(ROOTS[name].type), bounds=bounds)
    assert broken_rules(told, bounds=bounds) == []


def test_shipped_tasks_are_taken_too() -> None:
    for bounds in (True, False):
        assert broken_rules(answer_schema("recipe", bounds), bounds=bounds) == []


def _is_delivered(result_model: type[BaseModel], data: st.DataObject) -> None:
    told = strict(wire_schema(result_model), bounds=True)
    said = data.draw(answers(told))
    text = delivered(result_model, said)
    judge(result_model, text)
    assert sorted(numbers(text)) == sorted(numbers(said))


few = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("name", BUILT)
@few
@given(data=st.data())
def test_what_a_strict_endpoint_writes_is_delivered_right(name: str, data: st.DataObject) -> None:
    _is_delivered(model(name), data)


@pytest.mark.parametrize("name", ROOTS)
@few
@given(data=st.data())
def test_what_it_writes_for_any_root_is_delivered_right(name: str, data: st.DataObject) -> None:
    _is_delivered(ROOTS[name].type, data)


# ── The natural form, and what is refused ─────────────────────────────────────────────────────────


def pairs(shapes: dict[str, Shape], which: str) -> list[Any]:
    return [
        pytest.param(name, text, id=f"{name}: {text[:40]}")
        for name, shape in shapes.items()
        for text in getattr(shape, which)
    ]


@pytest.mark.parametrize(("name", "it"), pairs(SHAPES, "good"))
def test_a_good_value_is_delivered_byte_for_byte(name: str, it: str) -> None:
    text = f'{{"it" : {it}}}'
    assert delivered(model(name), text) == text
    judge(model(name), text)
    shown = natural(wire_schema(model(name)))
    assert Draft202012Validator(shown, format_checker=FormatChecker()).is_valid(json.loads(text))


@pytest.mark.parametrize(("name", "it"), pairs(SHAPES, "bad"))
def test_a_bad_value_is_refused_with_a_complaint(name: str, it: str) -> None:
    with pytest.raises(InvalidAnswer) as refused:
        delivered(model(name), f'{{"it": {it}}}')
    assert refused.value.complaints


@pytest.mark.parametrize(("name", "text"), pairs(ROOTS, "good"))
def test_any_root_is_delivered_as_it_is_or_out_of_its_wrapping(name: str, text: str) -> None:
    assert delivered(ROOTS[name].type, text) == text
    assert delivered(ROOTS[name].type, f'{{"whole_answer": {text}}}') == text
    judge(ROOTS[name].type, text)


@pytest.mark.parametrize(("name", "text"), pairs(ROOTS, "good"))
def test_what_stands_in_a_prompt_is_an_object_at_the_root(name: str, text: str) -> None:
    """Which is what `json_object` can bring."""
    shown = natural(wire_schema(ROOTS[name].type))
    answer = json.loads(text)
    if not isinstance(answer, dict) or name == "union" or name == "mapping":
        answer = {"whole_answer": answer}
    assert Draft202012Validator(shown).is_valid(answer)
    assert not Draft202012Validator(shown).is_valid([])
    assert delivered(ROOTS[name].type, json.dumps(answer)).startswith(text[:1])


@pytest.mark.parametrize(("name", "text"), pairs(ROOTS, "bad"))
def test_a_bad_root_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidAnswer):
        delivered(ROOTS[name].type, text)


@pytest.mark.parametrize(
    ("name", "said", "it"),
    [
        ("mapping", '{"mapping_entries":[{"key":"a","value":1.50}]}', '{"a":1.50}'),
        ("mapping", '{"mapping_entries":[]}', "{}"),
        (
            "mapping of mappings",
            '{"mapping_entries":[{"key":"a","value":{"mapping_entries":[]}}]}',
            '{"a":{}}',
        ),
        ("tuple", '{"tuple_item_1":1,"tuple_item_2":"a"}', '[1,"a"]'),
        ("tuple", '{"tuple_item_2":"a","tuple_item_1":1}', '[1,"a"]'),
        ("named tuple", '{"tuple_item_1":1,"tuple_item_2":null}', "[1]"),
        ("nested model", '{"note":null,"unit_price":1.50}', '{"unit_price":1.50}'),
        ("decimal", "1.500", "1.500"),
    ],
)
def test_an_encoded_value_is_decoded_without_loss(name: str, said: str, it: str) -> None:
    assert delivered(model(name), f'{{"it":{said}}}') == f'{{"it":{it}}}'


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (
            '{"mapping_entries":[{"key":"a","value":1},{"key":"a","value":2}]}',
            "mapping_entries: a key is there twice: a",
        ),
        ('{"mapping_entries":[{"key":"a"}]}', "an object of key and value"),
        ('{"mapping_entries":[{"key":1,"value":1}]}', "an object of key and value"),
        ('{"mapping_entries":[{"key":"a","value":1,"more":2}]}', "an object of key and value"),
        ('{"mapping_entries":"a","more":2}', "it.mapping_entries"),
    ],
)
def test_a_broken_encoding_is_refused(said: str, complaint: str) -> None:
    with pytest.raises(InvalidAnswer) as refused:
        delivered(model("mapping"), f'{{"it":{said}}}')
    assert complaint in str(refused.value.complaints)


def test_a_result_of_too_many_levels_is_refused() -> None:
    """As the endpoints count them: a mapping is an object with entries, which are objects."""
    kind: Any = int
    for _ in range(5):
        kind = cast(Any, dict)[str, kind]
    deep = create_model("Deep", __base__=TaskResult, it=(kind, ...))
    assert broken_rules(strict(wire_schema(deep), bounds=False), bounds=False)
    with pytest.raises(TaskError, match="has 11 levels of objects"):
        check_task(task(deep, {"it": {}}), "simmer/tasks/shape.py")


def test_null_is_absence_but_not_where_something_must_be() -> None:
    assert delivered(model("optional with default"), '{"it": null}') == "{}"
    for name in ("int", "nested model", "list"):
        with pytest.raises(InvalidAnswer) as refused:
            delivered(model(name), '{"it": null}')
        assert refused.value.complaints == ("it: must not be null",)


# ── What is refused when the task is loaded ───────────────────────────────────────────────────────


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_had_is_refused_by_field_and_cure(name: str) -> None:
    with pytest.raises(TaskError) as refused:
        check_task(task(model(name), {}), "simmer/tasks/shape.py")
    line, *_ = str(refused.value).splitlines()
    assert line.startswith("simmer/tasks/shape.py: result_model: ")
    assert "it" in line
    assert REFUSED[name].refused in line


@pytest.mark.parametrize(("name", "it"), pairs(SHAPES, "good"))
def test_what_can_be_had_is_loaded(name: str, it: str) -> None:
    check_task(task(model(name), json.loads(f'{{"it": {it}}}')), "simmer/tasks/shape.py")
