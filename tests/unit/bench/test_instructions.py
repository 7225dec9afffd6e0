"""`make bench-poll` fails above a budget. (What it counts, it needs valgrind for.)"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.instructions import __main__ as bench
from bench.instructions.services import serving
from bench.instructions.workload import CASES, HOT, NEW_HISTOGRAM, Case
from functions.submit import app

BUDGETED = [case for case in CASES if case.budget]
Run = Callable[[Callable[[Case], bench.Cost]], int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the bench as if each row had cost this; gives how it ends."""
    monkeypatch.setattr("shutil.which", lambda _: "valgrind")
    monkeypatch.setattr(bench, "built", Path)
    monkeypatch.setattr(bench, "lambda_python", Path)
    monkeypatch.setattr(sys, "argv", ["bench"])

    def run(cost: Callable[[Case], bench.Cost]) -> int:
        monkeypatch.setattr(bench, "cost", lambda case, *_: cost(case))
        return bench.main()

    return run


def at_budget(case: Case) -> bench.Cost:
    return bench.Cost(case.cold_budget or 10**6, case.budget or HOT.budget or 0)


def test_rows_at_their_budgets_pass(run: Run) -> None:
    assert {case.function for case in BUDGETED} == {
        *("StatusFunction", "SubmitFunction", "WorkerFunction")
    }
    assert run(at_budget) == 0


@pytest.mark.parametrize("case", BUDGETED, ids=lambda case: case.name)
@pytest.mark.parametrize("field", ["cold", "call"])
def test_row_above_its_budget_fails(
    run: Run, case: Case, field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    at = at_budget(case)
    above = replace(at, **{field: getattr(at, field) + 1})

    assert run(lambda each: above if each == case else at_budget(each)) == 1
    assert case.name in capsys.readouterr().err


def test_poll_of_new_durations_is_held_against_a_hot_one(run: Run) -> None:
    hot = at_budget(HOT)
    new = replace(hot, call=int(hot.call * bench.NEW_HISTOGRAM_RATIO) + 2)

    assert run(lambda each: new if each == NEW_HISTOGRAM else at_budget(each)) == 1


@pytest.mark.enable_socket
def test_each_row_has_as_many_events_as_it_is_counted_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twice, as it is done for a slope: the services are others each time."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    for case in CASES:
        for count in (1, 3):
            with serving() as services:
                assert len(case.events(services, count)) == count, case.name
    for kept in (app._wiring, app._history):
        kept.cache_clear()
