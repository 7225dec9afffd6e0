"""The answers that a model may give, and the results that are delivered."""

import dataclasses
import json
import random
import unicodedata
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from answer import (
    MAX_COMPLAINT_CHARACTERS,
    MAX_COMPLAINTS,
    MAX_RESULT_BYTES,
    InvalidAnswer,
    validated,
)
from simmer.task import AnyTask, Omittable, TaskResult
from simmer.tasks.recipe import TASK
from simmer.text.plain import MAX_MARKS_IN_A_ROW
from tests.fuzz.campaign import verdict
from tests.fuzz.corrupt import corrupted
from tests.unit.unicode_work import CountingUnicode
from tests.unit.worker.fakes import RECIPE, RECIPES, REQUEST, VALID

REQUESTED = TASK.wire_model.model_validate(REQUEST)


def delivered(text: str) -> str:
    return validated(TASK, REQUESTED, text)


def complaints(text: str) -> tuple[str, ...]:
    with pytest.raises(InvalidAnswer) as refusal:
        delivered(text)
    return refusal.value.complaints


def answer(**changes: Any) -> str:
    """The valid answer with these fields of its first recipe changed."""
    return json.dumps({"recipes": [{**RECIPE, **changes}, RECIPES[1]]}, ensure_ascii=False)


def in_ascii(text: str) -> str:
    """The same JSON, with escapes for all else."""
    return json.dumps(json.loads(text))


def replaced(old: str, new: str) -> str:
    """The valid answer with the first occurrence of a text replaced."""
    assert old in VALID
    return VALID.replace(old, new, 1)


# --- What is delivered ----------------------------------------------------------------------------

WITHOUT_OPTIONALS = json.dumps(
    {
        "recipes": [
            {k: v for k, v in each.items() if k not in ("description", "additionalIngredients")}
            for each in RECIPES
        ]
    }
)


DELIVERED = {
    "as it is asked for": VALID,
    "indented, in ASCII": json.dumps({"recipes": RECIPES}, indent=3),
    "odd spacing": VALID.replace(": ", "  :\t\r\n "),
    "without what is optional": WITHOUT_OPTIONALS,
    "an empty list that may be empty": answer(additionalIngredients=[]),
    "case and outer space of a given": answer(ingredients=[" tofu ", "TOFU"]),
    "the maximum itself": answer(cookingTime=30),
    "a category nobody asked for": answer(categoryId="soups"),
    "a joined emoji": answer(name="\U0001f468\u200d\U0001f373 tofu"),
    "a needless escape": replaced("Fried", "\\u0046ried"),
    "tabs and line ends": answer(instructions="a\tb\r\nc"),
    "no markup yet": answer(instructions="<3 tofu, 1 < 2, salt & pepper; R&D"),
    "as long as allowed": answer(name="x" * 120, instructions="x" * 6000),
    "an escaped backslash before what looks like an escape": answer(name="\\u003cb"),
}


@pytest.mark.parametrize("text", DELIVERED.values(), ids=DELIVERED.keys())
def test_a_valid_answer_is_delivered_byte_for_byte(text: str) -> None:
    assert delivered(text) == text


def test_null_is_absence_and_is_not_delivered() -> None:
    said = answer(description=None, categoryId=None, cookingTime=15)
    without = json.loads(said)
    del without["recipes"][0]["description"], without["recipes"][0]["categoryId"]
    assert delivered(said) == json.dumps(without, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    "around",
    ["```json\n{}\n```", "```\n{}\n```", "\n ```json  \r\n{}\r\n```\n", "```json\n\n  {}  \n\n```"],
)
def test_a_fence_around_pure_json_is_taken_off_and_nothing_else(around: str) -> None:
    text = VALID.replace(": ", " :  ")
    assert delivered(around.replace("{}", text)) == text


def test_white_space_around_the_answer_is_not_delivered() -> None:
    assert delivered(f"\n\t {VALID} \r\n") == VALID


def test_decomposed_text_is_delivered_composed() -> None:
    decomposed = unicodedata.normalize("NFD", VALID)
    assert decomposed != VALID
    assert delivered(decomposed) == VALID


def test_a_decomposed_ingredient_of_the_request_is_the_composed_one() -> None:
    request = {
        **REQUEST,
        "ingredients": [unicodedata.normalize("NFD", "두부"), "Tofu", "crème fraîche"],
    }
    assert validated(TASK, TASK.wire_model.model_validate(request), VALID) == VALID


TYPOGRAPHY = [
    ("butcher’s broth", "butcher's broth"),
    ("“Type 00” flour", '"Type 00" flour'),
    ("참기름\u00a01병", "참기름 1병"),
    ("참기름 1병", "참기름\u00a0 1병"),
    ("sesame  oil", "Sesame oil"),
    ("sugar\u2011free jam", "sugar-free jam"),
    ("sugar-free jam", "sugar‐free jam"),
    ("bread–crumbs", "bread-crumbs"),
    ("🌽 corn", "🌽️ corn"),
    ("🌽️ corn", "🌽 corn"),
    ("rice\u200bcake", "ricecake"),
    ("\u200fleek", "leek"),
    ("ＢＢＱ sauce", "BBQ sauce"),
    ("BBQ sauce", "ＢＢＱ　sauce"),
    ("\u110b\u1169\u110b\u1175", "오이"),
    ("¼ 양파", "1/4 양파"),
]


@pytest.mark.parametrize(("typed", "written"), TYPOGRAPHY)
def test_an_ingredient_in_other_clothes_is_the_same_and_delivered_as_it_was_written(
    typed: str, written: str
) -> None:
    request = TASK.request_model.model_validate({**REQUEST, "count": 1, "ingredients": [typed]})
    text = json.dumps({"recipes": [{**RECIPE, "ingredients": [written]}]}, ensure_ascii=False)
    assert validated(TASK, request, text) == text


# --- What is refused ------------------------------------------------------------------------------

DEEP = '{"recipes": ' + "[" * 20 + "]" * 20 + "}"
VERY_DEEP = '{"recipes": ' + "[" * 30_000 + "]" * 30_000 + "}"
NOT_JSON = "the answer is not one JSON object"


REFUSED = {
    # The text
    "nothing": ("", NOT_JSON),
    "prose": ("Sure! First, a stew…", NOT_JSON),
    "prose before": (f"Here it is:\n{VALID}", NOT_JSON),
    "trailing text": (f"{VALID}\n\nEnjoy!", NOT_JSON),
    "twice": (f"{VALID}{VALID}", NOT_JSON),
    "prose before a fence": (f"Sure!\n```json\n{VALID}\n```", NOT_JSON),
    "prose after a fence": (f"```json\n{VALID}\n```\nEnjoy!", NOT_JSON),
    "prose in a fence": (f"```json\nSure! {VALID}\n```", NOT_JSON),
    "half a fence": (f"```json\n{VALID}", NOT_JSON),
    "a fence in a fence": (f"```\n```json\n{VALID}\n```\n```", NOT_JSON),
    "truncated by one": (VALID[:-1], NOT_JSON),
    "truncated": (VALID[: len(VALID) // 2], NOT_JSON),
    "trailing comma": (replaced('"servings": 2', '"servings": 2,'), NOT_JSON),
    "single quotes": (VALID.replace('"', "'"), NOT_JSON),
    "a byte order mark": (f"\ufeff{VALID}", NOT_JSON),
    "NaN": (replaced("15", "NaN"), "NaN is not a JSON value"),
    "Infinity": (replaced("15", "Infinity"), "Infinity is not"),
    "-Infinity": (replaced("15", "-Infinity"), "-Infinity is not"),
    "a leading zero": (replaced("15", "015"), NOT_JSON),
    "double key": (replaced('"servings": 2', '"servings": 2, "servings": 2'), "repeated"),
    "double key, one of them escaped": (
        replaced('"servings": 2', '"servings": 2, "\\u0073ervings": 3'),
        "repeated",
    ),
    "too deep": (DEEP, "nested too deeply"),
    "far too deep": (VERY_DEEP, "nested too deeply"),
    "too large": (VALID + " " * 70_000 + "x", "longer than 65536 bytes"),
    "too large in bytes": (answer(instructions="국" * 22_000), "longer than"),
    "a raw control character": (replaced("Fried", "\x07Fried"), NOT_JSON),
    # The types
    "a list": (f"[{VALID}]", "the answer:"),
    "a string": ('"recipes"', "the answer:"),
    "null": ("null", "the answer:"),
    "no recipes": ("{}", "recipes: Field required"),
    "a bool for an int": (answer(servings=True), "recipes.0.servings:"),
    "a string for an int": (answer(servings="2"), "recipes.0.servings:"),
    "a fraction": (replaced("15", "15.5"), "recipes.0.cookingTime:"),
    "a float that is whole": (replaced("15", "15.0"), "recipes.0.cookingTime:"),
    "an exponent": (replaced("15", "1e1"), "recipes.0.cookingTime:"),
    "5,000 digits": (replaced("15", "9" * 5000), ""),
    "an int for a string": (answer(name=7), "recipes.0.name:"),
    "no list": (answer(ingredients="Tofu"), "recipes.0.ingredients:"),
    "an int in it": (answer(ingredients=["Tofu", 1]), "recipes.0.ingredients.1:"),
    "an empty list": (answer(ingredients=[]), "recipes.0.ingredients:"),
    "no such difficulty": (answer(difficulty="Hard"), "recipes.0.difficulty:"),
    "an unknown field": (answer(calories=420), "recipes.0.calories: Extra"),
    "snake case": (answer(cooking_time=5), "recipes.0.cooking_time: Extra"),
    "on top": (replaced('{"recipes"', '{"more": 1, "recipes"'), "more: Extra"),
    "a link": (answer(thumbnailUrl="https://x.example/1.jpg"), "recipes.0.thumbnailUrl"),
    "missing": (replaced('"instructions"', '"steps"'), "recipes.0.instructions: Field"),
    "a null name": (answer(name=None), "recipes.0.name: must not be null"),
    "a null in a list": (answer(ingredients=["Tofu", None]), "recipes.0.ingredients.1:"),
    "a long name": (answer(name="x" * 121), "recipes.0.name:"),
    "no time": (answer(cookingTime=0), "recipes.0.cookingTime:"),
    # The characters
    "empty": (answer(name=""), "recipes.0.name: must not be empty"),
    "blank": (answer(name=" \n"), "recipes.0.name: must not be empty"),
    "zero width": (answer(name="\u200b"), "recipes.0.name: must not be empty"),
    "a filler": (answer(name="\u3164"), "recipes.0.name: must not be empty"),
    "in a list": (answer(additionalIngredients=[""]), "recipes.0.additionalIngredients.0: must"),
    "NUL": (replaced("Fried", "\\u0000"), "recipes.0.name: holds control"),
    "an escape": (answer(name="a\x1b[31m"), "recipes.0.name: holds control"),
    "delete": (answer(name="a\x7f"), "recipes.0.name: holds control"),
    "a C1 control": (answer(name="a\x85"), "recipes.0.name: holds control"),
    "turned around": (answer(name="a\u202eb"), "recipes.0.name: holds control"),
    "isolated": (answer(name="a\u2066b"), "recipes.0.name: holds control"),
    "directed": (answer(name="a\u200fb"), "recipes.0.name: holds control characters: U+200F"),
    "tagged": (answer(name="a\U000e0041"), "recipes.0.name: holds control"),
    "a heap of marks": (answer(name="a" + "\u0316" * 31), "30 combining marks"),
    "a heap of marks by escapes": (
        in_ascii(answer(name="x" + "\u0316\u0301" * 50)),
        "recipes.0.name: holds more than 30 combining marks",
    ),
    "an image": (answer(instructions="![soup](soup.png)"), "holds markup"),
    "a link to a path": (answer(description="[more](/more)"), "holds markup"),
    "a script's address": (answer(description="javascript:alert(1)"), "holds markup"),
    "a bare link": (answer(instructions="See https://x.example"), "must not hold a link"),
    "a bare link in a list": (answer(additionalIngredients=["www.x.example"]), "not hold a link"),
    "a BOM within": (answer(name="a\ufeffb"), "recipes.0.name: holds control"),
    "half a character, escaped": (replaced("Fried", "\\ud83d"), ""),
    "half a character": (replaced("Fried", "\ud83d"), ""),
    "half a key": (replaced('"name"', '"\\ud83d": 1, "name"'), ""),
    "decomposed by an escape": (replaced("Fried", "e\\u0301"), "not as escapes"),
    "a tag": (answer(name="<b>tofu</b>"), "recipes.0.name: holds markup"),
    "an end tag, open": (answer(name="tofu</p"), "recipes.0.name: holds markup"),
    "a tag left open": (answer(name="<img src=x onerror=alert(1) x="), "holds markup"),
    "a comment": (answer(name="a<!-- b"), "holds markup"),
    "character references": (answer(name="&#60;b&#62;"), "holds markup"),
    "a named one": (answer(name="fish &amp; chips"), "holds markup"),
    "a tag behind an escape": (replaced("Fried", "\\u003cscript>"), "holds markup"),
    "a link to click": (answer(name="[x](javascript:alert(1))"), "holds markup"),
    "composed into markup": (answer(name="&lt\u037e"), "holds markup"),
    # The fit to the request
    "a foreign ingredient": (
        answer(ingredients=["Tofu", "unicorn"]),
        (
            "recipes.0.ingredients: not among the given ones, so they belong in "
            "additionalIngredients: unicorn"
        ),
    ),
    "with its weight": (answer(ingredients=["Tofu 200g"]), "not among the given"),
    "too few": (json.dumps({"recipes": RECIPES[:1]}), "exactly 2"),
    "too many": (json.dumps({"recipes": [*RECIPES, {**RECIPE, "name": "c"}]}), "exactly 2"),
    "same name": (json.dumps({"recipes": [RECIPE, RECIPE]}), "a name of its own"),
    "same name but for case and outer space": (
        json.dumps({"recipes": [RECIPE, {**RECIPE, "name": " FRIED Tofu "}]}),
        "a name of its own",
    ),
    "wrong servings": (answer(servings=3), "recipes.0.servings: must be 2"),
    "slow": (answer(cookingTime=31), "recipes.0.cookingTime: must be at most 30"),
}


@pytest.mark.parametrize(("text", "complaint"), REFUSED.values(), ids=REFUSED.keys())
def test_an_invalid_answer_is_refused_with_a_complaint(text: str, complaint: str) -> None:
    found = complaints(text)
    assert any(complaint in each for each in found), found


class Plan(TaskResult):
    total_minutes: int
    note: Omittable[str] = None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"totalMinutes": 5}', None),
        ('{"totalMinutes": 5, "total_minutes": 6}', "total_minutes: Extra"),
        ('{"totalMinutes": 5.0}', "totalMinutes:"),
        ('{"totalMinutes": 5, "note": "\u200b"}', "note: must not be empty"),
        ('{"totalMinutes": null}', "totalMinutes: must not be null"),
    ],
)
def test_another_task_is_held_to_the_same(text: str, complaint: str | None) -> None:
    plan = dataclasses.replace(cast(AnyTask, TASK), result_model=Plan, check=lambda *_: [])
    if complaint is None:
        assert validated(plan, REQUESTED, text) == text
        return
    with pytest.raises(InvalidAnswer) as refusal:
        validated(plan, REQUESTED, text)
    assert complaint in refusal.value.complaints[0]


def test_every_misfit_is_told_at_once() -> None:
    found = complaints(answer(servings=3, cookingTime=31, ingredients=["unicorn"], name="a\x00"))
    assert len(found) == 4


def test_users_own_words_may_hold_markup_and_no_others() -> None:
    given = ["두부", "crème fraîche", "<b>tofu</b>"]
    request = TASK.wire_model.model_validate({**REQUEST, "ingredients": given})

    for spelling in ("<b>tofu</b>", " <B>Tofu</B>"):  # as `check` takes them
        copied = answer(ingredients=[spelling])
        assert validated(TASK, request, copied) == copied
    for also in ({"name": "<b>tofu</b> soup"}, {"instructions": "Fry <b>tofu</b>."}):
        with pytest.raises(InvalidAnswer) as refused:
            validated(TASK, request, answer(ingredients=["<b>tofu</b>"], **also))
        assert "holds markup" in str(refused.value.complaints)


def test_without_a_maximum_any_time_fits() -> None:
    request = {key: value for key, value in REQUEST.items() if key != "maxCookingTime"}
    text = answer(cookingTime=1440)
    assert validated(TASK, TASK.wire_model.model_validate(request), text) == text


@pytest.mark.parametrize(
    "text",
    [
        VALID + "\u0301\u0316" * 20_000,
        VALID + "e\u0301" * 100_000,
        "\u0301\u0316" * 200_000,
        answer(name="\u0301\u0316" * 5000),
        answer(name="\u0301\u0316" * 40),
        in_ascii(answer(name="\u0301\u0316" * 40)),
        in_ascii(answer(ingredients=["\u0301\u0316" * 40])),
        answer(name="\u200b".join(["\u0301\u0316" * 14] * 4)),
    ],
)
def test_no_answer_is_normalised_that_it_would_take_long_to(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = CountingUnicode()
    monkeypatch.setattr("answer.unicodedata", counting)
    monkeypatch.setattr("simmer.text.plain.unicodedata", counting)
    complaints(text)
    assert counting.longest <= MAX_MARKS_IN_A_ROW
    assert counting.characters <= 2 * MAX_RESULT_BYTES


@pytest.mark.parametrize(
    "text",
    [
        answer(**{"k" * 50_000: 1}),
        answer(**{f"unknown {i}": i for i in range(1000)}),
        replaced('"name"', '"\\ud83d": 1, "name"'),
        answer(ingredients=["x" * 120] * 40),
    ],
)
def test_complaints_are_few_and_short_and_can_be_sent(text: str) -> None:
    found = complaints(text)
    assert 1 <= len(found) <= MAX_COMPLAINTS
    assert all(len(each) <= MAX_COMPLAINT_CHARACTERS for each in found)
    assert "".join(found).encode()


def test_what_is_refused_is_not_in_the_exception_text() -> None:
    with pytest.raises(InvalidAnswer) as refusal:
        delivered(answer(ingredients=["unicorn"]))
    assert "unicorn" not in str(refusal.value)


@settings(
    max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(st.randoms(use_true_random=False))
def test_what_is_let_through_satisfies_judges_of_another_hand(chance: random.Random) -> None:
    given_answer = corrupted(chance)
    _, objections = verdict(given_answer)
    assert objections == [], (given_answer.by, given_answer.said)
