"""The jobs table. Its methods are the transitions that `simmer.job` draws, one atomic write each.

A conditional write decides every race: two submits of one request, two workers with one message,
a worker whose lease ran out, a cancel and a join. What a method has read before is only what it
then makes a condition of.

Items, told apart by the prefix of the key `pk`:
- `job#<job id>`: a job; the attributes are `Job`'s fields, the lease's with `lease_` before them
- `quota#<user>#<day>`: how many jobs the user has had admitted on that day (UTC)
- `ledger#…`: see `simmer.ledger`
"""

import contextlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.exceptions import ClientError

from simmer import clock
from simmer.aws import AWS_ERRORS, CLIENT_CONFIG
from simmer.errors import (
    DependencyUnavailable,
    IdempotencyKeyReused,
    JobNotFound,
    QuotaExceeded,
    TooManySubscribers,
)
from simmer.job import (
    CLOCK_SKEW_MS,
    LAST_WRITE_MS,
    ErrorCode,
    Job,
    JobStatus,
    Lease,
    Usage,
    mark_of,
)
from simmer.job_item import conditional, conditional_update, item_of, job_key, job_of, key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Ours have 32. DynamoDB refuses a key of more than 2,048 bytes, which is no failure of DynamoDB.
MAX_JOB_ID_CHARACTERS = 100

# Of how many users it is known that they wait for a shared job. When there are more, nobody's
# cancel ends it: a mark stays that is no user's.
MAX_WANTED_BY = 100
_MANY = "many"

# Connections told of one job's end. A client has one; whoever comes in vain polls.
MAX_SUBSCRIBERS = 20

# How often to look again when a job changed between the look and the write.
LOOKS = 8

# Two writes to one item at the same instant, one of them a transaction: DynamoDB refuses one, which
# is no answer yet.
TRANSACTION_TRIES = 8


@dataclass(frozen=True, slots=True)
class Admission:
    """The job that stands for a request: a new run, or what was there already."""

    job: Job
    is_new: bool


class NotClaimed(Exception):
    """There is nothing to run for this message. `job` is what is there instead, if anything is."""

    def __init__(self, job: Job | None) -> None:
        super().__init__("not claimed")
        self.job = job


class LeaseLost(Exception):
    """Somebody else has the job, or it has ended. `job` is what is there now, if anything is."""

    def __init__(self, job: Job | None) -> None:
        super().__init__("lease lost")
        self.job = job


class JobStore:
    """The jobs table called `table`.

    Every method raises `DependencyUnavailable` when DynamoDB fails; the write may have taken effect
    even so, and each is safe to send again.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    @classmethod
    def connect(cls, table: str) -> Self:
        return cls(boto3.client("dynamodb", config=CLIENT_CONFIG), table)

    def get(self, job_id: str, *, task: str, user: str, now_ms: int) -> Job:
        """The job, or `JobNotFound`: an unknown, an expired and a foreign one look the same.

        An overdue one has failed, which is written down before it is told: no worker, however
        late, can complete then what a client has seen as failed.
        """
        job = self._read(job_id, now_ms)
        if job.task != task or not job.is_visible_to(user):
            raise _not_found()
        return self._expire(job, now_ms) if job.is_overdue(now_ms) else job

    def admit(self, job: Job, *, daily_quota: int, now_ms: int) -> Admission:
        """Put the new run and count it against its owner's day, or join its owner to what stands
        there.

        Raises `QuotaExceeded`, and `IdempotencyKeyReused` when the id is taken by a different
        request, which only an idempotency key can bring about.
        """
        for _ in range(LOOKS):
            admission = self._look(job, now_ms) or self._admit(job, daily_quota, now_ms)
            standing = admission.job
            if standing.is_overdue(now_ms):
                self._expire(standing, now_ms)  # who waits for that run is told how it ended
                continue
            if standing.status.is_terminal or job.wanted_by <= standing.wanted_by:
                return admission
            try:
                return Admission(self._join(standing, job.wanted_by), is_new=False)
            except _Refused:
                continue  # it has just ended: what stands there now?
        raise _unavailable()

    def _look(self, job: Job, now_ms: int) -> Admission | None:
        """What stands there, unless the transaction would replace it. It decides in any case, but
        refused it costs as much as if it had written all, and many of one item refuse each other.
        """
        try:
            existing = self._read(job.job_id, now_ms)
        except JobNotFound:
            return None
        is_same_request = existing.request_hash == job.request_hash
        has_failed = existing.status in (JobStatus.FAILED, JobStatus.CANCELLED)
        return None if is_same_request and has_failed else _met(existing, job)

    def _admit(self, job: Job, daily_quota: int, now_ms: int) -> Admission:
        is_absent = "attribute_not_exists(#pk)"
        is_expired = "#expires_at_seconds <= :now_seconds"
        is_same_request = "#request_hash = :request_hash"
        has_failed = "#status IN (:failed, :cancelled)"
        has_quota = "attribute_not_exists(#jobs) OR #jobs < :daily_quota"
        put_job = {
            "Put": {
                "TableName": self._table,
                "Item": item_of(job),
                **conditional(
                    f"{is_absent} OR {is_expired} OR ({is_same_request} AND {has_failed})",
                    now_seconds=now_ms // 1000,
                    request_hash=job.request_hash,
                    failed=JobStatus.FAILED,
                    cancelled=JobStatus.CANCELLED,
                ),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }
        day = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        count_job = {
            "Update": {
                "TableName": self._table,
                "Key": key(f"quota#{job.owner}#{day}"),
                **conditional_update(
                    "SET #expires_at_seconds = :expires_at_seconds ADD #jobs :one",
                    has_quota,
                    one=1,
                    daily_quota=daily_quota,
                    expires_at_seconds=now_ms // 1000 + 2 * 24 * 3600,
                ),
            }
        }
        refused_job, refused_quota = self._transact([put_job, count_job])
        if refused_job is not None:
            return _met(job_of(refused_job["Item"]), job)
        if refused_quota is not None:
            midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
            raise QuotaExceeded(
                f"{daily_quota} jobs a day are allowed.",
                retry_after_seconds=max(1, int(midnight.timestamp()) - now_ms // 1000),
            )
        return Admission(job, is_new=True)

    def cancel(self, job_id: str, *, task: str, user: str, now_ms: int) -> Job:
        """Take the user off the job; when nobody else wants it, it ends. What it is then, or
        `JobNotFound` as in `get`."""
        mine = frozenset({mark_of(user)})
        for _ in range(LOOKS):
            job = self.get(job_id, task=task, user=user, now_ms=now_ms)
            if job.status.is_terminal or not mine <= job.wanted_by:
                return job
            try:
                if job.wanted_by == mine:
                    return self._cancel(job, now_ms)
                return self._leave(job, mine)
            except _Refused:
                continue  # it has just ended, or somebody came or went
        raise _unavailable()

    def subscribe(self, job_id: str, *, run_id: str, connection_id: str, now_ms: int) -> Job:
        """Have that connection told when this run ends, and the job as it stands.

        One that is open then has the connection among those that its end is told to; one that has
        ended tells nobody any more. Raises `JobNotFound`, also when another run stands there, and
        `TooManySubscribers`.
        """
        has_room = "(attribute_not_exists(#subscribers) OR size(#subscribers) < :most)"
        job = self._read(job_id, now_ms)
        if job.run_id != run_id:
            raise _not_found()
        if job.is_overdue(now_ms):
            job = self._expire(job, now_ms)
            if job.run_id != run_id:
                raise _not_found()
            return job
        if job.status.is_terminal or connection_id in job.subscribers:
            return job  # clients ask again every few seconds: that should cost no write
        try:
            return self._update_open(
                job,
                # The stream's filter, in template.yaml, cannot look into a set.
                "SET #has_subscribers = :yes ADD #subscribers :connections",
                has_room,
                yes=True,
                connections={connection_id},
                most=MAX_SUBSCRIBERS,
            )
        except _Refused as refused:
            if refused.job is None or refused.job.run_id != run_id:
                raise _not_found() from None
            if refused.job.status.is_terminal:
                return refused.job
            raise TooManySubscribers(f"{MAX_SUBSCRIBERS} may wait for one job.") from None

    def claim(
        self,
        job_id: str,
        run_id: str,
        lease: Lease,
        now_ms: int,
        durations: Mapping[str, str] | None = None,
    ) -> Job:
        """Take the lease, or `NotClaimed`.

        `durations` is how long jobs take, by task. What was known of it first, at the admission or
        else at the first claim, stays with the job, so that nothing later moves its progress back.
        """
        is_this_run = "#run_id = :run_id"
        is_waiting = "#status = :pending"
        is_abandoned = "(#status = :processing AND #lease_expires_at_ms <= :expired_at_ms)"
        is_in_time = "#deadline_at_ms > :latest_ms"
        try:
            return self._update(
                job_id,
                "SET #status = :processing,"
                " #started_at_ms = if_not_exists(#started_at_ms, :now_ms),"
                " #durations = if_not_exists(#durations, :durations),"
                " #lease_token = :lease_token, #lease_expires_at_ms = :lease_expires_at_ms,"
                " #lease_message_id = :lease_message_id REMOVE #awaits_capacity",
                f"{is_this_run} AND ({is_waiting} OR {is_abandoned}) AND {is_in_time}",
                run_id=run_id,
                pending=JobStatus.PENDING,
                processing=JobStatus.PROCESSING,
                now_ms=now_ms,
                durations=durations or {},
                expired_at_ms=now_ms - CLOCK_SKEW_MS,
                latest_ms=now_ms + LAST_WRITE_MS,
                lease_token=lease.token,
                lease_expires_at_ms=lease.expires_at_ms,
                lease_message_id=lease.message_id,
            )
        except _Refused as refused:
            raise NotClaimed(refused.job) from None

    def heartbeat(self, job: Job, lease_expires_at_ms: int) -> Job:
        """Keep the lease until then, or `LeaseLost`."""
        return self._update_held(
            job,
            "SET #lease_expires_at_ms = :lease_expires_at_ms",
            lease_expires_at_ms=lease_expires_at_ms,
        )

    def complete(
        self, job: Job, result: str, usage: Usage, *, retention_seconds: int, now_ms: int
    ) -> Job:
        """Store the validated text, in time and under the lease, or `LeaseLost`."""
        return self._end(
            job,
            "#result = :result",
            status=JobStatus.COMPLETED,
            result=result,
            usage=usage,
            retention_seconds=retention_seconds,
            now_ms=now_ms,
        )

    def fail(
        self, job: Job, error_code: ErrorCode, usage: Usage, *, retention_seconds: int, now_ms: int
    ) -> Job:
        """Store why there will be no result, in time and under the lease, or `LeaseLost`."""
        return self._end(
            job,
            "#error_code = :error_code",
            status=JobStatus.FAILED,
            error_code=error_code,
            usage=usage,
            retention_seconds=retention_seconds,
            now_ms=now_ms,
        )

    def release(self, job: Job, usage: Usage, *, first_rung: int, awaits_capacity: bool) -> Job:
        """Give the lease back so that another worker may claim the job, or `LeaseLost`."""
        return self._update_held(
            job,
            "SET #status = :pending, #first_rung = :first_rung,"
            f" #awaits_capacity = :awaits_capacity REMOVE {_LEASE} ADD {_USAGE}",
            pending=JobStatus.PENDING,
            first_rung=first_rung,
            awaits_capacity=awaits_capacity,
            **asdict(usage),
        )

    def settle(self, job: Job, usage: Usage) -> None:
        """Add what was spent under a lease that a cancel or the deadline has ended; nothing if
        that is done already, or if the lease was lost to another worker."""
        if job.lease is None:
            return
        is_unsettled = "#unsettled_lease_token = :lease_token"
        with contextlib.suppress(_Refused):
            self._update(
                job.job_id,
                f"REMOVE #unsettled_lease_token ADD {_USAGE}",
                is_unsettled,
                lease_token=job.lease.token,
                **asdict(usage),
            )

    def _read(self, job_id: str, now_ms: int) -> Job:
        if len(job_id) > MAX_JOB_ID_CHARACTERS:
            raise _not_found()
        try:
            answer = self._dynamodb.get_item(
                TableName=self._table, Key=key(job_key(job_id)), ConsistentRead=True
            )
        except AWS_ERRORS as error:
            raise _unavailable() from error
        if "Item" not in answer:
            raise _not_found()
        job = job_of(answer["Item"])
        if job.is_expired(now_ms):
            raise _not_found()
        return job

    def _join(self, job: Job, users: frozenset[str]) -> Job:
        """They want it, too."""
        is_full = len(job.wanted_by) >= MAX_WANTED_BY
        return self._update_open(
            job, "ADD #wanted_by :users", users={_MANY} if is_full else set(users)
        )

    def _leave(self, job: Job, users: frozenset[str]) -> Job:
        """They do not want it any more, but others do."""
        is_wanted_by_others = "size(#wanted_by) > :one"
        return self._update_open(
            job, "DELETE #wanted_by :users", is_wanted_by_others, users=set(users), one=1
        )

    def _cancel(self, job: Job, now_ms: int) -> Job:
        """Nobody wants it any more."""
        is_wanted_by_nobody_else = "#wanted_by = :wanted_by"
        return self._update_open(
            job,
            f"SET #status = :cancelled, #completed_at_ms = :now_ms, {_UNSETTLED} REMOVE {_LEASE}",
            is_wanted_by_nobody_else,
            cancelled=JobStatus.CANCELLED,
            now_ms=now_ms,
            no_lease="",
            wanted_by=set(job.wanted_by),
        )

    def _expire(self, job: Job, now_ms: int) -> Job:
        """Its deadline has passed; what it is then, which may be something else by now."""
        is_overdue = "#deadline_at_ms <= :now_ms"
        try:
            return self._update_open(
                job,
                "SET #status = :failed, #error_code = :error_code,"
                f" #completed_at_ms = #deadline_at_ms, {_UNSETTLED} REMOVE {_LEASE}",
                is_overdue,
                failed=JobStatus.FAILED,
                error_code=ErrorCode.DEADLINE_EXCEEDED,
                now_ms=now_ms,
                no_lease="",
            )
        except _Refused as refused:
            if refused.job is None:
                raise _not_found() from None
            return refused.job

    def _update_open(self, job: Job, expression: str, *conditions: str, **values: Any) -> Job:
        """Write to this run while it has not ended, or `_Refused`."""
        is_this_run = "#run_id = :run_id"
        is_open = "#status IN (:pending, :processing)"
        return self._update(
            job.job_id,
            expression,
            " AND ".join((is_this_run, is_open, *conditions)),
            run_id=job.run_id,
            pending=JobStatus.PENDING,
            processing=JobStatus.PROCESSING,
            **values,
        )

    def _end(
        self,
        job: Job,
        outcome: str,
        *,
        usage: Usage,
        retention_seconds: int,
        now_ms: int,
        **values: Any,
    ) -> Job:
        is_in_time = "#deadline_at_ms > :latest_ms"
        return self._update_held(
            job,
            f"SET #status = :status, {outcome}, #completed_at_ms = :now_ms,"
            f" #expires_at_seconds = :expires_at_seconds REMOVE {_LEASE} ADD {_USAGE}",
            is_in_time,
            now_ms=now_ms,
            latest_ms=now_ms + LAST_WRITE_MS,
            expires_at_seconds=now_ms // 1000 + retention_seconds,
            **asdict(usage),
            **values,
        )

    def _update_held(self, job: Job, expression: str, *conditions: str, **values: Any) -> Job:
        """Write under the lease. Every way out of `processing` removes the token it asks for."""
        if job.lease is None:
            raise LeaseLost(job)
        holds_lease = "#lease_token = :lease_token"
        try:
            return self._update(
                job.job_id,
                expression,
                " AND ".join((holds_lease, *conditions)),
                lease_token=job.lease.token,
                **values,
            )
        except _Refused as refused:
            raise LeaseLost(refused.job) from None

    def _update(self, job_id: str, expression: str, condition: str, **values: Any) -> Job:
        for _ in _tries():
            try:
                answer = self._dynamodb.update_item(
                    TableName=self._table,
                    Key=key(job_key(job_id)),
                    **conditional_update(expression, condition, **values),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "TransactionConflictException":  # an admission's, on the same item
                    continue
                if code == "ConditionalCheckFailedException":
                    raise _Refused(_refused_job(error)) from None
                raise _unavailable() from error
            except AWS_ERRORS as error:
                raise _unavailable() from error
            return job_of(answer["Attributes"])
        raise _unavailable()

    def _transact(self, writes: list[Any]) -> list[Mapping[str, Any] | None]:
        """Write all or nothing; for each write the reason for which its condition refused it."""
        for _ in _tries():
            try:
                self._dynamodb.transact_write_items(TransactItems=writes)
                return [None] * len(writes)
            except ClientError as error:
                answer: Mapping[str, Any] = error.response
                reasons = answer.get("CancellationReasons", [])
                codes = [reason.get("Code") for reason in reasons]
                if "TransactionConflict" in codes:
                    continue
                if "ConditionalCheckFailed" not in codes:
                    raise _unavailable() from error
                return [
                    reason if code == "ConditionalCheckFailed" else None
                    for reason, code in zip(reasons, codes, strict=True)
                ]
            except AWS_ERRORS as error:
                raise _unavailable() from error
        raise _unavailable()


def _met(existing: Job, job: Job) -> Admission:
    if existing.request_hash != job.request_hash:
        raise IdempotencyKeyReused("Use a new Idempotency-Key for another request.")
    return Admission(existing, is_new=False)


def _tries() -> Iterator[None]:
    """Again after a pause that grows, for as long as a write may meet another one's transaction."""
    for tried in range(TRANSACTION_TRIES):
        if tried:
            clock.sleep(random.uniform(0.01, 0.03) * 2 ** min(tried, 4))
        yield


def _refused_job(error: ClientError) -> Job | None:
    """What `ReturnValuesOnConditionCheckFailure` brought; nothing when there was no item."""
    answer: Mapping[str, Any] = error.response
    item = answer.get("Item")
    return job_of(item) if item else None


class _Refused(Exception):
    def __init__(self, job: Job | None) -> None:
        self.job = job


def _unavailable() -> DependencyUnavailable:
    return DependencyUnavailable("The jobs table did not answer.", retry_after_seconds=1)


def _not_found() -> JobNotFound:
    return JobNotFound("There is no job of that id here.")


_LEASE = "#lease_token, #lease_expires_at_ms, #lease_message_id"
# Whoever ends a job under a worker's hands leaves it a way to say what it has spent.
_UNSETTLED = "#unsettled_lease_token = if_not_exists(#lease_token, :no_lease)"
_USAGE = ", ".join(f"#{name} :{name}" for name in asdict(Usage()))
