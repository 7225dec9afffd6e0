"""`make eval`: its figures, its purse, and what it keeps of an answer."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.evaluation import figures, trial
from bench.evaluation.__main__ import NotGolden, _columns, golden_requests
from ladder import Ladder, Rung
from local.model.stand_in import StandIn
from provider import Provider
from simmer.task import find_task
from simmer.task.parts import MAX_PARTS

GOLDEN = {
    "request": {"ingredients": ["tofu"], "count": 1, "locale": "en"},
    "expect": {"/recipes/0/servings": 2, "/recipes/0/name": "no such name"},
}

# One for all: the provider's connections belong to it.
_LOOP = asyncio.new_event_loop()

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def model() -> Iterator[StandIn]:
    stand_in = StandIn(delay_seconds=0)
    yield stand_in
    stand_in.stop()


def _run(model: StandIn, purse: trial.Purse | None = None, **changes: Any) -> dict[str, Any]:
    rungs: list[Rung] = list(Ladder.parse(json.dumps([{**model.ladder[0], **changes}])))
    trying = trial.run("recipe", GOLDEN, rungs, "none", purse or trial.Purse(None))
    return _LOOP.run_until_complete(trying)


def test_a_good_answer_is_valid_at_once_and_held_against_its_expectations(model: StandIn) -> None:
    done = _run(model)

    assert (done["end"], done["calls"], done["complaints"]) == ("valid", 1, [])
    assert (done["expected"], done["met"]) == (2, 1)


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simmer.task.task.MAX_PARTS", MAX_PARTS)


PARTS = {"request": {"ingredients": ["tofu"], "count": 3, "locale": "en"}}


def _run_in_parts(model: StandIn) -> dict[str, Any]:
    rungs: list[Rung] = list(Ladder.parse(json.dumps([model.ladder[0]])))
    trying = trial.run("recipe", PARTS, rungs, "none", trial.Purse(None), is_whole=False)
    return _LOOP.run_until_complete(trying)


@pytest.mark.usefixtures("in_parts")
def test_in_parts_an_outline_and_a_call_for_each_part_are_valid_at_once(model: StandIn) -> None:
    done = _run_in_parts(model)

    assert (done["end"], done["calls"], done["complaints"]) == ("valid", 4, [])
    assert done["least"] == 4
    assert figures.figures([done])["valid at once"] == 1


@pytest.mark.usefixtures("in_parts")
def test_a_bad_part_is_not_valid_at_once(model: StandIn) -> None:
    model.script("ok", "wrong_servings")

    done = _run_in_parts(model)

    assert (done["end"], done["calls"], done["complaints"]) == ("valid", 5, ["recipes.*.servings"])
    assert figures.figures([done])["valid after a re-ask or a climb"] == 1


@pytest.mark.usefixtures("in_parts")
def test_an_outline_with_two_titles_alike_is_counted() -> None:
    task = find_task("recipe")
    watched = trial._Watched(Provider("", trial._Key("", set())), trial.Purse(None), task, None)
    titles = ["Fried tofu", "fried  Tofu!", "Soup"]

    assert watched._has_twins(json.dumps({"recipes": [{"title": each} for each in titles]}))
    assert watched._has_twins(json.dumps({"recipes": [{"name": each} for each in titles]}))
    assert not watched._has_twins(json.dumps({"recipes": [{"title": each} for each in titles[1:]]}))
    assert not watched._has_twins("prose")


def test_a_task_of_parts_is_tried_both_ways_and_last_as_it_ships(model: StandIn) -> None:
    rungs: list[Rung] = list(Ladder.parse(json.dumps(model.ladder)))

    both = _columns("recipe", rungs)

    assert list(both)[-1] == "ladder, in parts"
    assert [is_whole for _, is_whole in both.values()] == [True, True, True, False]
    assert list(_columns("receipt", rungs)) == [
        name for name, (_, is_whole) in both.items() if is_whole
    ]


def test_what_was_wrong_is_kept_by_place_alone(model: StandIn) -> None:
    model.script("wrong_servings", "ok")

    done = _run(model)

    assert (done["end"], done["calls"]) == ("valid", 2)
    assert done["complaints"] == ["recipes.*.servings"]


def test_an_answer_that_is_never_valid(model: StandIn) -> None:
    model.script("prose", "prose")

    assert _run(model)["end"] == "invalid_output"


def test_no_call_is_made_that_could_exceed_the_budget(model: StandIn) -> None:
    price = {"input": 0, "cachedInput": 0, "output": 1}
    cap_usd = 1000 / 1e6
    before = len(model.calls())

    with pytest.raises(trial.BudgetReached):
        _run(model, trial.Purse(cap_usd * 0.9), price=price, maxOutputTokens=1000)
    assert len(model.calls()) == before

    purse = trial.Purse(cap_usd * 1.1)
    assert _run(model, purse, price=price, maxOutputTokens=1000)["end"] == "valid"
    assert (purse.reserved_usd, 0 < purse.spent_usd < cap_usd) == (0, True)


def _trial(end: str = "valid", calls: int = 1, seconds: float = 1) -> dict[str, Any]:
    empty = {"complaints": [], "tokens": 10, "usd": 0.001, "expected": 0, "met": 0}
    return {"end": end, "calls": calls, "seconds": seconds, **empty}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "recipe.jsonl, line 2: is no JSON: Expecting property name"),
        ("null", "recipe.jsonl, line 2: : Input should be an object"),
        ('{"ingredients": []}', "recipe.jsonl, line 2: ingredients: List should have at least 1"),
        ('{"request": {"ingredients": ["a"], "x": 1}}', "recipe.jsonl, line 2: x: Extra inputs"),
    ],
)
def test_a_line_that_is_no_golden_request_is_named(tmp_path: Path, line: str, why: str) -> None:
    file = tmp_path / "recipe.jsonl"
    file.write_text(f"{json.dumps(GOLDEN)}\n{line}\n")

    with pytest.raises(NotGolden) as refused:
        golden_requests(file)
    assert str(refused.value).startswith(why)


def test_golden_requests_are_read_by_line_and_there_is_one_at_least(tmp_path: Path) -> None:
    file = tmp_path / "recipe.jsonl"
    file.write_text(f"{json.dumps(GOLDEN)}\n\n{json.dumps(GOLDEN['request'])}\n")
    assert golden_requests(file) == [GOLDEN, {"request": GOLDEN["request"]}]
    file.write_text("\n")
    with pytest.raises(NotGolden):
        golden_requests(file)


def test_figures_of_four_trials() -> None:
    found = figures.figures(
        [_trial(), _trial(calls=2, seconds=2), _trial("refused", seconds=9), _trial(seconds=3)]
    )

    assert (found["valid at once"], found["never valid"]) == (0.5, 0.25)
    assert (found["seconds, median"], found["seconds, p95"]) == (2, 9)
    assert found["USD per 1,000"] == pytest.approx(1)
    assert "expectations met" not in found


@pytest.mark.parametrize(
    ("name", "now", "before", "shown"),
    [
        ("valid at once", 0.9, 0.8, "90% (better, was 80%)"),
        ("never valid", 0.2, 0.1, "20% (worse, was 10%)"),
        ("seconds, median", 2.0, None, "2.0"),
        ("seconds, median", 2.01, 2.0, "2.0"),
    ],
)
def test_a_figure_beside_the_last_one(
    name: str, now: float, before: float | None, shown: str
) -> None:
    assert figures.verdict(name, now, before) == shown
