"""The task `receipt`: which answers fit, and which texts are the same."""

import json
from decimal import Decimal
from typing import Any

import pytest

from simmer.task import find_task
from simmer.task.answers import Misfit, read_answer
from tests.tasks.judging import complaints, identity

TASK = find_task("receipt")
ANSWER: dict[str, Any] = dict(TASK.answer)
[MILK, BREAD] = ANSWER["items"]


def test_its_own_answer_fits_its_example() -> None:
    assert complaints(TASK, ANSWER) == []


def test_amounts_must_add_up_to_the_total() -> None:
    [complaint] = complaints(TASK, {**ANSWER, "total": 9.20})

    assert complaint.startswith("total: the amounts of the items and the tax add up to 9.02, not")


def test_tax_may_be_left_out_and_then_adds_nothing() -> None:
    answer = {**ANSWER, "total": 8.20}
    del answer["tax"]

    assert complaints(TASK, answer) == []


def test_a_discount_is_an_item_of_a_negative_amount() -> None:
    discount = {"name": "bread", "quantity": 1, "amount": -0.20}
    answer = {**ANSWER, "items": [MILK, BREAD, discount], "total": 8.82}

    assert complaints(TASK, answer) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [({"shop": "Red Market"}, "shop"), ({"items": [{**MILK, "name": "Milk"}, BREAD]}, None)],
)
def test_names_are_copied_from_the_text(change: dict[str, Any], place: str | None) -> None:
    assert [each.partition(":")[0] for each in complaints(TASK, {**ANSWER, **change})] == (
        [place] if place else []
    )


def test_an_item_that_is_not_in_the_text_is_refused() -> None:
    invented = {**BREAD, "name": "Cake"}

    assert complaints(TASK, {**ANSWER, "items": [MILK, invented]}) == [
        "items.1.name: must be copied from the text"
    ]


@pytest.mark.parametrize(
    "change",
    [{"currency": "XXX"}, {"date": "21.11.2026"}, {"total": 9.021}, {"items": []}, {"tax": -1}],
)
def test_what_is_no_receipt_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Misfit):
        complaints(TASK, {**ANSWER, **change})


def test_tenths_are_added_as_decimals() -> None:
    result = read_answer(TASK.result_model, json.dumps(ANSWER)).result

    assert result.total == Decimal("9.02")


def test_blanks_and_letter_case_make_no_other_receipt_but_amounts_do() -> None:
    text = TASK.example["text"]

    assert identity(TASK, text=f"\n{text.lower()}  \n\n") == identity(TASK)
    assert identity(TASK, text=text.replace("9.02", "9.03")) != identity(TASK)
    assert identity(TASK, currency="EUR") != identity(TASK)
