"""Every arrow of the diagram in `simmer.job`, and every arrow that must not exist."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from simmer.errors import DependencyUnavailable, JobNotFound
from simmer.job import CLOCK_SKEW_MS, LAST_WRITE_MS, ErrorCode, Job, JobStatus, Lease, Usage
from simmer.job_store import JobStore, LeaseLost, NotClaimed
from tests.unit.clock import Clock
from tests.unit.cloud import LOST_ANSWER, RESULT, RETENTION_SECONDS, TABLE, Cloud, refused
from tests.unit.jobs import DEADLINE_SECONDS, a_job

LEASE_SECONDS = 30

COSTS = Usage(
    calls=1, input_tokens=100, cached_input_tokens=60, output_tokens=40, cost_microusd=700
)


class Walk:
    """One job, and what can be done to it. Each step is the holder of "lease-1", unless it says."""

    def __init__(self, store: JobStore, cloud: Cloud, clock: Clock) -> None:
        self.store, self.cloud, self.clock = store, cloud, clock
        self.job = a_job(clock)
        self.held = replace(self.job, lease=self.lease("lease-1"))

    def lease(self, token: str) -> Lease:
        expires_at_ms = self.clock.now_ms + LEASE_SECONDS * 1000
        return Lease(token=token, expires_at_ms=expires_at_ms, message_id=f"message of {token}")

    def admit(self) -> Job:
        return self.store.admit(self.job, daily_quota=100, now_ms=self.clock.now_ms).job

    def claim(self, token: str = "lease-1", run_id: str = "run-1") -> Job:
        return self.store.claim(self.job.job_id, run_id, self.lease(token), self.clock.now_ms)

    def heartbeat(self) -> Job:
        return self.store.heartbeat(self.held, self.clock.now_ms + LEASE_SECONDS * 1000)

    def complete(self, usage: Usage = COSTS) -> Job:
        return self.store.complete(
            self.held,
            RESULT,
            usage,
            retention_seconds=RETENTION_SECONDS,
            now_ms=self.clock.now_ms,
        )

    def fail(self, error_code: ErrorCode = ErrorCode.REFUSED) -> Job:
        return self.store.fail(
            self.held,
            error_code,
            COSTS,
            retention_seconds=RETENTION_SECONDS,
            now_ms=self.clock.now_ms,
        )

    def release(self, *, first_rung: int = 1, awaits_capacity: bool = True) -> Job:
        return self.store.release(
            self.held, COSTS, first_rung=first_rung, awaits_capacity=awaits_capacity
        )

    def stored(self) -> dict[str, Any] | None:
        return next(iter(self.cloud.jobs()), None)


@pytest.fixture
def store(cloud: Cloud) -> JobStore:
    return JobStore(cloud.dynamodb, TABLE)  # type: ignore[arg-type]


@pytest.fixture
def walk(store: JobStore, cloud: Cloud, clock: Clock) -> Walk:
    return Walk(store, cloud, clock)


# ── Where a job may stand ─────────────────────────────────────────────────────────────────────────


def absent(walk: Walk) -> None:
    pass


def waiting(walk: Walk) -> None:
    walk.admit()


def leased(walk: Walk) -> None:
    walk.admit()
    walk.claim()


def abandoned(walk: Walk) -> None:
    leased(walk)
    walk.clock.advance(LEASE_SECONDS + CLOCK_SKEW_MS / 1000)


def taken_over(walk: Walk) -> None:
    abandoned(walk)
    walk.claim("lease-2")


def released(walk: Walk) -> None:
    leased(walk)
    walk.release()


def completed(walk: Walk) -> None:
    leased(walk)
    walk.complete()


def failed(walk: Walk) -> None:
    leased(walk)
    walk.fail()


def cancelled(walk: Walk) -> None:
    walk.admit()
    walk.cloud.edit_job(walk.job.job_id, status="cancelled", completed_at_ms=walk.clock.now_ms)


def overdue_waiting(walk: Walk) -> None:
    walk.admit()
    walk.clock.advance(DEADLINE_SECONDS)


def overdue_working(walk: Walk) -> None:
    leased(walk)
    walk.clock.advance(DEADLINE_SECONDS)


def admitted_anew(walk: Walk) -> None:
    """The run of "lease-1" has ended, and another is under way."""
    failed(walk)
    walk.job = replace(walk.job, run_id="run-2")
    walk.admit()
    walk.claim("lease-2", run_id="run-2")


STATES = [
    absent,
    waiting,
    leased,
    abandoned,
    taken_over,
    released,
    completed,
    failed,
    cancelled,
    overdue_waiting,
    overdue_working,
    admitted_anew,
]

# Which arrows exist, and where each leads. Heartbeat and release of an overdue job are harmless:
# it is failed for every reader, and nobody can claim or complete it.
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


def _name(function: Any) -> str:
    return str(function.__name__)


@pytest.mark.parametrize(("step", "state"), EXISTING, ids=_name)
def test_arrow_of_the_diagram_can_be_walked(
    walk: Walk, step: Callable[[Walk], Job], state: Callable[[Walk], None]
) -> None:
    state(walk)

    job = step(walk)

    stored = walk.stored()
    assert stored is not None
    assert stored["status"] == job.status == ARROWS[step][state]
    assert ("lease_token" in stored) == (job.status is JobStatus.PROCESSING)


@pytest.mark.parametrize(("step", "state"), MISSING, ids=_name)
def test_arrow_that_is_not_in_the_diagram_is_refused_and_changes_nothing(
    walk: Walk, step: Callable[[Walk], Job], state: Callable[[Walk], None]
) -> None:
    state(walk)
    before = walk.stored()

    refusal: Any
    with pytest.raises(NotClaimed if step is Walk.claim else LeaseLost) as refusal:
        step(walk)

    assert walk.stored() == before
    assert (refusal.value.job is None) == (before is None)  # it says what is there instead


# ── admit ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", [absent, failed, cancelled, overdue_waiting, overdue_working])
def test_admits_a_run_where_none_is_open_or_answered(
    walk: Walk, store: JobStore, clock: Clock, state: Callable[[Walk], None]
) -> None:
    state(walk)

    admission = store.admit(a_job(clock, run_id="run-2"), daily_quota=9, now_ms=clock.now_ms)

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

    admission = store.admit(a_job(clock, run_id="run-2"), daily_quota=9, now_ms=clock.now_ms)

    assert not admission.is_new
    assert admission.job.run_id == "run-1"
    assert walk.stored() == before
    assert list(cloud.quota_counts().values()) == [1]


def test_worker_of_an_earlier_run_cannot_claim_the_new_one(walk: Walk) -> None:
    failed(walk)
    walk.job = replace(walk.job, run_id="run-2")
    walk.admit()

    with pytest.raises(NotClaimed):
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
    store.admit(job, daily_quota=1, now_ms=clock.now_ms)

    found = store.get(job.job_id, task="recipe", user="alice", now_ms=clock.now_ms)

    assert found == job
    assert {type(found.first_rung), type(found.usage.calls), type(found.created_at_ms)} == {int}


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
        with pytest.raises(NotClaimed):
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
        with pytest.raises(NotClaimed):
            walk.claim()


def test_refused_claim_tells_what_is_there(walk: Walk) -> None:
    completed(walk)

    with pytest.raises(NotClaimed) as refusal:
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

    with pytest.raises(NotClaimed):
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
@pytest.mark.parametrize("step", [Walk.complete, Walk.fail], ids=_name)
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
        with pytest.raises(LeaseLost):
            step(walk)


def test_worker_that_never_held_a_lease_writes_nothing(walk: Walk) -> None:
    leased(walk)
    walk.held = walk.job

    with pytest.raises(LeaseLost):
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


def test_overdue_job_that_is_released_stays_failed_for_every_reader(
    walk: Walk, store: JobStore, clock: Clock
) -> None:
    overdue_working(walk)
    walk.release()

    job = store.get(walk.job.job_id, task="recipe", user="alice", now_ms=clock.now_ms)

    assert job.as_of(clock.now_ms).error_code is ErrorCode.DEADLINE_EXCEEDED
    with pytest.raises(NotClaimed):
        walk.claim("lease-2")


# ── When DynamoDB fails ───────────────────────────────────────────────────────────────────────────

WRITES = [Walk.claim, Walk.heartbeat, Walk.complete, Walk.fail, Walk.release]


@pytest.mark.parametrize(
    "error", [LOST_ANSWER, refused("ProvisionedThroughputExceededException")], ids=str
)
@pytest.mark.parametrize("step", WRITES, ids=_name)
def test_failure_of_the_table_is_not_taken_for_a_refusal(
    walk: Walk, cloud: Cloud, step: Callable[[Walk], Job], error: Exception
) -> None:
    (waiting if step is Walk.claim else leased)(walk)
    before = walk.stored()
    cloud.dynamodb.fail("update_item", error)

    with pytest.raises(DependencyUnavailable):
        step(walk)

    assert walk.stored() == before


def test_completing_again_after_the_answer_got_lost_shows_the_completed_job(
    walk: Walk, cloud: Cloud
) -> None:
    leased(walk)
    cloud.dynamodb.lose_answer("update_item")
    with pytest.raises(DependencyUnavailable):
        walk.complete()

    with pytest.raises(LeaseLost) as refusal:
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
