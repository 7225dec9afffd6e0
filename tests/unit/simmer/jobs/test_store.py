"""Every arrow of the diagram in `simmer.jobs.job`, and every arrow that must not exist."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from simmer.errors import (
    DependencyUnavailable,
    IdempotencyKeyReused,
    JobNotFound,
    TooManySubscribers,
)
from simmer.jobs.item import job_of
from simmer.jobs.job import (
    CLOCK_SKEW_MS,
    LAST_WRITE_MS,
    ErrorCode,
    Job,
    JobStatus,
    Lease,
    Usage,
    mark_of,
)
from simmer.jobs.leases import LeaseLost, LeaseStore, NotClaimed
from simmer.jobs.store import (
    MAX_SUBSCRIBERS,
    MAX_WANTED_BY,
    JobStore,
)
from tests.unit.clock import Clock
from tests.unit.cloud import LOST_ANSWER, RESULT, RETENTION_SECONDS, Cloud, refused, table_of
from tests.unit.jobs import DEADLINE_SECONDS, a_job

LEASE_SECONDS = 30

COSTS = Usage(
    calls=1, input_tokens=100, cached_input_tokens=60, output_tokens=40, cost_microusd=700
)


class Walk:
    """One job, and what can be done to it. Each step is the holder of "lease-1", unless it says."""

    def __init__(self, store: JobStore, cloud: Cloud, clock: Clock) -> None:
        self.store, self.cloud, self.clock = store, cloud, clock
        self.leases = LeaseStore(table_of(cloud.dynamodb))
        self.job = a_job(clock)
        self.held = replace(self.job, lease=self.lease("lease-1"))

    def lease(self, token: str) -> Lease:
        expires_at_ms = self.clock.now_ms + LEASE_SECONDS * 1000
        return Lease(token=token, expires_at_ms=expires_at_ms, message_id=f"message of {token}")

    def admit(self) -> Job:
        return self.store.admit(self.job, daily_quota=100, now_ms=self.clock.now_ms).job

    def claim(self, token: str = "lease-1", run_id: str = "run-1") -> Job:
        return self.leases.claim(self.job.job_id, run_id, self.lease(token), self.clock.now_ms)

    def heartbeat(self) -> Job:
        return self.leases.heartbeat(self.held, self.clock.now_ms + LEASE_SECONDS * 1000)

    def complete(self, usage: Usage = COSTS) -> Job:
        return self.leases.complete(
            self.held,
            RESULT,
            usage,
            retention_seconds=RETENTION_SECONDS,
            now_ms=self.clock.now_ms,
        )

    def fail(self, error_code: ErrorCode = ErrorCode.REFUSED) -> Job:
        return self.leases.fail(
            self.held,
            error_code,
            COSTS,
            retention_seconds=RETENTION_SECONDS,
            now_ms=self.clock.now_ms,
        )

    def release(self, *, first_rung: int = 1, awaits_capacity: bool = True) -> Job:
        return self.leases.release(
            self.held, COSTS, first_rung=first_rung, awaits_capacity=awaits_capacity
        )

    def cancel(self, user: str = "alice") -> Job:
        return self.store.cancel(
            self.job.job_id, task="recipe", user=user, now_ms=self.clock.now_ms
        )

    def subscribe(self, connection_id: str = "phone", run_id: str = "run-1") -> Job:
        return self.store.subscribe(
            self.job.job_id,
            run_id=run_id,
            connection_id=connection_id,
            now_ms=self.clock.now_ms,
        )

    def look(self) -> Job:
        """As a reader does; at the deadline that is what ends the job."""
        return self.store.get(
            self.job.job_id, task="recipe", user="alice", now_ms=self.clock.now_ms
        )

    def stored(self) -> dict[str, Any] | None:
        return next(iter(self.cloud.jobs()), None)


@pytest.fixture
def store(cloud: Cloud) -> JobStore:
    return JobStore(table_of(cloud.dynamodb))


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
    leased(walk)
    walk.cancel()


def overdue_waiting(walk: Walk) -> None:
    walk.admit()
    walk.clock.advance(DEADLINE_SECONDS)


def overdue_working(walk: Walk) -> None:
    leased(walk)
    walk.clock.advance(DEADLINE_SECONDS)


def expired(walk: Walk) -> None:
    overdue_working(walk)
    walk.look()


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
    expired,
    admitted_anew,
]

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


@pytest.mark.parametrize(
    "state", [absent, failed, cancelled, overdue_waiting, overdue_working, expired]
)
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
        store.admit(other, daily_quota=9, now_ms=clock.now_ms)

    assert walk.stored() == before
    assert list(cloud.quota_counts().values()) == [1]


@pytest.mark.parametrize("state", [overdue_waiting, overdue_working], ids=_name)
def test_overdue_run_ends_before_another_takes_its_place(
    walk: Walk, store: JobStore, clock: Clock, state: Callable[[Walk], None], cloud: Cloud
) -> None:
    """So that those who subscribed to it are told."""
    state(walk)
    cloud.calls.clear()

    store.admit(a_job(clock, run_id="run-2"), daily_quota=9, now_ms=clock.now_ms)

    assert cloud.calls == ["get_item", "update_item", "get_item", "transact_write_items"]


def test_request_whose_job_stands_there_costs_a_read_and_no_transaction(
    walk: Walk, store: JobStore, clock: Clock, cloud: Cloud
) -> None:
    """Refused, a transaction costs as much as one that has written, and many refuse each other."""
    waiting(walk)
    cloud.calls.clear()

    assert not store.admit(a_job(clock, run_id="run-2"), daily_quota=9, now_ms=clock.now_ms).is_new

    assert cloud.calls == ["get_item"]


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


def test_overdue_job_that_is_released_is_failed_for_every_reader(walk: Walk) -> None:
    overdue_working(walk)
    walk.release()

    assert walk.look().error_code is ErrorCode.DEADLINE_EXCEEDED
    with pytest.raises(NotClaimed):
        walk.claim("lease-2")


# ── The deadline ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", [overdue_waiting, overdue_working], ids=_name)
def test_reader_of_an_overdue_job_ends_it(walk: Walk, state: Callable[[Walk], None]) -> None:
    state(walk)

    job = walk.look()

    stored = walk.stored()
    assert stored is not None
    assert (stored["status"], stored["error_code"]) == ("failed", "deadline_exceeded")
    assert stored["completed_at_ms"] == job.completed_at_ms == job.deadline_at_ms
    assert "lease_token" not in stored


@pytest.mark.parametrize(
    "state", [waiting, leased, abandoned, released, completed, failed, cancelled], ids=_name
)
def test_reader_changes_nothing_else(walk: Walk, state: Callable[[Walk], None]) -> None:
    state(walk)
    before = walk.stored()

    walk.look()

    assert walk.stored() == before


# ── cancel ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", [waiting, leased, abandoned, released], ids=_name)
def test_open_job_can_be_cancelled(walk: Walk, state: Callable[[Walk], None]) -> None:
    state(walk)

    job = walk.cancel()

    stored = walk.stored()
    assert stored is not None
    assert stored["status"] == job.status == JobStatus.CANCELLED
    assert stored["completed_at_ms"] == walk.clock.now_ms
    assert "lease_token" not in stored


@pytest.mark.parametrize("state", [completed, failed, cancelled, expired], ids=_name)
def test_terminal_job_stays_what_it_is_when_it_is_cancelled(
    walk: Walk, state: Callable[[Walk], None]
) -> None:
    state(walk)
    before = walk.stored()

    job = walk.cancel()

    assert before is not None
    assert job.status == before["status"]
    assert walk.stored() == before


@pytest.mark.parametrize("state", [overdue_waiting, overdue_working], ids=_name)
def test_overdue_job_is_failed_not_cancelled(walk: Walk, state: Callable[[Walk], None]) -> None:
    state(walk)

    assert walk.cancel().error_code is ErrorCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("state", [absent, waiting], ids=_name)
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


@pytest.mark.parametrize("moment", ["cancel", "leave"])
def test_join_in_the_moment_of_a_cancel_keeps_the_job(
    walk: Walk, cloud: Cloud, moment: str
) -> None:
    """What the cancel has read of the job is not true any more when it writes."""
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
    join = walk.store._join

    def join_too_late(job: Job, users: frozenset[str]) -> Job:
        walk.cancel("alice")
        return join(job, users)

    monkeypatch.setattr(walk.store, "_join", join_too_late)
    bobs = replace(walk.job, run_id="run-2", owner="bob", wanted_by=frozenset({mark_of("bob")}))

    admission = walk.store.admit(bobs, daily_quota=9, now_ms=walk.clock.now_ms)

    assert admission.is_new
    assert walk.cloud.job(walk.job.job_id)["run_id"] == "run-2"


# ── subscribe ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", [waiting, leased, abandoned, taken_over, released], ids=_name)
def test_open_job_takes_subscribers_and_stays_as_it_is(
    walk: Walk, state: Callable[[Walk], None]
) -> None:
    state(walk)
    before = walk.look()

    job = walk.subscribe()

    assert job.subscribers == {"phone"}
    assert replace(job, subscribers=frozenset()) == before
    assert walk.look() == job
    assert walk.subscribe("tablet").subscribers == {"phone", "tablet"}


@pytest.mark.parametrize("state", [completed, failed, cancelled, expired], ids=_name)
def test_job_that_has_ended_is_shown_and_takes_no_subscriber(
    walk: Walk, state: Callable[[Walk], None]
) -> None:
    state(walk)
    before = walk.stored()

    assert walk.subscribe() == walk.look()
    assert walk.stored() == before


@pytest.mark.parametrize("state", [overdue_waiting, overdue_working], ids=_name)
def test_subscriber_to_an_overdue_job_ends_it(walk: Walk, state: Callable[[Walk], None]) -> None:
    state(walk)

    job = walk.subscribe()

    assert (job.status, job.error_code) == (JobStatus.FAILED, ErrorCode.DEADLINE_EXCEEDED)
    assert job.subscribers == frozenset()
    assert walk.look() == job


@pytest.mark.parametrize("state", [absent, admitted_anew], ids=_name)
def test_there_is_no_subscribing_to_a_run_that_is_not_there(
    walk: Walk, state: Callable[[Walk], None]
) -> None:
    state(walk)
    before = walk.stored()

    with pytest.raises(JobNotFound):
        walk.subscribe()
    assert walk.stored() == before


@pytest.mark.parametrize(
    ("meanwhile", "outcome"),
    [
        (Walk.complete, JobStatus.COMPLETED),
        (Walk.fail, JobStatus.FAILED),
        (Walk.cancel, JobStatus.CANCELLED),
    ],
)
def test_end_in_the_moment_of_a_subscription_is_shown(
    walk: Walk,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[Walk], Job],
    outcome: JobStatus,
) -> None:
    leased(walk)
    _once_after_the_look(walk, monkeypatch, lambda: meanwhile(walk))

    job = walk.subscribe()

    assert (job.status, job.subscribers) == (outcome, frozenset())


def test_run_that_is_replaced_in_the_moment_of_a_subscription_is_not_found(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    leased(walk)

    def replaced() -> None:
        walk.fail()
        walk.job = replace(walk.job, run_id="run-2")
        walk.admit()

    _once_after_the_look(walk, monkeypatch, replaced)

    with pytest.raises(JobNotFound):
        walk.subscribe()
    assert walk.look().subscribers == frozenset()


def test_subscribers_are_counted_and_those_within_may_ask_again(walk: Walk) -> None:
    walk.admit()
    for number in range(MAX_SUBSCRIBERS):
        walk.subscribe(f"phone-{number}")

    with pytest.raises(TooManySubscribers):
        walk.subscribe("late")
    assert len(walk.subscribe("phone-0").subscribers) == MAX_SUBSCRIBERS


@pytest.mark.parametrize("end", [Walk.complete, Walk.fail, Walk.cancel, Walk.look], ids=_name)
def test_end_of_a_job_keeps_its_subscribers_for_the_stream(
    walk: Walk, end: Callable[[Walk], Job]
) -> None:
    leased(walk)
    walk.subscribe()
    if end is Walk.look:
        walk.clock.advance(DEADLINE_SECONDS)
    end(walk)

    image = walk.cloud.image(walk.job.job_id)

    assert job_of(image) == walk.look()
    assert job_of(image).subscribers == {"phone"}
    assert image["has_subscribers"] == {"BOOL": True}  # the stream's filter asks for it


def _once_after_the_look(
    walk: Walk, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]
) -> None:
    """Let that happen between the next read and the write that follows it."""
    read = walk.cloud.dynamodb.get_item

    def read_and_then(**key: Any) -> Any:
        item = read(**key)
        monkeypatch.delattr(walk.cloud.dynamodb, "get_item")
        meanwhile()
        return item

    monkeypatch.setattr(walk.cloud.dynamodb, "get_item", read_and_then, raising=False)


# ── settle ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", [cancelled, expired], ids=_name)
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
    ids=_name,
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


# ── When DynamoDB fails ───────────────────────────────────────────────────────────────────────────

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


@pytest.mark.parametrize("step", WRITES, ids=_name)
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
