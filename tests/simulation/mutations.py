"""Bugs to seed, one at a time, into the code that ships: each must break a promise.

A mutation is a piece of source and what stands in its place. It is applied before the module is
imported, so a fresh interpreter is needed for each.

One that was tried and is none: not to ask for the run id in `claim`. A message that outlived its
run then wakes a worker for the run that followed, which takes the lease like any other, while the
message of that run's own is dropped. The lease alone keeps the promises; the run id saves work.

Of the status cache: to write nothing through it makes a status late by the bound, which is kept
by the mark alone. To take one key for all jobs, or not to look whose copy it is, is caught by the
other.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Mutation:
    """`old`, which stands exactly once in `path`, becomes `new`."""

    name: str
    path: str
    old: str
    new: str


ITEM = "layers/common/simmer/jobs/item.py"
STORE = "layers/common/simmer/jobs/store.py"
ADMISSION = "layers/common/simmer/jobs/admission.py"
ATTEMPT = "functions/worker/attempt.py"
WORKER = "functions/worker/worker.py"
INTAKE = "functions/worker/intake.py"
QUEUE = "layers/common/simmer/jobs/queue.py"
LEASES = "layers/common/simmer/jobs/leases.py"
CLIMB = "functions/worker/climb.py"
ANSWER = "functions/worker/answer.py"
APP = "functions/worker/app.py"
OUTLINE = "layers/common/simmer/jobs/outline.py"
VIEW = "layers/common/simmer/web/view.py"
CALLS = "functions/worker/calls.py"
BOOKS = "functions/worker/books.py"
PART_TASKS = "functions/worker/part_tasks.py"
PRICES = "functions/worker/prices.py"
PROGRESS = "layers/common/simmer/waiting/progress.py"
JOB = "layers/common/simmer/jobs/job.py"
CACHE = "layers/common/simmer/jobs/cache.py"

MUTATIONS = (
    Mutation(
        "complete without the lease",
        LEASES,
        'holds_lease = "#lease_token = :lease_token"',
        'holds_lease = "(#lease_token = :lease_token OR attribute_exists(#pk))"',
    ),
    Mutation(
        "write an end after the deadline",
        LEASES,
        '        is_in_time = "#deadline_at_ms > :latest_ms"\n        return self._update_held(',
        '        is_in_time = "(#deadline_at_ms > :latest_ms OR attribute_exists(#pk))"\n'
        "        return self._update_held(",
    ),
    Mutation(
        "claim a job whose lease still runs",
        LEASES,
        "#lease_expires_at_ms <= :expired_at_ms)",
        "(#lease_expires_at_ms <= :expired_at_ms OR attribute_exists(#pk)))",
    ),
    Mutation(
        "never take over an abandoned job",
        LEASES,
        "({is_waiting} OR {is_abandoned})",
        "({is_waiting} OR ({is_abandoned} AND attribute_not_exists(#pk)))",
    ),
    Mutation(
        "claim what has ended",
        LEASES,
        'is_waiting = "#status = :pending"',
        'is_waiting = "(#status = :pending OR attribute_exists(#completed_at_ms))"',
    ),
    Mutation(
        "start the clock anew at each claim",
        LEASES,
        "if_not_exists(#started_at_ms, :now_ms)",
        ":now_ms",
    ),
    Mutation(
        "keep the lease of what has ended",
        LEASES,
        '            f" #expires_at_seconds = :expires_at_seconds REMOVE {LEASE} ADD {USAGE}",',
        '            f" #expires_at_seconds = :expires_at_seconds ADD {USAGE}",',
    ),
    Mutation(
        "admit over a live run",
        STORE,
        'has_failed = "#status IN (:failed, :cancelled)"',
        'has_failed = "(#status IN (:failed, :cancelled) OR attribute_exists(#started_at_ms))"',
    ),
    Mutation(
        "count a join against the quota",
        STORE,
        "self._table.transact(put_job, count_job)",
        "(self._table.transact(put_job, count_job)[0], self._table.transact(count_job)[0])",
    ),
    Mutation(
        "put the job without counting it",
        STORE,
        "refused_job, refused_quota = self._table.transact(put_job, count_job)",
        "refused_job, refused_quota = *self._table.transact(put_job), None",
    ),
    Mutation(
        "do not send for a job that is there already",
        ADMISSION,
        "if admission.is_new or _may_lack_a_message(admission.job, now_ms):",
        "if admission.is_new:",
    ),
    Mutation(
        "accept although the message was not sent",
        ADMISSION,
        "            error.retry_after_seconds = 1\n            raise",
        "            error.retry_after_seconds = 1",
    ),
    Mutation(
        "acknowledge although the end was not written",
        ATTEMPT,
        "                await asyncio.sleep(0.25 * 2**tried)\n        return STAYS",
        "                await asyncio.sleep(0.25 * 2**tried)\n        return DONE",
    ),
    Mutation(
        "acknowledge although the claim failed",
        WORKER,
        'logger.warning("claim failed", extra={"jobId": wakeup.job_id})\n            return STAYS',
        'logger.warning("claim failed", extra={"jobId": wakeup.job_id})\n            return DONE',
    ),
    Mutation(
        "acknowledge everything",
        APP,
        "for record, done in pairs if not done)",
        "for record, done in pairs if done is None)",
    ),
    Mutation(
        "drop a message while its own reader has the lease",
        WORKER,
        "if job.lease is not None and job.lease.message_id != message.message_id:",
        "if job.lease is not None:",
    ),
    Mutation(
        "never beat",
        ATTEMPT,
        "self.climb.has_news.wait(), pause_seconds)",
        "self.climb.has_news.wait(), pause_seconds * 1000)",
    ),
    Mutation(
        "extend the visibility but not the lease",
        ATTEMPT,
        "self.tools.leases.heartbeat, self.job, lease_ends_at_ms, news",
        "self.tools.leases.heartbeat, self.job, self.job.lease.expires_at_ms, news",
    ),
    Mutation(
        "heartbeat looks and never writes",
        ATTEMPT,
        "if news or next_end_ms - lease_ends_at_ms >= self.tools.renewed_after_ms:",
        "if news:",
    ),
    Mutation(
        "heartbeat writes when a whole lease is over",
        ATTEMPT,
        "RENEWED_AFTER = 0.6",
        "RENEWED_AFTER = 1.0",
    ),
    Mutation(
        "look that takes any lease for its own",
        LEASES,
        " or stored.lease.token != job.lease.token:",
        ":",
    ),
    Mutation(
        "look that does not see that the job has ended",
        LEASES,
        "        if not stored or not stored.lease or not job.lease or",
        "        if stored and stored.lease and job.lease and",
    ),
    Mutation(
        "release without a new message",
        ATTEMPT,
        "            await asyncio.to_thread(self.tools.queue.send, self.job, delay_seconds)",
        "            pass",
    ),
    Mutation(
        "acknowledge a release whose message was not sent",
        ATTEMPT,
        "await self.message.hide(delay_seconds)  # then the old message must bring the job back\n"
        "            return STAYS",
        "await self.message.hide(delay_seconds)  # then the old message must bring the job back\n"
        "            return DONE",
    ),
    Mutation(
        "do not shorten the visibility",
        WORKER,
        "message.hide(self.tools.visibility_seconds)\n        try:",
        "message.hide(230)\n        try:",
    ),
    Mutation(
        "receive with the queue's own timeout",
        QUEUE,
        "                VisibilityTimeout=hidden_seconds,\n",
        "",
    ),
    Mutation(
        "delete what is received at once",
        QUEUE,
        'for message in answer.get("Messages", [])',
        'for message in answer.get("Messages", [])\n'
        '            if self.delete(message["ReceiptHandle"]) is None',
    ),
    Mutation(
        "end the invocation while a received job runs",
        INTAKE,
        "await asyncio.gather(*running, return_exceptions=True)",
        "await asyncio.gather(*brought, return_exceptions=True)",
    ),
    Mutation(
        "receive more than there is room for",
        INTAKE,
        "room = tools.settings.worker_jobs - len(running)",
        "room = tools.settings.worker_jobs",
    ),
    Mutation(
        "end the invocation when a receive fails",
        INTAKE,
        '            logger.warning("nothing received", extra=whereabouts(error))\n'
        "            return",
        "            raise",
    ),
    Mutation(
        "give the job up at the first beat that fails",
        ATTEMPT,
        "if clock.now_ms() >= lease_ends_at_ms:",
        "if True:",
    ),
    Mutation(
        "try to write an end only once",
        ATTEMPT,
        "WRITE_TRIES = 6",
        "WRITE_TRIES = 1",
    ),
    Mutation(
        "keep the messages of what has ended",
        WORKER,
        "wakeup.run_id or job.status.is_terminal:\n            return DONE",
        "wakeup.run_id or job.status.is_terminal:\n            return STAYS",
    ),
    Mutation(
        "start a call that outlives the function",
        ATTEMPT,
        "seconds = min(to_function_end - WRITE_MARGIN_SECONDS, _seconds_to_deadline(self.job))",
        "seconds = _seconds_to_deadline(self.job)",
    ),
    Mutation(
        "complete without saying what was used",
        LEASES,
        '"#result = :result", usage, end',
        '"#result = :result", Usage(), end',
    ),
    Mutation(
        "let the bar run on while the job waits",
        PROGRESS,
        "min(9.0, ",
        "min(99.0, ",
    ),
    Mutation(
        "deliver what does not fit the request",
        ANSWER,
        "*task.check(request, answer.result)",
        "*()",
    ),
    Mutation(
        "keep writing until the deadline itself",
        JOB,
        "LAST_WRITE_MS = 15_000",
        "LAST_WRITE_MS = -2_000",
    ),
    Mutation(
        "see an overdue job as it is stored",
        STORE,
        "return self._expire(job, now_ms) if job.is_overdue(now_ms) else job",
        "return job",
    ),
    Mutation(
        "fail at the deadline what has ended meanwhile",
        ITEM,
        'is_open = "#status IN (:pending, :processing)"',
        'is_open = "(#status IN (:pending, :processing) OR attribute_exists(#pk))"',
    ),
    Mutation(
        "cancel over the others' heads",
        STORE,
        "if job.wanted_by == mine:",
        "if True:",
    ),
    Mutation(
        "cancel although somebody has just joined",
        STORE,
        'is_wanted_by_nobody_else = "#wanted_by = :wanted_by"',
        'is_wanted_by_nobody_else = "(#wanted_by = :wanted_by OR attribute_exists(#pk))"',
    ),
    Mutation(
        "join without a word",
        STORE,
        "if standing.status.is_terminal or is_known:",
        "if True:",
    ),
    Mutation(
        "keep the lease of what was cancelled",
        STORE,
        '{UNSETTLED} REMOVE {LEASE}",\n            is_wanted_by_nobody_else',
        '{UNSETTLED}",\n            is_wanted_by_nobody_else',
    ),
    Mutation(
        "forget what a cancelled job has cost",
        ATTEMPT,
        "            if self.written is self.job:\n",
        "            if self.written is None:\n",
    ),
    Mutation(
        "a budget that an unpriced rung escapes",
        PRICES,
        "if (own or known_price(model)) is None:",
        "if model is None:",
    ),
    Mutation(
        "keep a message as sent before it is",
        ADMISSION,
        "        try:\n            queue.send(",
        "        store.note_sent(admission.job, now_ms)\n        try:\n            queue.send(",
    ),
    Mutation(
        "let parts survive into a new run",
        STORE,
        "            item_of(job),\n",
        "            {**{name: value for name, value\n"
        '                in (self._table.get(f"job#{job.job_id}") or {}).items()\n'
        '                if name == "outline" or name.startswith("part_")}, **item_of(job)},\n',
    ),
    Mutation(
        "ask again for parts that stand",
        CLIMB,
        "dict(self.job.parts)",
        "{}",
    ),
    Mutation(
        "plan anew at each attempt",
        CLIMB,
        "if self._outline is not None or self.part_count == 1:",
        "if self.part_count == 1:",
    ),
    Mutation(
        "drop a part when the job is given back",
        LEASES,
        'awaits_capacity{_once(news)} REMOVE {LEASE} ADD {USAGE}"',
        'awaits_capacity{_once(news)} REMOVE {LEASE}, #part_0 ADD {USAGE}"',
    ),
    Mutation(
        "write parts without the lease",
        LEASES,
        "        return self._update_held(\n            job,\n"
        '            f"SET #lease_expires_at_ms',
        "        return self._items.update(\n            job.job_id,\n"
        '            condition="attribute_exists(#lease_token)",\n'
        '            expression=f"SET #lease_expires_at_ms',
    ),
    Mutation(
        "show parts as they come",
        OUTLINE,
        "for i in sorted(parts)",
        "for i in sorted(parts, reverse=True)",
    ),
    Mutation(
        "show parts after a cancel",
        VIEW,
        "if job.outline is None or job.status in (JobStatus.COMPLETED, JobStatus.CANCELLED):",
        "if job.outline is None or job.status is JobStatus.COMPLETED:",
    ),
    Mutation(
        "count what a call took twice",
        CALLS,
        "self.usage_by_model.get(rung.model, Usage()) + usage",
        "self.usage_by_model.get(rung.model, Usage()) + usage + usage",
    ),
    Mutation(
        "let the bar fall when a part comes",
        PROGRESS,
        "missing = (job.parts_count - there) / job.parts_count",
        "missing = there / job.parts_count",
    ),
    Mutation(
        "ask twice at once, slow or not",
        CALLS,
        "timeout=usual_seconds)",
        "timeout=0.0)",
    ),
    Mutation(
        "book only what completes a job",
        BOOKS,
        "in usage_by_model.items():",
        "in (usage_by_model.items() if job.status is JobStatus.COMPLETED else ()):",
    ),
    Mutation(
        "take a part under another title",
        PART_TASKS,
        'if folded(getattr(items[0], parts.title)) != folded(plan["title"]):',
        "if False:",
    ),
    Mutation(
        "keep what is open for an hour",
        CACHE,
        "OPEN_MS = 250",
        "OPEN_MS = 3_600_000",
    ),
    Mutation(
        "keep what has failed as if it were final",
        CACHE,
        "return job.status is JobStatus.COMPLETED",
        "return job.status.is_terminal",
    ),
    Mutation(
        "fill in whatever stands there by now",
        CACHE,
        "if redis.call('GET', KEYS[1]) == ARGV[1] then",
        "if true then",
    ),
    Mutation(
        "count a copy's time from when it is filled in",
        CACHE,
        "    \"if redis.call('GET', KEYS[1]) == ARGV[1] then\"\n"
        "    \" return redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL') end\"\n",
        "    \"if true then return redis.call('SET', KEYS[1], ARGV[2], 'PX', 250) end\"\n",
    ),
    Mutation(
        "mark after the read",
        CACHE,
        "        job = super().read(job_id)\n",
        "        job = super().read(job_id)\n"
        '        self._ask("SET", self._key(job_id), mark, "PX", str(OPEN_MS))\n',
    ),
    Mutation(
        "put what is open as if it were completed",
        CACHE,
        '            self._ask("DEL", self._key(job_id))',
        "            self._put(job)",
    ),
    Mutation(
        "show a job to everybody",
        JOB,
        "return self.is_shared or self.owner == user",
        "return True",
    ),
)


class _MutatingLoader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, mutation: Mutation) -> None:
        super().__init__(name, path)
        self._mutation = mutation

    def get_code(self, fullname: str):  # type: ignore[no-untyped-def]
        source = Path(self.path).read_text()
        count = source.count(self._mutation.old)
        if count != 1:
            raise ValueError(f"{self._mutation.name}: its source stands {count} times")
        mutated = source.replace(self._mutation.old, self._mutation.new)
        return compile(mutated, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutation: Mutation) -> None:
        self._mutation = mutation

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        mutated = str(ROOT / self._mutation.path)
        if spec is None or spec.origin != mutated:
            return None
        loader = _MutatingLoader(fullname, mutated, self._mutation)
        return importlib.util.spec_from_file_location(fullname, mutated, loader=loader)


def apply(mutation: Mutation) -> None:
    """Seed the bug; before anything of Simmer's is imported."""
    assert "simmer" not in sys.modules, "too late: the code is imported already"
    sys.meta_path.insert(0, _Finder(mutation))
