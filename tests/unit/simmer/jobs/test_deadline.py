"""The deadline: the first reader of an overdue job writes its failure."""

from collections.abc import Callable

import pytest

from tests.unit.simmer.jobs.walk import (
    Walk,
    abandoned,
    cancelled,
    completed,
    failed,
    leased,
    name_of,
    overdue_waiting,
    overdue_working,
    released,
    waiting,
)


@pytest.mark.parametrize("state", [overdue_waiting, overdue_working], ids=name_of)
def test_reader_of_an_overdue_job_ends_it(walk: Walk, state: Callable[[Walk], None]) -> None:
    state(walk)

    job = walk.look()

    stored = walk.stored()
    assert stored is not None
    assert (stored["status"], stored["error_code"]) == ("failed", "deadline_exceeded")
    assert stored["completed_at_ms"] == job.completed_at_ms == job.deadline_at_ms
    assert "lease_token" not in stored


@pytest.mark.parametrize(
    "state", [waiting, leased, abandoned, released, completed, failed, cancelled], ids=name_of
)
def test_reader_changes_nothing_else(walk: Walk, state: Callable[[Walk], None]) -> None:
    state(walk)
    before = walk.stored()

    walk.look()

    assert walk.stored() == before
