"""What is wrong with a task is said when it is loaded: the file, the field, what, and the cure."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, HttpUrl, RootModel, SecretStr

from local.task_checks import check_all, check_task
from simmer import tasks
from simmer.task import AnyTask, Parts, Task, TaskError, TaskRequest, TaskResult, find_task
from simmer.task.registry import flaws

FILE = "simmer/tasks/trip.py"
SOME = min(tasks.task_names())


class TripRequest(TaskRequest):
    start: date
    places: frozenset[str] = frozenset()


class Trip(TaskResult):
    days: dict[date, str]
    budget: Decimal | None = None


TRIP: AnyTask = Task(
    name="trip",
    version=1,
    request_model=TripRequest,
    result_model=Trip,
    instructions="Plan a trip.",
    example={"start": "2026-05-01", "places": ["Seoul", "Busan"]},
    answer={"days": {"2026-05-01": "Seoul"}, "budget": 12.5},
    languages=("en", "pt-BR", "zh-Hant-TW"),
    words={"pt-BR": {"analyzing": "Pensando..."}},
)


class NoLocale(BaseModel):
    start: date


class OtherLocale(TaskRequest):
    locale: int = 0  # type: ignore[assignment]
    start: date


class Secret(TaskRequest):
    start: date
    password: SecretStr = SecretStr("x")


class Excluded(TaskRequest):
    start: date
    places: Annotated[frozenset[str], Field(exclude=True)] = frozenset()


class Priced(TaskRequest):
    start: date
    price: Decimal


class Defaulted(TaskRequest):
    start: date
    places: frozenset[str] = frozenset()
    count: Annotated[int, Field(ge=1)] = 0


class Page(TaskResult):
    page: HttpUrl


class Linked(TaskResult):
    pages: list[Page]


class Anything(TaskRequest):
    start: Any


class NoModel:
    pass


def _raises(*_: Any) -> Any:
    raise KeyError("start")


def _random(_: Any) -> Mapping[str, Any]:
    return {"n": next(_NUMBERS)}


_NUMBERS: Iterator[int] = iter(range(1000))

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another name": ({"name": "tour"}, "name: is 'tour'"),
    "version of none": ({"version": 0}, "version: is 0: use 1"),
    "version as a text": ({"version": "1"}, "version: is '1'"),
    "version as a bool": ({"version": True}, "version: is True"),
    "words as a text": ({"words": "Looking"}, 'words: are none by language: write {"en": {'),
    "words of a language as a text": ({"words": {"en": "Looking"}}, "words: en: are none by stage"),
    "parts of another kind": ({"parts": 3}, "parts: is 3: write Parts(…), or leave it out"),
    "shareable as a text": ({"is_shareable": "no"}, "is_shareable: is 'no': use True or False"),
    "links as a text": ({"links": "https"}, "links: is 'https': use True or False"),
    "an address, and no links": (
        {"result_model": Linked},
        "pages[].page: is an address, and answers hold none: give the task links=True, or",
    ),
    "examples of none": ({"examples": None}, "examples: are no list: write [(request, answer)]"),
    "example of none": ({"example": None}, "example: it: Input should be an object"),
    "a default that is refused": (
        {"request_model": Defaulted},
        "request_model: count: its default is refused (Input should be greater than or equal to 1",
    ),
    "no instructions": ({"instructions": " \n"}, "instructions: are empty"),
    "request is no model": ({"request_model": NoModel}, "request_model: is no such model: derive"),
    "request of plain pydantic": ({"request_model": NoLocale}, "derive it from TaskRequest"),
    "locale of another type": ({"request_model": OtherLocale}, "request_model: locale: is the"),
    "result is no model": ({"result_model": NoModel}, "result_model: is no pydantic model"),
    "no languages": ({"languages": ()}, "languages: name none"),
    "languages as a text": ({"languages": "en"}, "languages: name none: give a tuple"),
    "no tag": ({"languages": ("en", "english")}, "languages: 'english' is no language tag"),
    "a tag with _": ({"languages": ("en", "pt-BR", "en_US")}, "'en_US' is no language tag"),
    "an empty tag": ({"languages": ("pt-BR", "")}, "languages: '' is no language tag"),
    "a tag twice": ({"languages": ("en", "pt-BR", "EN")}, "languages: name one twice"),
    "words for nobody": ({"words": {"ko": {}}}, "words: ko: is not among the languages"),
    "words for no stage": ({"words": {"en": {"cooking": "a"}}}, "words: en: 'cooking' is no stage"),
    "empty words": ({"words": {"en": {"analyzing": ""}}}, "words: en: analyzing: is empty"),
    "a type that cannot be": ({"request_model": Anything}, "request_model: start: may hold any"),
    "example without a field": ({"example": {}}, "example: start: Field required: make it"),
    "example of a wrong type": ({"example": {"start": 5}}, "example: start: Input should be"),
    "example with null": ({"example": {"start": None}}, "example: start: must not be null"),
    "example with more": ({"example": {"start": "2026-05-01", "x": 1}}, "example: x: Extra"),
    "example that is no JSON": ({"example": {"start": date(2026, 5, 1)}}, "example: is no JSON"),
    "example in another language": (
        {"example": {"start": "2026-05-01", "locale": "ko"}},
        "example: locale: Input should be 'en', 'pt-BR' or 'zh-Hant-TW'",
    ),
    "a secret in a request": (
        {"request_model": Secret, "example": {"start": "2026-05-01", "password": "hunter2"}},
        "request_model: is not the same when it has been stored",
    ),
    "an excluded field": ({"request_model": Excluded}, "request_model: is not the same"),
    "a result without a name": (
        {"result_model": RootModel[list[int]], "answer": [1]},
        "result_model: is called 'RootModel[list[int]]', and generated clients need a name",
    ),
    "example of an undocumented type": (
        {"request_model": Priced, "example": {"start": "2026-05-01", "price": "9.50"}},
        'example: price: "9.50" is not of type "number": write it as openapi.json has it',
    ),
    "a further example that is none": (
        {"examples": [({"start": "2026-05-01"}, {"days": {}}), ({"start": 5}, {"days": {}})]},
        "examples[1][0]: start: Input should be a valid date",
    ),
    "a further answer that is none": (
        {"examples": [({"start": "2026-05-01"}, {"days": 1})]},
        "examples[0][1]: days: Input should be an object: make it one that fits",
    ),
    "a further example without its answer": (
        {"examples": [{"start": "2026-05-01"}]},
        "examples[0]: is no pair: write (request, answer)",
    ),
    "a cap of none": ({"max_output_tokens": 0}, "max_output_tokens: is 0: use a number"),
    "answer of wrong types": ({"answer": {"days": {"today": "a"}}}, "answer: days"),
    "answer with more": ({"answer": {"days": {}, "x": 1}}, "answer: x: Extra"),
    "answer that is no JSON": ({"answer": {"days": {1, 2}}}, "answer: is no JSON"),
    "answer that does not fit": (
        {"check": lambda *_: ["days: one is missing"]},
        "answer: the check says: days: one is missing",
    ),
    "check that fails": ({"check": _raises}, "check: fails on the example and its answer"),
    "check that returns none": ({"check": lambda *_: None}, "check: returns None: return a list"),
    "check that returns numbers": ({"check": lambda *_: [1]}, "check: returns [1]"),
    "identity that fails": ({"identity": _raises}, "identity: fails on the example"),
    "identity that is no JSON": (
        {"identity": lambda request: {"start": request.start}},
        "identity: fails on the example (Object of type date is not JSON",
    ),
    "identity of chance": ({"identity": _random}, "identity: differs from call to call"),
}


def test_a_right_task_is_loaded() -> None:
    check_task(TRIP, FILE)


@pytest.mark.parametrize(("change", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_by_file_field_and_cure(
    change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(TaskError) as refused:
        check_task(replace(TRIP, **change), FILE)
    lines = str(refused.value).splitlines()
    assert all(line.startswith(f"{FILE}: ") for line in lines)
    assert any(sentence in line for line in lines), lines


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(TaskError) as refused:
        check_task(replace(TRIP, version=0, instructions="", languages=()), FILE)
    assert len(str(refused.value).splitlines()) == 3


@pytest.mark.parametrize("name", ["My Task", "trip/x", "Trip", "1trip", "", "tríp", "trip-a"])
def test_a_name_that_is_no_part_of_an_address_is_refused(name: str) -> None:
    assert any(flaw.startswith("name: ") for flaw in flaws(replace(TRIP, name=name), name))


def test_shipped_tasks_are_right() -> None:
    check_all()


def test_the_example_is_not_told_of_what_was_sent() -> None:
    """A secret of an example stays out of what is said of it."""
    change, _ = WRONG["a secret in a request"]
    with pytest.raises(TaskError) as refused:
        check_task(replace(TRIP, **change), FILE)
    assert "hunter2" not in str(refused.value)


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files are tasks as well."""
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    monkeypatch.setattr(tasks, "task_names", tasks.task_names.__wrapped__)
    find_task.cache_clear()
    yield tmp_path
    find_task.cache_clear()
    for name in [name for name in sys.modules if name.startswith("simmer.tasks.broken_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("broken_a", "x = 1\n", "has no `TASK"),
        ("broken_b", "x = 1\ny = nothing\n", "line 2: NameError: name 'nothing' is not defined"),
        ("broken_c", "def f(:\n", "SyntaxError: invalid syntax"),
        ("broken_d", "import no_such_module\n", "line 1: ModuleNotFoundError"),
        (
            "broken_e",
            "from pydantic import BaseModel\n\n\nclass A(BaseModel):\n    x: print\n",
            "line 4: PydanticSchemaGenerationError: Unable to generate",
        ),
        ("broken_g", "import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
        (
            "broken_h",
            "from pydantic import BaseModel, Field\n\n\n"
            "class A(BaseModel):\n    x: str = Field(pattern='(')\n",
            "unclosed group",
        ),
        (
            "broken_f",
            f"import dataclasses\nfrom simmer.tasks.{SOME} import TASK as OTHER\n"
            "TASK = dataclasses.replace(OTHER, name='broken_f', version=0)\n",
            "version: is 0",
        ),
    ],
)
def test_a_file_that_cannot_be_loaded_is_named(
    folder: Path, name: str, code: str, sentence: str
) -> None:
    (folder / f"{name}.py").write_text(code)
    with pytest.raises(TaskError) as refused:
        find_task(name)
    assert str(refused.value).startswith(f"simmer/tasks/{name}.py: ")
    assert sentence in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


# ── Which requests are the same ───────────────────────────────────────────────────────────────────

_PRINT_IDENTITY = """
import json
from simmer.task.reading import read_request
from tests.unit.simmer.task.test_checks import TRIP
document = {"start": "2026-05-01", "places": ["Seoul", "Busan", "Jeju", "Daegu", "Ulsan"]}
print(json.dumps(TRIP.identity(read_request(TRIP.wire_model, document))))
"""


def test_a_set_is_the_same_in_every_process() -> None:
    def identity(seed: str) -> str:
        root = Path(__file__).parents[4]
        return subprocess.run(
            [sys.executable, "-c", _PRINT_IDENTITY],
            env={"PYTHONPATH": f"{root}:{root}/layers/common", "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout

    assert len({identity(seed) for seed in ("1", "2", "3")}) == 1


# ── An answer in parts ────────────────────────────────────────────────────────────────────────────


class Day(TaskResult):
    place: str
    cost: int = 0


class Days(TaskResult):
    days: list[Day]


class DayPlan(TaskResult):
    title: str


class Plan(TaskResult):
    days: list[DayPlan]


class Untitled(TaskResult):
    days: list[Day]


class Elsewhere(TaskResult):
    stops: list[DayPlan]


PARTS: Parts[Any] = Parts(
    count=lambda request: len(request.places),
    asking_for=lambda request, count: request,
    outline_model=Plan,
    outline_instructions="Plan the days.",
    title="place",
)
IN_PARTS = replace(TRIP, result_model=Days, parts=PARTS)


def test_a_task_whose_result_is_one_list_may_have_parts() -> None:
    assert list(flaws(IN_PARTS, "trip")) == []


@pytest.mark.parametrize(
    ("changes", "parts", "flaw"),
    [
        ({"result_model": Trip}, {}, "result_model: is not one list of models"),
        ({}, {"outline_model": DayPlan}, "parts: outline_model: is not one list of models"),
        ({}, {"outline_model": Elsewhere}, "parts: outline_model: has a list called stops"),
        ({}, {"outline_model": Untitled}, "parts: outline_model: Day has no text called title"),
        ({}, {"title": "name"}, "parts: title: Day has no text called name"),
        ({}, {"title": "cost"}, "parts: title: Day has no text called cost"),
    ],
)
def test_parts_that_cannot_work_are_refused_by_field_and_cure(
    changes: dict[str, Any], parts: dict[str, Any], flaw: str
) -> None:
    task = replace(IN_PARTS, parts=replace(PARTS, **parts), **changes)

    [found] = flaws(task, "trip")

    assert found.startswith(flaw)
    assert ": " in found.removeprefix(flaw), "and the cure"


def _so_many(request: TripRequest, count: int) -> TripRequest:
    return request.model_copy(update={"places": frozenset(sorted(request.places)[:count])})


def _as_many_as_places(request: TripRequest, result: Days) -> list[str]:
    return [] if len(result.days) == len(request.places) else ["days: another number"]


WHOLE = replace(
    IN_PARTS,
    answer={"days": [{"place": "Seoul"}, {"place": "Busan"}]},
    check=_as_many_as_places,
    parts=replace(PARTS, asking_for=_so_many),
)


def test_an_answer_is_held_to_its_check_in_parts_too() -> None:
    check_task(WHOLE, FILE)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"count": lambda _: 3}, "parts: count: gives 3 for the example, and its answer has 2: "),
        ({"count": _raises}, "parts: count: gives KeyError('start') for the example"),
        ({"asking_for": lambda request, _: request}, "parts: asking_for: gives TripRequest("),
        ({"asking_for": lambda *_: None}, "parts: asking_for: gives None for one: return the"),
    ],
)
def test_parts_that_do_not_fit_the_example_are_refused(
    changes: dict[str, Any], sentence: str
) -> None:
    assert WHOLE.parts
    with pytest.raises(TaskError) as refused:
        check_task(replace(WHOLE, parts=replace(WHOLE.parts, **changes)), FILE)
    assert f"{FILE}: {sentence}" in str(refused.value)


def test_a_part_that_cannot_pass_alone_is_refused() -> None:
    never_alone = replace(
        WHOLE, check=lambda _, result: [] if len(result.days) == 2 else ["days: one is too few"]
    )
    with pytest.raises(TaskError) as refused:
        check_task(never_alone, FILE)
    sentence = "parts: item 0 of answer alone: the check says: days: one is too few: make it fit"
    assert f"{FILE}: {sentence}" in str(refused.value)
