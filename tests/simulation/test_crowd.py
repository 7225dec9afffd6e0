"""Behind one user's five hundred jobs another's single one is among the next that are taken."""

import pytest

from tests.simulation.campaign import ROOT
from tests.simulation.crowd import (
    OWNERS_GROUP,
    SEEDED,
    fate_of_one_behind_a_crowd,
    fate_with,
)
from tests.simulation.mutations import Mutation

LONGEST_CALL_SECONDS = 60  # of the simulated model
NEXT = 10  # a batch, in which it is the first


@pytest.mark.parametrize("seed", range(3))
def test_single_job_behind_a_crowd_is_the_next_to_be_taken(seed: int) -> None:
    fate = fate_of_one_behind_a_crowd(seed)

    assert fate.taken_before < NEXT
    assert fate.waited_seconds < LONGEST_CALL_SECONDS


def test_two_workers_of_ten_are_too_few_for_the_queue_to_see_a_crowd() -> None:
    """Not a promise: what to know before `WorkerJobs` is set to 10."""
    assert fate_of_one_behind_a_crowd(workers=3, room=10).taken_before < NEXT
    assert fate_of_one_behind_a_crowd(workers=2, room=10).taken_before > 400
    assert fate_of_one_behind_a_crowd(workers=2).taken_before < NEXT


def test_larger_batches_let_the_single_job_wait_for_one_worker_and_not_for_the_crowd() -> None:
    fate = fate_of_one_behind_a_crowd(batch=30)

    assert fate.waited_seconds < LONGEST_CALL_SECONDS
    assert fate.taken_before < 2 * 30


@pytest.mark.parametrize("bug", SEEDED, ids=lambda bug: bug.name)
def test_seeded_bug_makes_the_single_job_the_last(bug: Mutation) -> None:
    assert (ROOT / bug.path).read_text().count(bug.old) == 1

    fate = fate_with(bug)

    assert fate.taken_before > 400


def test_who_joins_one_of_the_crowds_jobs_does_not_wait_for_the_crowd() -> None:
    """The last of them, at that."""
    assert fate_of_one_behind_a_crowd(joins=True).taken_before < NEXT
    assert fate_with(OWNERS_GROUP, joins=True).taken_before > 15 * NEXT
