"""The workers' side of the store: take a lease, keep it, and write the end under it.

Each method is one arrow of the drawing in `simmer.jobs.job`, as one conditional write. A condition
names what must still be true at the moment of the write, so that of two workers only one goes on:

      claim            heartbeat          heartbeat           the worker dies
        │                  │                  │                     ✕
        ├──── lease ───────┼──── lease ───────┼──── lease ──────────────┤── skew ──┤
        │                                                       lease_expires_at   │
        └ only this worker's token may write ───────────────────────────────────── ┴▶ any worker
                                                                                 may claim the job
"""

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypedDict, Unpack

from simmer.jobs.item import LEASE, USAGE, JobRefused, Store
from simmer.jobs.job import CLOCK_SKEW_MS, LAST_WRITE_MS, ErrorCode, Job, JobStatus, Lease, Usage


class End(TypedDict):
    """When a job ends, and for how long that is kept."""

    now_ms: int
    retention_seconds: int


class LeaseStore(Store):
    """The jobs in a table, for the workers that run them.

    Every method raises `DependencyUnavailable` when DynamoDB fails. The write may have taken effect
    even then, and it is safe to send the write again. Under a lease, `JobRefused` says that it is
    lost: another worker has the job, or the job has ended.

    `news` is what has come of an answer in parts since the last write: attributes of the item. What
    stands is not written over, by a write that comes late either: clients have seen it.
    """

    def claim(
        self,
        job_id: str,
        run_id: str,
        lease: Lease,
        now_ms: int,
        durations: Mapping[str, str] | None = None,
    ) -> Job:
        """Take the lease, or `JobRefused`: there is nothing to run. This is where a dead worker's
        job is taken over.

        `durations` is how long jobs take, by task. The job keeps the durations that were known
        first, at the admission or else at the first claim: later ones would move its progress back.
        """
        is_this_run = "#run_id = :run_id"
        is_waiting = "#status = :pending"
        is_abandoned = "(#status = :processing AND #lease_expires_at_ms <= :expired_at_ms)"
        is_in_time = "#deadline_at_ms > :latest_ms"
        return self._items.update(
            job_id,
            "SET #status = :processing,"
            " #started_at_ms = if_not_exists(#started_at_ms, :now_ms),"
            # For the stream's filter: a number from the second time on. A job that a throttled
            # provider sends back and forth would be announced hundreds of times.
            " #turn = if_not_exists(#started_at_ms, :first),"
            " #durations = if_not_exists(#durations, :durations),"
            " #lease_token = :lease_token, #lease_expires_at_ms = :lease_expires_at_ms,"
            " #lease_message_id = :lease_message_id REMOVE #awaits_capacity, #has_news",
            f"{is_this_run} AND ({is_waiting} OR {is_abandoned}) AND {is_in_time}",
            run_id=run_id,
            pending=JobStatus.PENDING,
            processing=JobStatus.PROCESSING,
            now_ms=now_ms,
            first="first",
            durations=durations or {},
            expired_at_ms=now_ms - CLOCK_SKEW_MS,
            latest_ms=now_ms + LAST_WRITE_MS,
            lease_token=lease.token,
            lease_expires_at_ms=lease.expires_at_ms,
            lease_message_id=lease.message_id,
        )

    def heartbeat(
        self, job: Job, lease_expires_at_ms: int, news: Mapping[str, str] | None = None
    ) -> Job:
        """Keep the lease until `lease_expires_at_ms` and store `news`, or raise `JobRefused`.

        The flag is for the stream's filter, in template.yaml, which cannot compare two items.
        """
        flag = ", #has_news = :has_news" if news else " REMOVE #has_news"
        return self._update_held(
            job,
            f"SET #lease_expires_at_ms = :lease_expires_at_ms{_once(news)}{flag}",
            lease_expires_at_ms=lease_expires_at_ms,
            **({"has_news": True} | dict(news) if news else {}),
        )

    def look(self, job: Job) -> None:
        """See that the lease is still the job's, or raise `JobRefused`: a read costs a fifth of a
        write."""
        stored = self._items.read(job.job_id)
        if not stored or not stored.lease or not job.lease or stored.lease.token != job.lease.token:
            raise JobRefused(stored)

    def complete(self, job: Job, result: str, usage: Usage, **end: Unpack[End]) -> Job:
        """Store the validated text, in time and under the lease, or raise `JobRefused`."""
        status = JobStatus.COMPLETED
        return self._end(job, "#result = :result", usage, end, status=status, result=result)

    def fail(
        self,
        job: Job,
        error_code: ErrorCode,
        usage: Usage,
        news: Mapping[str, str] | None = None,
        **end: Unpack[End],
    ) -> Job:
        """Store the reason of the failure, in time and under the lease, or raise `JobRefused`."""
        outcome = f"#error_code = :error_code{_once(news)}"
        values = {**(news or {}), "status": JobStatus.FAILED, "error_code": error_code}
        return self._end(job, outcome, usage, end, **values)

    def release(
        self,
        job: Job,
        usage: Usage,
        *,
        first_rung: int,
        awaits_capacity: bool,
        news: Mapping[str, str] | None = None,
    ) -> Job:
        """Give the lease back so that another worker may claim the job, or raise `JobRefused`."""
        return self._update_held(
            job,
            "SET #status = :pending, #first_rung = :first_rung,"
            f" #awaits_capacity = :awaits_capacity{_once(news)} REMOVE {LEASE} ADD {USAGE}",
            **(news or {}),
            pending=JobStatus.PENDING,
            first_rung=first_rung,
            awaits_capacity=awaits_capacity,
            **asdict(usage),
        )

    def expire(self, job: Job, now_ms: int) -> None:
        """Write down the failure of an overdue job that nobody runs and perhaps nobody reads: who
        waits with the app closed is told of what is written alone."""
        self._items.expire(job, now_ms)

    def settle(self, job: Job, usage: Usage) -> None:
        """Add what a worker spent under a lease that a cancel or the deadline has ended.

        Nothing is added twice, and nothing when another worker took the lease over.
        """
        if job.lease is None:
            return
        is_unsettled = "#unsettled_lease_token = :lease_token"
        with contextlib.suppress(JobRefused):
            self._items.update(
                job.job_id,
                f"REMOVE #unsettled_lease_token ADD {USAGE}",
                is_unsettled,
                lease_token=job.lease.token,
                **asdict(usage),
            )

    def _end(self, job: Job, outcome: str, usage: Usage, end: End, **values: Any) -> Job:
        is_in_time = "#deadline_at_ms > :latest_ms"
        return self._update_held(
            job,
            f"SET #status = :status, {outcome}, #completed_at_ms = :now_ms,"
            f" #expires_at_seconds = :expires_at_seconds REMOVE {LEASE} ADD {USAGE}",
            is_in_time,
            now_ms=end["now_ms"],
            latest_ms=end["now_ms"] + LAST_WRITE_MS,
            expires_at_seconds=end["now_ms"] // 1000 + end["retention_seconds"],
            **asdict(usage),
            **values,
        )

    def _update_held(self, job: Job, expression: str, *conditions: str, **values: Any) -> Job:
        """Write under the lease. Every way out of `processing` removes the token from the item."""
        if job.lease is None:
            raise JobRefused(job)
        holds_lease = "#lease_token = :lease_token"
        return self._items.update(
            job.job_id,
            expression,
            " AND ".join((holds_lease, *conditions)),
            lease_token=job.lease.token,
            **values,
        )


def _once(news: Mapping[str, str] | None) -> str:
    """More of a SET: each attribute that is not there yet."""
    return "".join(f", #{name} = if_not_exists(#{name}, :{name})" for name in news or ())
