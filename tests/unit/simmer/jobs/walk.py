"""One job in a real store, the places where it may stand and the steps it may take."""

from dataclasses import replace
from typing import Any

from simmer.jobs.job import CLOCK_SKEW_MS, ErrorCode, Job, Lease, Usage, mark_of
from simmer.jobs.leases import LeaseStore
from simmer.jobs.store import JobStore
from tests.unit.clock import Clock
from tests.unit.cloud import RESULT, RETENTION_SECONDS, Cloud, table_of
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
        return self.store.admit(
            self.job, daily_quota=100, most_in_flight=1000, now_ms=self.clock.now_ms
        ).job

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

    def subscribe(
        self, connection_id: str = "phone", run_id: str = "run-1", user: str = "alice"
    ) -> Job:
        return self.store.subscribe(
            self.job.job_id,
            run_id=run_id,
            mark=mark_of(user),
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


def name_of(function: Any) -> str:
    return str(function.__name__)
