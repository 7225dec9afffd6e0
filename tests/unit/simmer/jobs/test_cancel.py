"""Cancel: a user leaves a job, and the last user to leave ends it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from simmer.errors import JobNotFound
from simmer.jobs.job import ErrorCode, Job, JobStatus, mark_of
from simmer.jobs.store import MAX_WANTED_BY
from tests.unit.cloud import Cloud
from tests.unit.simmer.jobs.walk import (
    Walk,
    abandoned,
    absent,
    cancelled,
    completed,
    expired,
    failed,
    leased,
    name_of,
    overdue_waiting,
    overdue_working,
    released,
    waiting,
)


@pytest.mark.parametrize("state", [waiting, leased, abandoned, released], ids=name_of)
def test_open_job_can_be_cancelled(walk: Walk, state: Callable[[Walk], None]) -> None:
    state(walk)

    job = walk.cancel()

    stored = walk.stored()
    assert stored is not None
    assert stored["status"] == job.status == JobStatus.CANCELLED
    assert stored["completed_at_ms"] == walk.clock.now_ms
    assert "lease_token" not in stored


@pytest.mark.parametrize("state", [completed, failed, cancelled, expired], ids=name_of)
def test_terminal_job_stays_what_it_is_when_it_is_cancelled(
    walk: Walk, state: Callable[[Walk], None]
) -> None:
    state(walk)
    before = walk.stored()

    job = walk.cancel()

    assert before is not None
    assert job.status == before["status"]
    assert walk.stored() == before


@pytest.mark.parametrize("state", [overdue_waiting, overdue_working], ids=name_of)
def test_overdue_job_is_failed_not_cancelled(walk: Walk, state: Callable[[Walk], None]) -> None:
    state(walk)

    assert walk.cancel().error_code is ErrorCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("state", [absent, waiting], ids=name_of)
def test_stranger_finds_nothing_to_cancel(walk: Walk, state: Callable[[Walk], None]) -> None:
    state(walk)
    before = walk.stored()

    with pytest.raises(JobNotFound):
        walk.cancel("bob")

    assert walk.stored() == before


def shared(walk: Walk, *users: str) -> None:
    """A shared job under way that these have asked for, in turn."""
    for user in users:
        walk.job = replace(
            walk.job, is_shared=True, owner=user, wanted_by=frozenset({mark_of(user)})
        )
        walk.admit()
    walk.claim()


def test_cancel_of_one_leaves_the_job_to_the_others(walk: Walk) -> None:
    shared(walk, "alice", "bob")

    assert walk.cancel("alice").status is JobStatus.PROCESSING
    assert walk.heartbeat().wanted_by == {mark_of("bob")}


def test_last_one_to_leave_ends_it(walk: Walk) -> None:
    shared(walk, "alice", "bob", "carol")

    ends = [walk.cancel(user).status for user in ("alice", "carol", "alice", "bob")]

    assert ends == ["processing", "processing", "processing", "cancelled"]


def test_who_only_knows_the_id_of_a_shared_job_cannot_end_it(walk: Walk) -> None:
    shared(walk, "alice")
    before = walk.stored()

    assert walk.cancel("bob").status is JobStatus.PROCESSING
    assert walk.stored() == before


def test_who_has_left_can_come_back(walk: Walk) -> None:
    shared(walk, "alice", "bob")
    walk.cancel("alice")
    walk.job = replace(walk.job, owner="alice", wanted_by=frozenset({mark_of("alice")}))
    walk.admit()

    assert walk.cancel("bob").status is JobStatus.PROCESSING


def test_job_that_more_want_than_can_be_told_apart_is_ended_by_nobody(walk: Walk) -> None:
    users = [f"user {i}" for i in range(MAX_WANTED_BY + 3)]
    shared(walk, *users)

    assert {walk.cancel(user).status for user in users} == {JobStatus.PROCESSING}
    stored = walk.stored()
    assert stored is not None
    assert len(stored["wanted_by"]) == 1


def test_who_joins_a_job_that_many_wait_for_writes_nothing(walk: Walk, cloud: Cloud) -> None:
    shared(walk, *(f"user {i}" for i in range(MAX_WANTED_BY + 1)))
    before = walk.stored()
    cloud.calls.clear()
    walk.job = replace(walk.job, owner="late", wanted_by=frozenset({mark_of("late")}))

    walk.admit()

    assert set(cloud.calls) == {"get_item"}
    assert walk.stored() == before
    assert walk.cancel("late").status is JobStatus.PROCESSING


@pytest.mark.parametrize("moment", ["cancel", "leave"])
def test_join_in_the_moment_of_a_cancel_keeps_the_job(
    walk: Walk, cloud: Cloud, moment: str
) -> None:
    """The cancel has read the job, and the job changes before the cancel writes."""
    shared(walk, "alice")
    alone = walk.stored()
    assert alone is not None
    walk.job = replace(walk.job, owner="bob", wanted_by=frozenset({mark_of("bob")}))
    walk.admit()
    if moment == "cancel":
        cloud.dynamodb.answer_next("get_item", alone)
    else:  # the other has left by then: who would leave is the last
        both = walk.stored()
        assert both is not None
        walk.cancel("bob")
        cloud.dynamodb.answer_next("get_item", both)

    status = walk.cancel("alice").status

    assert status == ("processing" if moment == "cancel" else "cancelled")


def test_cancel_in_the_moment_of_a_join_makes_the_join_a_run_of_its_own(
    walk: Walk, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared(walk, "alice")
    update_open = walk.store._items.update_open

    def join_too_late(job: Job, expression: str, *conditions: str, **values: Any) -> Job:
        if expression.startswith("ADD #wanted_by"):
            walk.cancel("alice")
        return update_open(job, expression, *conditions, **values)

    monkeypatch.setattr(walk.store._items, "update_open", join_too_late)
    bobs = replace(walk.job, run_id="run-2", owner="bob", wanted_by=frozenset({mark_of("bob")}))

    admission = walk.store.admit(bobs, daily_quota=9, most_in_flight=1000, now_ms=walk.clock.now_ms)

    assert admission.is_new
    assert walk.cloud.job(walk.job.job_id)["run_id"] == "run-2"
