"""Where a job stands, as its client sees it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from simmer_client.parts import Outline


class State(StrEnum):
    """
    idle ──▶ submitting ──▶ polling ──▶ completed | failed | cancelled
                  └── answered before ──▶ completed
    """

    IDLE = "idle"  # made, not sent
    SUBMITTING = "submitting"
    POLLING = "polling"  # the server has it; also while it is pushed instead of polled
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in (State.COMPLETED, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One moment of a job. `progress` is 0 to 100 and never below that of an earlier update.
    A part that was shown in one is in those that come after it."""

    task: str
    job_id: str | None = None  # None until the server has accepted it
    state: State = State.IDLE
    progress: int = 0
    stage: str = ""  # queued, analyzing, generating, done
    message: str = ""  # for the user, in the request's language
    estimated_seconds_remaining: int | None = None
    estimate_is_measured: bool = False  # past jobs tell that; else it is a guess
    outline: Outline = ()  # of an answer in parts: a title for each
    partial_result: Any = None  # open or failed: the result, with the parts that are there
    result: Any = None  # completed: the task's JSON
    cached: bool = False  # completed without any work
    error: str | None = None  # failed: a sentence for the user
    error_code: str | None = None
    retryable: bool = False
    goes_on: bool = False  # cancelled for us alone: others wait for it
