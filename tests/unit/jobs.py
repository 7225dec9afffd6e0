"""Jobs for tests."""

from typing import Any

from simmer.jobs.job import Job, mark_of
from tests.unit.clock import Clock

DEADLINE_SECONDS = 300


def a_job(clock: Clock, **fields: Any) -> Job:
    """Just admitted, with the template's default deadline and retention."""
    deadline_at_ms = clock.now_ms + DEADLINE_SECONDS * 1000
    defaults: dict[str, Any] = {
        "job_id": "0" * 32,
        "run_id": "run-1",
        "task": "recipe",
        "owner": "alice",
        "is_shared": False,
        "request": '{"ingredients":["egg"]}',
        "request_hash": "hash-1",
        "locale": "ko",
        "created_at_ms": clock.now_ms,
        "deadline_at_ms": deadline_at_ms,
        "expires_at_seconds": deadline_at_ms // 1000 + 24 * 3600,
        "wanted_by": frozenset({mark_of("alice")}),
    }
    return Job(**defaults | fields)
