"""Models of Hypothesis's own making: what `validated` lets through, a JSON-schema validator of
another hand lets through, too, and near misses are never delivered wrong."""

import contextlib
import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import BaseModel, Field, create_model

from answer import InvalidAnswer
from local.task_checks import alike
from simmer.task import TaskResult
from simmer.task.schema import unfit, wire_schema
from simmer.task.strict_schema import strict
from tests.unit.worker.strict_mode import answers, broken_rules
from tests.unit.worker.test_shapes import delivered


class Hue(Enum):
    RED = "red"
    BLUE = "blue"


class Grade(IntEnum):
    ONE = 1
    TWO = 2


LEAVES = [
    *(int, float, bool, str, date, datetime, time, timedelta, Decimal, UUID, Hue, Grade),
    *(Literal["a", "b"], Literal[1, 2], Literal["a", 1]),
    *(Annotated[int, Field(ge=0, le=9)], Annotated[str, Field(min_length=2, max_length=5)]),
    *(Annotated[str, Field(pattern="^[a-z]{2}$")], Annotated[int, Field(multiple_of=3)]),
]
KEYS = [str, int, Hue, Grade, date, UUID]
# (Given as values, which is what type parameters of a type that is drawn are.)
LIST, TUPLE, SET, DICT = (cast(Any, kind) for kind in (list, tuple, set, dict))
MAKERS: list[Callable[[Any], Any]] = [
    lambda kind: LIST[kind],
    lambda kind: TUPLE[kind, ...],
    lambda kind: TUPLE[kind, int],
    lambda kind: Annotated[LIST[kind], Field(min_length=1, max_length=2)],
    lambda kind: kind | str,
]


def types(depth: int) -> st.SearchStrategy[Any]:
    leaves = st.sampled_from(LEAVES)
    if depth == 0:
        return leaves
    inner = types(depth - 1)
    return st.one_of(
        leaves,
        st.builds(lambda make, kind: make(kind), st.sampled_from(MAKERS), inner),
        leaves.map(lambda kind: SET[kind]),
        st.builds(lambda key, kind: DICT[key, kind], st.sampled_from(KEYS), inner),
        models(depth - 1),
    )


@st.composite
def models(draw: st.DrawFn, depth: int) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for i in range(draw(st.integers(1, 3))):
        kind = draw(types(depth))
        match draw(st.sampled_from(["required", "optional", "default"])):
            case "optional":
                fields[f"field_{i}"] = (kind | None, None)
            case "default" if kind in (int, str):
                fields[f"field_{i}"] = (kind, kind())
            case _:
                fields[f"field_{i}"] = (kind, ...)
    base: Any = draw(st.sampled_from([BaseModel, TaskResult]))
    return create_model(f"M{draw(st.integers(0, 10**9))}", __base__=base, **fields)


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        0,
        1,
        2.0,
        -1,
        1.5,
        "",
        "a",
        "red",
        "2026-01-31",
        "1700000000",
        "1",
        [],
        {},
        [None],
    ]
)


@st.composite
def near(draw: st.DrawFn, text: str) -> str:
    """The same with one value of it, anywhere, another one, absent, or there twice."""
    document = json.loads(text)
    places: list[tuple[Any, Any]] = []

    def collect(node: Any) -> None:
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            places.append((node, key))
            if isinstance(child, dict | list):
                collect(child)

    collect(document)
    if places:
        node, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["junk", "gone", "again", "float"])):
            case "junk":
                node[key] = draw(JUNK)
            case "gone":
                del node[key]
            case "again" if isinstance(node, list):
                node.append(node[key])
            case "again":
                node[draw(st.sampled_from(["more", "field_0", "field_1"]))] = node[key]
            case "float" if type(node[key]) is int:
                node[key] = float(node[key])
    return json.dumps(document, ensure_ascii=False)


def types_of(node: Any) -> set[type]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return {type(node)}.union(*(types_of(child) for child in children))


@settings(
    max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_what_passes_fits_by_another_validator(data: st.DataObject) -> None:
    model = data.draw(models(3))
    told = strict(wire_schema(model), bounds=True)
    if any(unfit(model, is_answer=True)) or any(alike(told)):
        return
    assert broken_rules(told, bounds=True) == []
    assert broken_rules(strict(wire_schema(model), bounds=False), bounds=False) == []
    judge = Draft202012Validator(wire_schema(model), format_checker=FormatChecker())
    said = data.draw(answers(told))
    passes = [delivered(model, said)]
    with contextlib.suppress(InvalidAnswer):
        passes.append(delivered(model, data.draw(near(said))))
    with contextlib.suppress(InvalidAnswer):
        passes.append(delivered(model, data.draw(near(passes[0]))))
    for passed in passes:
        document = json.loads(passed)
        judge.validate(document)
        assert type(None) not in types_of(document)
        again = delivered(model, passed)  # what is delivered is natural, so it stays as it is
        assert again == passed


def test_the_judge_would_notice() -> None:
    model = create_model("M", __base__=TaskResult, it=(set[int], ...))
    judge = Draft202012Validator(wire_schema(model), format_checker=FormatChecker())
    assert judge.is_valid({"it": [1, 2]})
    assert not judge.is_valid({"it": [1, 1]})
    dated = create_model("M", __base__=TaskResult, it=(datetime, ...))
    judge = Draft202012Validator(wire_schema(dated), format_checker=FormatChecker())
    assert not judge.is_valid({"it": "2026-01-31T18:30:00"})
    assert {"date", "date-time", "duration", "uuid", "uri"} <= FormatChecker.checkers.keys()
