"""The jobs, with copies in Valkey that spare reads of the table where many ask for one job.

The table stays the truth, and nobody sees that the cache is full, slow, wrong or away. What is kept
passes the same checks as what is read, and is without the request.

A completed job changes no more: it is kept for an hour. What is open is kept where users share it,
for `OPEN_MS` from *before* its read began; so a poll is answered by what was true so long ago at
the most, and who polls no sooner than told never sees an older state after a newer one. What has
failed or was cancelled is not kept: the same request begins it anew, under the same id.

A reader that finds nothing leaves a mark for `OPEN_MS`, by the server's one clock, and fills in
what it has read if its own mark is still there, for the rest of that time. A writer takes the mark
away, or puts what is completed in its place; then a slow reader, who has read before the write,
fills in nothing. (These are the leases of "Scaling Memcache at Facebook", NSDI 2013.)

    reader    SET job mark NX GET PX 250 ──▶ none: GetItem ──▶ if mark: SET job item KEEPTTL
    writer                         UpdateItem ──▶ DEL job, or SET job item PX 3600000
"""

import json
import uuid
from binascii import b2a_base64
from dataclasses import replace
from functools import partial
from typing import Any

from simmer import clock
from simmer.jobs.item import ItemsBy, JobItems, item_of, job_of
from simmer.jobs.job import CLOCK_SKEW_MS, Job, JobStatus
from simmer.jobs.story import logger
from simmer.table import Table
from simmer.valkey import Server

# The shortest pause between two polls that a client is told (`simmer.waiting.polling`).
OPEN_MS = 250
COMPLETED_MS = 3_600_000
# After a fault nobody asks the cache for so long, or a dead one would cost each poll its patience.
BREAK_MS = 10_000

FILL = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then"
    " return redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL') end"
)


class CachedItems(JobItems):
    """The jobs in a table, written through to a cache and, if `is_read`, read through it."""

    def __init__(self, server: Server, is_read: bool, table: Table) -> None:
        super().__init__(table)
        self._server, self._is_read, self._resumes_at_ms = server, is_read, 0

    def read(self, job_id: str) -> Job | None:
        if not self._is_read:
            return super().read(job_id)
        mark = uuid.uuid4().hex
        kept = self._ask("SET", self._key(job_id), mark, "NX", "GET", "PX", str(OPEN_MS))
        if kept and (known := _job_in(kept, job_id)):
            return known
        job = super().read(job_id)
        if job and _is_final(job):
            self._put(job)
        elif job and job.is_shared and not job.status.is_terminal:
            self._ask("EVAL", FILL, "1", self._key(job_id), mark, _text(job))
        return job

    def update(self, job_id: str, expression: str, condition: str, **values: Any) -> Job:
        job = super().update(job_id, expression, condition, **values)
        if _is_final(job):
            self._put(job)
        else:
            self._ask("DEL", self._key(job_id))
        return job

    def _key(self, job_id: str) -> str:
        """With the table's name: the same request has the same id in any deployment."""
        return f"{self.table.name} {job_id}"

    def _put(self, job: Job) -> None:
        if (left_ms := min(COMPLETED_MS, _left_ms(job))) > 0:
            self._ask("SET", self._key(job.job_id), _text(job), "PX", str(left_ms))

    def _ask(self, *words: str) -> bytes | None:
        """The answer of the cache; None for any fault, and for a while after one."""
        if clock.now_ms() < self._resumes_at_ms:
            return None
        try:
            return self._server(*words)
        except Exception as error:
            self._resumes_at_ms = clock.now_ms() + BREAK_MS
            logger.warning("status cache failed", extra={"type": type(error).__name__})
            return None


def items_by(cache_url: str, *, is_read: bool = False) -> ItemsBy:
    """What makes the jobs of a table; an empty address is no cache."""
    return partial(CachedItems, Server(cache_url), is_read) if cache_url else JobItems


def _text(job: Job) -> str:
    item = item_of(replace(job, request=""))
    return json.dumps(item, default=lambda binary: b2a_base64(binary, newline=False).decode())


def _job_in(kept: bytes, job_id: str) -> Job | None:
    """The job that is kept; None for a mark, and for what none of us can have put there."""
    try:
        job = job_of(json.loads(kept))
    except Exception:
        return None
    is_usable = _is_final(job) or not job.status.is_terminal
    return job if is_usable and job.job_id == job_id and _left_ms(job) > 0 else None


def _is_final(job: Job) -> bool:
    return job.status is JobStatus.COMPLETED


def _left_ms(job: Job) -> int:
    """For how long the job is there by anybody's clock."""
    return job.expires_at_seconds * 1000 - CLOCK_SKEW_MS - clock.now_ms()
