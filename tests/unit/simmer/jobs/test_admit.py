"""Admission: a job is new, or the one that is there is returned."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from simmer.errors import IdempotencyKeyReused
from simmer.jobs.item import JobRefused
from simmer.jobs.job import ErrorCode, JobStatus
from simmer.jobs.store import JobStore
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud
from tests.unit.jobs import a_job
from tests.unit.simmer.jobs.walk import (
    COSTS,
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


@pytest.mark.parametrize(
    "state", [absent, failed, cancelled, overdue_waiting, overdue_working, expired]
)
def test_admits_a_run_where_none_is_open_or_answered(
    walk: Walk, store: JobStore, clock: Clock, state: Callable[[Walk], None]
) -> None:
    state(walk)

    admission = store.admit(
        a_job(clock, run_id="run-2"), daily_quota=9, most_in_flight=1000, now_ms=clock.now_ms
    )

    assert admission.is_new
    stored = walk.stored()
    assert stored is not None
    assert (stored["run_id"], stored["status"]) == ("run-2", "pending")
    assert "started_at_ms" not in stored


@pytest.mark.parametrize("state", [waiting, leased, abandoned, released, completed])
def test_returns_the_job_that_stands_there_instead_of_admitting(
    walk: Walk, store: JobStore, clock: Clock, cloud: Cloud, state: Callable[[Walk], None]
) -> None:
    state(walk)
    before = walk.stored()

    admission = store.admit(
        a_job(clock, run_id="run-2"), daily_quota=9, most_in_flight=1000, now_ms=clock.now_ms
    )

    assert not admission.is_new
    assert admission.job.run_id == "run-1"
    assert walk.stored() == before
    assert list(cloud.quota_counts().values()) == [1]


@pytest.fixture
def _too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stands there when a submit looks; by the time it writes, something does."""
    monkeypatch.setattr(JobStore, "_look", lambda *_: None)


@pytest.mark.usefixtures("_too_early")
@pytest.mark.parametrize("state", [waiting, leased, abandoned, released, completed])
def test_transaction_decides_where_a_look_came_too_early(
    walk: Walk, store: JobStore, clock: Clock, cloud: Cloud, state: Callable[[Walk], None]
) -> None:
    test_returns_the_job_that_stands_there_instead_of_admitting(walk, store, clock, cloud, state)


@pytest.mark.usefixtures("_too_early")
@pytest.mark.parametrize("state", [waiting, leased, completed, failed, cancelled])
def test_transaction_refuses_another_request_for_the_id_where_a_look_came_too_early(
    walk: Walk, store: JobStore, clock: Clock, cloud: Cloud, state: Callable[[Walk], None]
) -> None:
    state(walk)
    before = walk.stored()
    other = a_job(clock, run_id="run-2", request_hash="another")

    with pytest.raises(IdempotencyKeyReused):
        store.admit(other, daily_quota=9, most_in_flight=1000, now_ms=clock.now_ms)

    assert walk.stored() == before
    assert list(cloud.quota_counts().values()) == [1]


@pytest.mark.parametrize("state", [overdue_waiting, overdue_working], ids=name_of)
def test_overdue_run_ends_before_another_takes_its_place(
    walk: Walk, store: JobStore, clock: Clock, state: Callable[[Walk], None], cloud: Cloud
) -> None:
    """So that those who subscribed to it are told."""
    state(walk)
    cloud.calls.clear()

    store.admit(
        a_job(clock, run_id="run-2"), daily_quota=9, most_in_flight=1000, now_ms=clock.now_ms
    )

    assert cloud.calls == ["get_item", "update_item", "get_item", "transact_write_items"]


def test_request_whose_job_stands_there_costs_a_read_and_no_transaction(
    walk: Walk, store: JobStore, clock: Clock, cloud: Cloud
) -> None:
    """Refused, a transaction costs as much as one that has written, and many refuse each other."""
    waiting(walk)
    cloud.calls.clear()

    assert not store.admit(
        a_job(clock, run_id="run-2"), daily_quota=9, most_in_flight=1000, now_ms=clock.now_ms
    ).is_new

    assert cloud.calls == ["get_item"]


def test_worker_of_an_earlier_run_cannot_claim_the_new_one(walk: Walk) -> None:
    failed(walk)
    walk.job = replace(walk.job, run_id="run-2")
    walk.admit()

    with pytest.raises(JobRefused):
        walk.claim(run_id="run-1")


def test_every_field_of_a_job_survives_the_store(store: JobStore, clock: Clock) -> None:
    job = a_job(
        clock,
        status=JobStatus.FAILED,
        started_at_ms=clock.now_ms + 1,
        completed_at_ms=clock.now_ms + 2,
        awaits_capacity=True,
        first_rung=2,
        result='{"recipes" : ["김치"]}',
        error_code=ErrorCode.REFUSED,
        usage=COSTS,
        is_shared=True,
        locale="en",
    )
    store.admit(job, daily_quota=1, most_in_flight=1000, now_ms=clock.now_ms)

    found = store.get(job.job_id, task="recipe", user="alice", now_ms=clock.now_ms)

    assert found == job
    assert {type(found.first_rung), type(found.usage.calls), type(found.created_at_ms)} == {int}
