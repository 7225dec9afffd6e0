"""The clients' side of the store: admit a job, read it, subscribe to it, cancel it.

Each write is one arrow of the drawing in `simmer.jobs.job`, and a condition decides every race: two
submits of one request, a cancel and a join. A method that reads first makes the values that it has
read a condition of its write. The workers' side is in `simmer.jobs.leases`.

Beside the jobs the table has an item `quota#<user>#<day>` for each user and day (UTC): the number
of the user's jobs that were admitted on that day, and the ids of those among them that may be under
way. No end of a job is written there: when the ids are many, the jobs are looked at.
"""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from simmer.errors import (
    DependencyUnavailable,
    IdempotencyKeyReused,
    JobNotFound,
    QuotaExceeded,
    TooManyJobs,
    TooManySubscribers,
)
from simmer.jobs.item import LEASE, UNSETTLED, JobRefused, Store, item_of, job_of
from simmer.jobs.job import Job, JobStatus, mark_of
from simmer.jobs.story import Event, tell
from simmer.table import deserialized, unavailable

# The most users that a shared job remembers as waiting. When more users join, a mark that is no
# user's stays on the job: no cancel ends it, and who joins then writes nothing (an item takes 1,000
# written units a second, and this one costs some for each write).
MAX_WANTED_BY = 100
_MANY = "many"

# The most connections that hear of one job's end, and those of one user among them: a phone that
# comes back takes the place of its oldest connection, which is most likely gone. A refused client
# polls.
MAX_SUBSCRIBERS, MAX_PLACES_A_USER = 20, 4

_NOBODY = "attribute_not_exists(#subscribers)"

# When to ask again who has too many jobs under way.
ROOM_AFTER_SECONDS = 10

# The tries when a job changes between the read and the write.
LOOKS = 8


@dataclass(frozen=True, slots=True)
class Admission:
    """The job of a request: a new run, or the job that was there already."""

    job: Job
    is_new: bool


class JobStore(Store):
    """The jobs in a table, for clients.

    Every method raises `DependencyUnavailable` when DynamoDB fails; the write may have taken effect
    even so, and each is safe to send again.
    """

    def get(self, job_id: str, *, task: str, user: str, now_ms: int) -> Job:
        """The job, or `JobNotFound`: unknown, expired and other users' jobs look the same.

        An overdue one has failed, which is written down before it is told: no worker, however
        late, can complete then what a client has seen as failed.
        """
        job = self._read(job_id, now_ms)
        if job.task != task or not job.is_visible_to(user):
            raise _not_found()
        return self._expire(job, now_ms) if job.is_overdue(now_ms) else job

    def admit(self, job: Job, *, daily_quota: int, most_in_flight: int, now_ms: int) -> Admission:
        """Put the new run and count it against its owner's day, or join its owner to what stands
        there.

        Raises `QuotaExceeded`, `TooManyJobs`, and `IdempotencyKeyReused` when the id is taken by a
        different request, which only an idempotency key can bring about.
        """
        for _ in range(LOOKS):
            admission = self._look(job, now_ms) or self._admit(
                job, daily_quota, most_in_flight, now_ms
            )
            if admission is None:
                continue
            standing = admission.job
            if standing.is_overdue(now_ms):
                self._expire(standing, now_ms)  # who waits for that run is told how it ended
                continue
            is_known = job.wanted_by <= standing.wanted_by or _MANY in standing.wanted_by
            if standing.status.is_terminal or is_known:
                return admission
            is_full = len(standing.wanted_by) >= MAX_WANTED_BY
            users = {_MANY} if is_full else set(job.wanted_by)
            try:
                joined = self._items.update_open(standing, "ADD #wanted_by :users", users=users)
                return Admission(joined, is_new=False)
            except JobRefused:
                continue  # the job has just ended: read it again
        raise unavailable()

    def _look(self, job: Job, now_ms: int) -> Admission | None:
        """The stored job, unless the transaction would replace it.

        The transaction decides in any case. This read saves a refused transaction, which costs as
        much as one that writes; and transactions on one item refuse each other.
        """
        try:
            existing = self._read(job.job_id, now_ms)
        except JobNotFound:
            return None
        is_same_request = existing.request_hash == job.request_hash
        has_failed = existing.status in (JobStatus.FAILED, JobStatus.CANCELLED)
        return None if is_same_request and has_failed else _met(existing, job)

    def _admit(
        self, job: Job, daily_quota: int, most_in_flight: int, now_ms: int
    ) -> Admission | None:
        """None when there may be room at the next try."""
        is_absent = "attribute_not_exists(#pk)"
        is_expired = "#expires_at_seconds <= :now_seconds"
        is_same_request = "#request_hash = :request_hash"
        has_failed = "#status IN (:failed, :cancelled)"
        has_quota = "(attribute_not_exists(#jobs) OR #jobs < :daily_quota)"
        has_room = "(attribute_not_exists(#in_flight) OR size(#in_flight) < :most)"
        day = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        put_job = self._table.put_part(
            item_of(job),
            f"{is_absent} OR {is_expired} OR ({is_same_request} AND {has_failed})",
            now_seconds=now_ms // 1000,
            request_hash=job.request_hash,
            failed=JobStatus.FAILED,
            cancelled=JobStatus.CANCELLED,
        )
        quota = f"quota#{job.owner}#{day}"
        count_job = self._table.update_part(
            quota,
            "SET #expires_at_seconds = :expires_at_seconds ADD #jobs :one, #in_flight :ids",
            f"{has_quota} AND {has_room}",
            one=1,
            ids={job.job_id},
            daily_quota=daily_quota,
            most=most_in_flight,
            expires_at_seconds=now_ms // 1000 + 2 * 24 * 3600,
        )
        refused_job, refused_quota = self._table.transact(put_job, count_job)
        if refused_job is not None:
            return _met(job_of(refused_job), job)
        if refused_quota is not None:
            counted = deserialized(refused_quota)
            if counted["jobs"] < daily_quota:
                self._forget_ended(quota, counted["in_flight"], now_ms)
                return None
            midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
            raise QuotaExceeded(
                f"{daily_quota} jobs a day are allowed.",
                retry_after_seconds=max(1, int(midnight.timestamp()) - now_ms // 1000),
            )
        return Admission(job, is_new=True)

    def _forget_ended(self, quota: str, job_ids: set[str], now_ms: int) -> None:
        """Take those that have ended off a user's jobs under way, or raise `TooManyJobs`."""
        jobs = {job_id: self._items.read(job_id) for job_id in job_ids}
        ended = {
            job_id
            for job_id, job in jobs.items()
            if job is None or job.status.is_terminal or job.is_overdue(now_ms)
        }
        if not ended:
            raise TooManyJobs(
                f"{len(job_ids)} of your jobs are under way. This one can come when one has ended.",
                retry_after_seconds=ROOM_AFTER_SECONDS,
            )
        self._table.update(quota, "DELETE #in_flight :ids", ids=ended)

    def note_sent(self, job: Job, now_ms: int) -> None:
        """Keep that a message was sent for a job that stood there, to spare the next joiner one. If
        that is not kept, the next joiner sends one, too."""
        with contextlib.suppress(JobRefused, DependencyUnavailable):
            self._items.update_open(job, "SET #sent_at_ms = :now_ms", now_ms=now_ms)

    def cancel(self, job_id: str, *, task: str, user: str, now_ms: int) -> Job:
        """Take the user off the job; the job ends when no other user waits for it. Returns the job
        as it is then; raises `JobNotFound` as `get` does."""
        mine = frozenset({mark_of(user)})
        for _ in range(LOOKS):
            job = self.get(job_id, task=task, user=user, now_ms=now_ms)
            if job.status.is_terminal or not mine <= job.wanted_by:
                return job
            try:
                if job.wanted_by == mine:
                    return self.cancel_for_all(job, now_ms)
                is_wanted_by_others = "size(#wanted_by) > :one"
                return self._items.update_open(
                    job, "DELETE #wanted_by :users", is_wanted_by_others, users=set(mine), one=1
                )
            except JobRefused:
                continue  # the job has just ended, or a user came or went
        raise unavailable()

    def subscribe(
        self, job_id: str, *, run_id: str, mark: str, connection_id: str, now_ms: int
    ) -> Job:
        """Let the connection hear of this run's end; returns the job as it is now.

        One that is open then has the connection among those that its end is told to; one that has
        ended tells nobody any more. Raises `JobNotFound`, also when another run stands there or the
        user with this mark does not wait for it, and `TooManySubscribers`.
        """
        for _ in range(LOOKS):
            job = self._read(job_id, now_ms)
            if job.is_overdue(now_ms):
                job = self._expire(job, now_ms)
            if job.run_id != run_id:
                raise _not_found()
            if job.status.is_terminal or connection_id in map(connection_of, job.subscribers):
                return job  # clients ask again every few seconds: that should cost no write
            if not {mark, _MANY} & job.wanted_by:
                raise _not_found()
            own = sorted(place for place in job.subscribers if f" {mark} " in place)
            others = job.subscribers - set(own[: 1 - MAX_PLACES_A_USER])
            if len(others) >= MAX_SUBSCRIBERS:
                raise TooManySubscribers(f"{MAX_SUBSCRIBERS} connections wait for this job.")
            try:
                return self._items.update_open(
                    job,
                    # The stream's filter, in template.yaml, cannot look into a set.
                    "SET #has_subscribers = :yes, #subscribers = :places",
                    "#subscribers = :before" if job.subscribers else _NOBODY,
                    yes=True,
                    places={*others, f"{now_ms:015} {mark} {connection_id}"},
                    **({"before": set(job.subscribers)} if job.subscribers else {}),
                )
            except JobRefused:
                continue  # the job has just ended, or another came
        raise unavailable()

    def unsubscribe(self, job: Job, place: str) -> None:
        """Give back the place of a connection that is gone; if that fails, it stays taken."""
        with contextlib.suppress(JobRefused, DependencyUnavailable):
            # Without the mark of news, or the stream would bring them again.
            self._items.update_open(
                job, "DELETE #subscribers :places REMOVE #has_news", places={place}
            )

    def _read(self, job_id: str, now_ms: int) -> Job:
        job = self._items.read(job_id)
        if job is None or job.is_expired(now_ms):
            raise _not_found()
        return job

    def cancel_for_all(self, job: Job, now_ms: int) -> Job:
        """End a job, unless other users wait for it than those that `job` has, by now."""
        is_wanted_by_nobody_else = "#wanted_by = :wanted_by"
        cancelled = self._items.update_open(
            job,
            f"SET #status = :cancelled, #completed_at_ms = :now_ms, {UNSETTLED} REMOVE {LEASE}",
            is_wanted_by_nobody_else,
            cancelled=JobStatus.CANCELLED,
            now_ms=now_ms,
            no_lease="",
            wanted_by=set(job.wanted_by),
        )
        tell(Event.CANCELLED, cancelled)
        return cancelled

    def _expire(self, job: Job, now_ms: int) -> Job:
        """Fail an overdue job; returns the job, which may have ended otherwise by now."""
        expired = self._items.expire(job, now_ms)
        if expired is None:
            raise _not_found()
        return expired


def connection_of(place: str) -> str:
    """The connection in one of `Job.subscribers`."""
    return place.rpartition(" ")[2]


def _met(existing: Job, job: Job) -> Admission:
    if existing.request_hash != job.request_hash:
        raise IdempotencyKeyReused("Use a new Idempotency-Key for another request.")
    return Admission(existing, is_new=False)


def _not_found() -> JobNotFound:
    return JobNotFound("There is no job with this id.")
