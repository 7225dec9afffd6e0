"""Tens of thousands of corruptions, always the same ones; `python -m tests.fuzz` draws others."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from simmer.tasks.recipe import TASK
from tests.fuzz import campaign
from tests.fuzz.corrupt import OF_DOCUMENT, OF_TEXT, Corrupted, cases
from tests.fuzz.judge import objections

N = 30_000


def test_no_corrupted_answer_reaches_an_app_that_the_judges_refuse() -> None:
    tally = campaign.run(seed=1, first=0, last=N)
    shown = [
        f"{' + '.join(each.by)}: {each.objections}\n  {each.said[:300]!a}\n"
        f"  python -m tests.fuzz --seed {each.seed} --only {each.n}"
        for each in tally.violations[:5]
    ]
    assert not tally.violations, "\n".join(shown)
    let_through = sum(tally.let_through.values())
    # Refusing everything would be no art, and letting much through would be no corruption.
    assert N * 0.04 < let_through < N * 0.25
    alone = {name for name in tally.tried_by if " + " not in name}
    assert alone == OF_DOCUMENT.keys() | OF_TEXT.keys()


def test_every_answer_that_corruption_begins_with_is_delivered() -> None:
    for case in cases():
        delivered, found = campaign.verdict(Corrupted(case, case.answer, ()))
        assert (delivered, found) == (case.answer, [])


def test_the_same_seed_draws_the_same_corruptions() -> None:
    assert campaign.run(7, 0, 200) == campaign.run(7, 0, 200)
    assert campaign.run(7, 0, 200) != campaign.run(8, 0, 200)


# --- The judges themselves: a judge that objects to nothing would pass everything ----------------

type Spoil = Callable[[dict[str, Any]], object]


def _first(**changes: Any) -> Spoil:
    return lambda result: result["recipes"][0].update(changes)


@pytest.mark.parametrize(
    ("spoil", "objection"),
    [
        (_first(name=""), "schema: $.recipes[0].name"),
        (_first(name="\u202eeman"), "schema: $.recipes[0].name"),
        (_first(servings="2"), "schema: $.recipes[0].servings"),
        (_first(servings=True), "schema: $.recipes[0].servings"),
        (_first(description=None), "schema: $.recipes[0].description"),
        (_first(thumbnailUrl="https://x.example/1.jpg"), "schema: $.recipes[0]"),
        (_first(ingredients=[]), "schema: $.recipes[0].ingredients"),
        (lambda result: result["recipes"].clear(), "schema: $.recipes"),
        (lambda result: result.update(more=1), "schema: $"),
        (_first(cookingTime=3.0), "app: cookingTime is no int"),
        (_first(servings=20), "fit: servings"),
        (_first(cookingTime=31), "fit: cooking time"),
        (_first(ingredients=["unicorn"]), "fit: a foreign ingredient"),
        (lambda result: result["recipes"].pop(), "fit: the number of recipes"),
        (_first(name="B "), "fit: a name is repeated"),
        (_first(name="\u3164\u200b"), "text: nothing to see"),
        (_first(instructions="<img src=x onerror=alert(1) "), "text: holds markup"),
        (_first(instructions="a <!-- b"), "text: holds markup"),
    ],
)
def test_the_judges_object_to(spoil: Spoil, objection: str) -> None:
    request = {"ingredients": ["tofu"], "servings": 2, "count": 2, "maxCookingTime": 30}
    recipe = {
        "name": "a",
        "ingredients": ["Tofu "],
        "instructions": "Fry at < 90 °C & serve.",
        "cookingTime": 30,
        "difficulty": "easy",
        "servings": 2,
    }
    result: dict[str, Any] = {"recipes": [dict(recipe), {**recipe, "name": "b"}]}
    sound = json.dumps(result, ensure_ascii=False)
    assert objections(request, sound, sound) == []
    spoil(result)
    spoilt = json.dumps(result, ensure_ascii=False)
    assert [each for each in objections(request, spoilt, spoilt) if each.startswith(objection)]


@pytest.mark.parametrize(
    ("said", "delivered", "objection"),
    [
        ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}', "the text is not JSON: a repeated key"),
        ('{"a": NaN}', '{"a": NaN}', "the text is not JSON: NaN"),
        ('{"a": 1', '{"a": 1}', "the text is not what the model said"),
        ("e\u0301", "e\u0301", "the text is not composed"),
        ("\ud83d", "\ud83d", "the text is not UTF-8"),
        (" " * 70_000, " " * 70_000, "the text is too long"),
    ],
)
def test_the_judges_object_to_the_text(said: str, delivered: str, objection: str) -> None:
    assert objections({"ingredients": []}, said, delivered) == [objection]


def test_an_answer_that_makes_the_validation_trip_is_a_violation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def trip(*_: object) -> list[str]:
        raise KeyError("servings")

    monkeypatch.setattr(campaign, "TASK", dataclasses.replace(TASK, check=trip))
    case = cases()[0]
    _, found = campaign.verdict(Corrupted(case, case.answer, ()))
    assert found == ["KeyError: 'servings'"]
