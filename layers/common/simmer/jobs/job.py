"""A job: what one client asked for, and where it stands.

    admit ──▶ pending ──claim──▶ processing ──complete──▶ completed
                │  ▲                │ │  ▲
                │  └────release─────┘ │  └─claim, when the lease has run out
                │                     ├──fail────▶ failed
                ├──expire─────────────┴──expire──▶ failed (deadline_exceeded)
                └──cancel─────────────┴──cancel──▶ cancelled

A terminal state is final. An identical request after `failed`, `cancelled`, the deadline or the
retention time is admitted as a new *run* under the same id, told apart by `run_id`.

`simmer.jobs.store` and `simmer.jobs.leases` write these arrows. Past its deadline an open job *is*
failed for every reader: the first reader writes the failure, and returns the job after that.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

# By how much the clocks of two functions may differ.
CLOCK_SKEW_MS = 2000

# Readers go by the deadline to the millisecond. A worker must send its last write this long before
# the deadline, because its clock may be off and the write may arrive late: else it has paid a model
# for a job that a reader has called failed by then.
LAST_WRITE_MS = 15_000


class JobStatus(StrEnum):
    """The states of a job; the values are the words of the wire."""

    PENDING = "pending"  # accepted, and no worker has it
    PROCESSING = "processing"  # a worker holds the job's lease
    COMPLETED = "completed"  # a validated result is stored
    FAILED = "failed"  # the job ended without a result, and `error_code` says why
    CANCELLED = "cancelled"  # nobody waits for the job any more

    @property
    def is_terminal(self) -> bool:
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


class ErrorCode(StrEnum):
    """The reasons of a failure; the values are the words of the wire."""

    INVALID_OUTPUT = "invalid_output"  # no model on the ladder gave a valid answer
    REFUSED = "refused"  # the models refused this request
    MODEL_UNAVAILABLE = "model_unavailable"  # no model could be reached
    DEADLINE_EXCEEDED = "deadline_exceeded"  # time ran out
    BUDGET_EXCEEDED = "budget_exceeded"  # today's money is spent
    INTERNAL = "internal"  # a bug of ours

    @property
    def is_retryable(self) -> bool:
        """True if the same request may succeed when the client sends it again."""
        return self in (
            ErrorCode.INVALID_OUTPUT,
            ErrorCode.MODEL_UNAVAILABLE,
            ErrorCode.DEADLINE_EXCEEDED,
            ErrorCode.INTERNAL,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to run a job: whoever knows `token` may write to it."""

    token: str
    expires_at_ms: int
    message_id: str  # the SQS message that woke the holder


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The consumption of all model calls of a job, failed calls included."""

    calls: int = 0  # that were answered
    unreported_calls: int = 0  # of which nobody said what they took: broken off, uncounted
    input_tokens: int = 0  # cached ones included, as providers count
    cached_input_tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0  # 1,000,000 is one dollar; of unreported calls it is an estimate

    def __add__(self, other: "Usage") -> "Usage":
        more = asdict(other)
        return Usage(**{name: number + more[name] for name, number in asdict(self).items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job as it is stored. Times are milliseconds since the epoch, `None` when not yet."""

    job_id: str
    run_id: str
    task: str
    owner: str  # the `sub` of the user whose request admitted it
    is_shared: bool  # anyone who holds the id may read the job
    request: str  # the validated request as JSON text
    request_hash: str
    locale: str  # the language of the answer and of the words for the user, a BCP 47 tag
    created_at_ms: int
    deadline_at_ms: int
    expires_at_seconds: int  # the job is gone from then on (DynamoDB's TTL, so seconds)
    task_version: int | None = None  # None in a job of a release that did not write it
    words: Mapping[str, str] | None = None  # the task's own, by stage
    wanted_by: frozenset[str] = frozenset()  # `mark_of` each user who waits for it
    # the WebSocket connections that hear of the job's end, each as "<since, ms> <user's mark> <id>"
    subscribers: frozenset[str] = frozenset()
    status: JobStatus = JobStatus.PENDING
    sent_at_ms: int | None = None  # the last message that a joiner sent for it
    started_at_ms: int | None = None  # the first claim of this run
    completed_at_ms: int | None = None  # when it became terminal
    durations: Mapping[str, str] | None = None  # by task, as first known, and their polls
    parts_count: int | None = None  # of how many parts the answer is to be, if of more than one
    awaits_capacity: bool = False  # a provider was throttling when it was last released
    first_rung: int = 0  # where on the ladder the next attempt begins
    lease: Lease | None = None
    outline: str | None = None  # of an answer in parts, as `simmer.jobs.outline` reads it
    parts: Mapping[int, str] = field(default_factory=dict)  # each the very text that was validated
    result: str | None = None  # the very text that was validated
    error_code: ErrorCode | None = None
    usage: Usage = field(default_factory=Usage)

    def is_overdue(self, now_ms: int) -> bool:
        return not self.status.is_terminal and now_ms >= self.deadline_at_ms

    def is_expired(self, now_ms: int) -> bool:
        """Past retention. DynamoDB deletes within days only, so readers must ask."""
        return now_ms >= self.expires_at_seconds * 1000

    def is_visible_to(self, user: str) -> bool:
        return self.is_shared or self.owner == user


def mark_of(user: str) -> str:
    """The mark of a user in `Job.wanted_by`: 16 hex digits, however long the user's id is."""
    return fingerprint(user)[:16]


def fingerprint(*parts: str | int | Mapping[str, Any]) -> str:
    """A job's id: 128 bits of SHA-256 over what makes two requests the same, as 32 hex digits."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
