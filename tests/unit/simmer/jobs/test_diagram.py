"""Every arrow of the diagram in `simmer.jobs.job`, and every arrow that must not exist."""

from collections.abc import Callable
from typing import Any

import pytest

from simmer.jobs.item import JobRefused
from simmer.jobs.job import Job, JobStatus
from tests.unit.simmer.jobs.walk import (
    STATES,
    Walk,
    abandoned,
    leased,
    name_of,
    overdue_working,
    released,
    waiting,
)

# Which arrows exist, and where each leads. Heartbeat and release of an overdue job are harmless:
# it is failed for every reader, and nobody can claim or complete it. Readers walk, too: see below.
ARROWS: dict[Callable[[Walk], Job], dict[Callable[[Walk], None], JobStatus]] = {
    Walk.claim: dict.fromkeys((waiting, released, abandoned), JobStatus.PROCESSING),
    Walk.complete: dict.fromkeys((leased, abandoned), JobStatus.COMPLETED),
    Walk.fail: dict.fromkeys((leased, abandoned), JobStatus.FAILED),
    Walk.release: dict.fromkeys((leased, abandoned, overdue_working), JobStatus.PENDING),
    Walk.heartbeat: dict.fromkeys((leased, abandoned, overdue_working), JobStatus.PROCESSING),
}
EXISTING = [(step, state) for step, states in ARROWS.items() for state in states]
MISSING = [
    (step, state) for step, states in ARROWS.items() for state in STATES if state not in states
]


@pytest.mark.parametrize(("step", "state"), EXISTING, ids=name_of)
def test_arrow_of_the_diagram_can_be_walked(
    walk: Walk, step: Callable[[Walk], Job], state: Callable[[Walk], None]
) -> None:
    state(walk)

    job = step(walk)

    stored = walk.stored()
    assert stored is not None
    assert stored["status"] == job.status == ARROWS[step][state]
    assert ("lease_token" in stored) == (job.status is JobStatus.PROCESSING)


@pytest.mark.parametrize(("step", "state"), MISSING, ids=name_of)
def test_arrow_that_is_not_in_the_diagram_is_refused_and_changes_nothing(
    walk: Walk, step: Callable[[Walk], Job], state: Callable[[Walk], None]
) -> None:
    state(walk)
    before = walk.stored()

    refusal: Any
    with pytest.raises(JobRefused) as refusal:
        step(walk)

    assert walk.stored() == before
    assert (refusal.value.job is None) == (before is None)  # it says what is there instead
