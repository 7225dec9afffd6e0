"""The lease: claim, heartbeat, the two ends, release, and what is settled after a lease."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from simmer.jobs.item import JobRefused
from simmer.jobs.job import CLOCK_SKEW_MS, LAST_WRITE_MS, ErrorCode, Job, JobStatus, Usage
from tests.unit.clock import Clock
from tests.unit.cloud import RESULT, RETENTION_SECONDS
from tests.unit.jobs import DEADLINE_SECONDS
from tests.unit.simmer.jobs.walk import (
    COSTS,
    LEASE_SECONDS,
    Walk,
    absent,
    admitted_anew,
    cancelled,
    completed,
    expired,
    failed,
    leased,
    name_of,
    overdue_working,
    released,
    taken_over,
    waiting,
)

# ── claim ─────────────────────────────────────────────────────────────────────────────────────────


def test_first_claim_starts_the_jobs_clock_and_holds_the_lease(walk: Walk, clock: Clock) -> None:
    walk.admit()
    clock.advance(5)

    job = walk.claim()

    assert job.started_at_ms == clock.now_ms
    assert job.lease == walk.lease("lease-1")


def test_takeover_keeps_the_jobs_clock_and_what_was_spent(walk: Walk, clock: Clock) -> None:
    walk.admit()
    started_at_ms = walk.claim().started_at_ms
    walk.release()
    walk.claim()
    clock.advance(LEASE_SECONDS + 10)

    job = walk.claim("lease-2")

    assert job.started_at_ms == started_at_ms
    assert job.usage == COSTS
    assert job.lease is not None
    assert job.lease.token == "lease-2"


@pytest.mark.parametrize(
    ("since_expiry_ms", "is_free"),
    [(-1, False), (0, False), (CLOCK_SKEW_MS - 1, False), (CLOCK_SKEW_MS, True)],
)
def test_lease_is_over_only_when_no_clock_can_disagree(
    walk: Walk, clock: Clock, since_expiry_ms: int, is_free: bool
) -> None:
    walk.admit()
    walk.claim()
    clock.advance(LEASE_SECONDS + since_expiry_ms / 1000)

    if is_free:
        walk.claim("lease-2")
    else:
        with pytest.raises(JobRefused):
            walk.claim("lease-2")


@pytest.mark.parametrize(
    ("before_deadline_ms", "is_claimable"), [(LAST_WRITE_MS + 1, True), (LAST_WRITE_MS, False)]
)
def test_no_claim_when_nothing_could_be_written_before_the_deadline(
    walk: Walk, clock: Clock, before_deadline_ms: int, is_claimable: bool
) -> None:
    walk.admit()
    clock.advance(DEADLINE_SECONDS - before_deadline_ms / 1000)

    if is_claimable:
        walk.claim()
    else:
        with pytest.raises(JobRefused):
            walk.claim()


def test_refused_claim_tells_what_is_there(walk: Walk) -> None:
    completed(walk)

    with pytest.raises(JobRefused) as refusal:
        walk.claim()

    assert refusal.value.job is not None
    assert refusal.value.job.result == RESULT


# ── heartbeat ─────────────────────────────────────────────────────────────────────────────────────


def test_heartbeat_keeps_another_worker_out(walk: Walk, clock: Clock) -> None:
    walk.admit()
    walk.claim()
    clock.advance(20)
    walk.heartbeat()
    clock.advance(20)

    with pytest.raises(JobRefused):
        walk.claim("lease-2")


# ── complete and fail ─────────────────────────────────────────────────────────────────────────────


def test_completed_job_keeps_the_exact_text_and_its_time(walk: Walk, clock: Clock) -> None:
    leased(walk)
    clock.advance(7)

    job = walk.complete()

    assert (job.result, job.completed_at_ms, job.usage) == (RESULT, clock.now_ms, COSTS)
    assert job.expires_at_seconds == clock.now_ms // 1000 + RETENTION_SECONDS


def test_failed_job_keeps_its_reason_and_no_result(walk: Walk, clock: Clock) -> None:
    leased(walk)

    job = walk.fail(ErrorCode.INVALID_OUTPUT)

    assert (job.error_code, job.result, job.usage) == (ErrorCode.INVALID_OUTPUT, None, COSTS)
    assert job.completed_at_ms == clock.now_ms


@pytest.mark.parametrize(
    ("before_deadline_ms", "is_in_time"), [(LAST_WRITE_MS + 1, True), (LAST_WRITE_MS, False)]
)
@pytest.mark.parametrize("step", [Walk.complete, Walk.fail], ids=name_of)
def test_nothing_ends_when_a_client_may_have_seen_the_deadline_pass(
    walk: Walk,
    clock: Clock,
    step: Callable[[Walk], Job],
    before_deadline_ms: int,
    is_in_time: bool,
) -> None:
    leased(walk)
    clock.advance(DEADLINE_SECONDS - before_deadline_ms / 1000)

    if is_in_time:
        assert step(walk).status.is_terminal
    else:
        with pytest.raises(JobRefused):
            step(walk)


def test_worker_that_never_held_a_lease_writes_nothing(walk: Walk) -> None:
    leased(walk)
    walk.held = walk.job

    with pytest.raises(JobRefused):
        walk.complete()


# ── release ───────────────────────────────────────────────────────────────────────────────────────


def test_released_job_can_be_claimed_by_another_at_once(walk: Walk) -> None:
    leased(walk)
    walk.release(first_rung=1, awaits_capacity=True)

    job = walk.claim("lease-2")

    assert (job.status, job.first_rung) == (JobStatus.PROCESSING, 1)
    assert not job.awaits_capacity


@pytest.mark.parametrize("awaits_capacity", [True, False])
def test_released_job_says_whether_it_waits_for_room(walk: Walk, awaits_capacity: bool) -> None:
    leased(walk)

    job = walk.release(first_rung=2, awaits_capacity=awaits_capacity)

    assert (job.awaits_capacity, job.first_rung, job.lease) == (awaits_capacity, 2, None)


def test_usage_is_summed_over_every_attempt(walk: Walk) -> None:
    leased(walk)
    walk.release()
    walk.claim()
    walk.release()
    walk.claim()

    assert walk.complete(Usage(calls=2, output_tokens=5)).usage == Usage(
        calls=4,
        input_tokens=200,
        cached_input_tokens=120,
        output_tokens=85,
        cost_microusd=1400,
    )


def test_overdue_job_that_is_released_is_failed_for_every_reader(walk: Walk) -> None:
    overdue_working(walk)
    walk.release()

    assert walk.look().error_code is ErrorCode.DEADLINE_EXCEEDED
    with pytest.raises(JobRefused):
        walk.claim("lease-2")


# ── settle ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", [cancelled, expired], ids=name_of)
def test_worker_whose_job_was_ended_can_still_say_what_it_has_spent_once(
    walk: Walk, state: Callable[[Walk], None]
) -> None:
    state(walk)
    walk.leases.settle(walk.held, COSTS)
    walk.leases.settle(walk.held, COSTS)

    job = walk.look()
    assert (job.status.is_terminal, job.usage) == (True, COSTS)


@pytest.mark.parametrize(
    "state",
    [absent, waiting, leased, taken_over, released, completed, failed, admitted_anew],
    ids=name_of,
)
def test_nothing_is_settled_where_nothing_is_open(
    walk: Walk, state: Callable[[Walk], None]
) -> None:
    state(walk)
    before = walk.stored()

    walk.leases.settle(walk.held, COSTS)
    walk.leases.settle(replace(walk.held, lease=None), COSTS)

    assert walk.stored() == before


def test_job_that_nobody_worked_on_has_nothing_to_settle(walk: Walk) -> None:
    walk.admit()
    walk.cancel()
    before = walk.stored()

    walk.leases.settle(walk.held, COSTS)

    assert walk.stored() == before
