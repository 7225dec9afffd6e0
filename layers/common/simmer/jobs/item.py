"""A job as the table stores it, under the key `job#<job id>`.

The attributes of the item are the fields of `Job`. The lease's attributes begin with `lease_`; the
usage has one attribute for each of its fields, and so has each part (`part_0`). An absent value has
no attribute.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Self

from simmer.jobs.job import ErrorCode, Job, JobStatus, Lease, Usage
from simmer.jobs.story import Event, tell
from simmer.table import Item, Refused, Table, deserialized, serialized

# Simmer's ids have 32. DynamoDB refuses a key of more than 2,048 bytes; that is not its failure.
MAX_JOB_ID_CHARACTERS = 100

# The parts of update expressions that several transitions share.
# A write that ends a job during a worker's attempt leaves the lease's token, for `settle`.
UNSETTLED = "#unsettled_lease_token = if_not_exists(#lease_token, :no_lease)"
LEASE = "#lease_token, #lease_expires_at_ms, #lease_message_id"
USAGE = ", ".join(f"#{name} :{name}" for name in asdict(Usage()))

_PART = "part_"


class JobRefused(Exception):
    """The condition of a write did not hold. `job` is the stored job, if there is one."""

    def __init__(self, job: Job | None) -> None:
        super().__init__("refused")
        self.job = job


class JobItems:
    """The jobs in a table. Every method raises `DependencyUnavailable` when DynamoDB fails."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def read(self, job_id: str) -> Job | None:
        """The job as the last write left it."""
        if len(job_id) > MAX_JOB_ID_CHARACTERS:
            return None
        item = self.table.get(_key(job_id), is_consistent=True)
        return job_of(item) if item else None

    def update(self, job_id: str, expression: str, condition: str, **values: Any) -> Job:
        """Change one job and return the job as it is then, or `JobRefused`."""
        try:
            return job_of(self.table.update(_key(job_id), expression, condition, **values))
        except Refused as refused:
            raise JobRefused(job_of(refused.item) if refused.item else None) from None

    def update_open(self, job: Job, expression: str, *conditions: str, **values: Any) -> Job:
        """Write to this run while it has not ended, or `JobRefused`."""
        is_this_run = "#run_id = :run_id"
        is_open = "#status IN (:pending, :processing)"
        return self.update(
            job.job_id,
            expression,
            " AND ".join((is_this_run, is_open, *conditions)),
            run_id=job.run_id,
            pending=JobStatus.PENDING,
            processing=JobStatus.PROCESSING,
            **values,
        )

    def expire(self, job: Job, now_ms: int) -> Job | None:
        """Fail an overdue job; returns the stored job, which may have ended otherwise by now."""
        is_overdue = "#deadline_at_ms <= :now_ms"
        try:
            expired = self.update_open(
                job,
                "SET #status = :failed, #error_code = :error_code,"
                f" #completed_at_ms = #deadline_at_ms, {UNSETTLED} REMOVE {LEASE}",
                is_overdue,
                failed=JobStatus.FAILED,
                error_code=ErrorCode.DEADLINE_EXCEEDED,
                now_ms=now_ms,
                no_lease="",
            )
        except JobRefused as refused:
            return refused.job
        tell(Event.FAILED, expired, code=ErrorCode.DEADLINE_EXCEEDED)
        return expired


type ItemsBy = Callable[[Table], JobItems]


class Store:
    """The jobs in a table, as one side sees them: clients, or workers."""

    def __init__(self, table: Table, items: ItemsBy = JobItems) -> None:
        self._table, self._items = table, items(table)

    @classmethod
    def connect(cls, table: str, items: ItemsBy = JobItems) -> Self:
        return cls(Table.connect(table), items)


def item_of(job: Job) -> Item:
    """The job's item."""
    attributes = {
        "pk": _key(job.job_id),
        **{
            name: value
            for name, value in asdict(job).items()
            if value not in (None, frozenset()) and name not in ("lease", "usage", "parts")
        },
        **part_attributes(job.parts),
        **asdict(job.usage),
    }
    return {name: serialized(value) for name, value in attributes.items()}


def part_attributes(parts: Mapping[int, str]) -> dict[str, str]:
    """The parts of an answer, each an attribute of its own: so none is written over by another."""
    return {f"{_PART}{i}": text for i, text in parts.items()}


def job_of(item: Mapping[str, Any]) -> Job:
    """The job in an item, as a read, a refused write or the stream of the table brings it."""
    stored: dict[str, Any] = {
        name: int(value) if name.endswith(_NUMBERS) else value
        for name, value in deserialized(item).items()
    }
    stored |= {name: frozenset(stored.get(name, ())) for name in ("wanted_by", "subscribers")}
    lease = None
    if "lease_token" in stored:
        lease = Lease(
            token=stored["lease_token"],
            expires_at_ms=stored["lease_expires_at_ms"],
            message_id=stored["lease_message_id"],
        )
    error_code = stored.get("error_code")
    return Job(
        lease=lease,
        usage=Usage(**{name: stored[name] for name in asdict(Usage()) if name in stored}),
        parts={
            int(name.removeprefix(_PART)): text
            for name, text in stored.items()
            if name.startswith(_PART)
        },
        status=JobStatus(stored["status"]),
        error_code=ErrorCode(error_code) if error_code else None,
        **{name: stored[name] for name in _SAME if name in stored},
    )


_NUMBERS = ("_ms", "_seconds", "_tokens", "calls", "_count", "_microusd", "_rung", "_version")
_SAME = frozenset(Job.__dataclass_fields__) - {"lease", "usage", "parts", "status", "error_code"}


def _key(job_id: str) -> str:
    return f"job#{job_id}"
