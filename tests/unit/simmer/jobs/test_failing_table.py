"""DynamoDB fails: no failure is taken for a refusal, and a conflict is tried again."""

from collections.abc import Callable

import pytest

from simmer.errors import DependencyUnavailable, JobNotFound
from simmer.jobs.item import JobRefused
from simmer.jobs.job import Job
from simmer.jobs.store import JobStore
from tests.unit.clock import Clock
from tests.unit.cloud import LOST_ANSWER, RESULT, Cloud, refused
from tests.unit.simmer.jobs.walk import COSTS, Walk, leased, name_of, waiting

WRITES = [
    Walk.claim,
    Walk.heartbeat,
    Walk.complete,
    Walk.fail,
    Walk.release,
    Walk.cancel,
    Walk.subscribe,
]


@pytest.mark.parametrize(
    "error", [LOST_ANSWER, refused("ProvisionedThroughputExceededException")], ids=str
)
@pytest.mark.parametrize("step", WRITES, ids=name_of)
def test_failure_of_the_table_is_not_taken_for_a_refusal(
    walk: Walk, cloud: Cloud, step: Callable[[Walk], Job], error: Exception
) -> None:
    (waiting if step is Walk.claim else leased)(walk)
    before = walk.stored()
    cloud.dynamodb.fail("update_item", error)

    with pytest.raises(DependencyUnavailable):
        step(walk)

    assert walk.stored() == before


@pytest.mark.parametrize("step", WRITES, ids=name_of)
def test_write_that_meets_a_transaction_is_tried_again(
    walk: Walk, cloud: Cloud, step: Callable[[Walk], Job]
) -> None:
    """An admission that is refused is one, too: joiners meet each other, and the worker."""
    (waiting if step is Walk.claim else leased)(walk)
    cloud.dynamodb.fail("update_item", refused("TransactionConflictException"), times=3)

    step(walk)


def test_write_that_keeps_meeting_transactions_is_unavailable(walk: Walk, cloud: Cloud) -> None:
    leased(walk)
    cloud.dynamodb.fail("update_item", refused("TransactionConflictException"), times=99)

    with pytest.raises(DependencyUnavailable):
        walk.heartbeat()


def test_completing_again_after_the_answer_got_lost_shows_the_completed_job(
    walk: Walk, cloud: Cloud
) -> None:
    leased(walk)
    cloud.dynamodb.lose_answer("update_item")
    with pytest.raises(DependencyUnavailable):
        walk.complete()

    with pytest.raises(JobRefused) as refusal:
        walk.complete()

    assert refusal.value.job is not None
    assert refusal.value.job.result == RESULT
    assert refusal.value.job.usage == COSTS  # counted once


def test_reading_fails_as_unavailable_when_the_table_does(
    store: JobStore, cloud: Cloud, clock: Clock
) -> None:
    cloud.dynamodb.fail("get_item", LOST_ANSWER)

    with pytest.raises(DependencyUnavailable):
        store.get("0" * 32, task="recipe", user="alice", now_ms=clock.now_ms)


def test_id_no_job_can_have_is_not_asked_for(store: JobStore, cloud: Cloud, clock: Clock) -> None:
    """DynamoDB refuses a key of more than 2,048 bytes, which would look like its failure."""
    with pytest.raises(JobNotFound):
        store.get("a" * 3000, task="recipe", user="alice", now_ms=clock.now_ms)

    assert cloud.calls == []
