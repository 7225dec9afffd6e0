"""The task `workout`: which plans fit, and which wishes are the same."""

from typing import Any

import pytest

from simmer.task import find_task
from simmer.task.answers import Misfit
from tests.tasks.judging import complaints, identity

TASK = find_task("workout")
ANSWER: dict[str, Any] = dict(TASK.answer)
[MARCH, SQUAT, STRETCH] = ANSWER["steps"]


def _of(*steps: dict[str, Any]) -> dict[str, Any]:
    return {**ANSWER, "steps": list(steps)}


def test_its_own_answer_fits_its_example() -> None:
    assert complaints(TASK, ANSWER) == []


@pytest.mark.parametrize("minutes", [13, 29])
def test_the_steps_fill_the_time_and_no_more(minutes: int) -> None:
    [complaint] = complaints(TASK, ANSWER, minutes=minutes)

    assert complaint.startswith("steps: their minutes add up to 14;")


@pytest.mark.parametrize("minutes", [14, 28])
def test_the_whole_time_and_half_of_it_will_do(minutes: int) -> None:
    assert complaints(TASK, ANSWER, minutes=minutes) == []


def test_the_last_step_is_a_stretch() -> None:
    assert complaints(TASK, _of(STRETCH, MARCH, SQUAT)) == [
        "steps.2.kind: the last one must be a stretch"
    ]


def test_no_step_needs_what_is_not_there() -> None:
    assert complaints(TASK, ANSWER, equipment=["mat"]) == [
        "steps.1.equipment: must be one of the request's, or left out"
    ]
    assert complaints(TASK, ANSWER, equipment=[" KETTLEBELL"]) == []


def test_a_beginner_is_not_worked_hard() -> None:
    hard = _of({**MARCH, "effort": "hard"}, SQUAT, STRETCH)

    assert complaints(TASK, hard) == ["steps.0.effort: must not be hard for a beginner"]
    assert complaints(TASK, hard, level="athlete") == []


@pytest.mark.parametrize(
    "step", [{**MARCH, "kind": "dance"}, {**STRETCH, "sets": 3}, {**SQUAT, "minutes": "8"}]
)
def test_a_step_is_of_one_kind_with_its_own_fields(step: dict[str, Any]) -> None:
    with pytest.raises(Misfit):
        complaints(TASK, _of(step, STRETCH))


def test_order_and_spelling_make_no_other_wish_but_what_hurts_does() -> None:
    assert identity(TASK, equipment=["mat", "Bar"]) == identity(TASK, equipment=["bar", " mat"])
    assert identity(TASK, avoid="knee") != identity(TASK)
