"""`make bench-cache`: what a Valkey spares and what it costs, poll by poll and job by job.

First the built status function under Lambda's runtime client, in turns without a cache and with one
(wants redis-server): its CPU, the client's time on loopback, and the reads of the table. Then jobs
that nobody, ten or a thousand phones beside the first wait for, polled as they are told: the
shipped store and cache on a virtual clock, with the reads of the table counted. AWS's latencies are
not measured here: both services are on this machine.
"""

import argparse
import asyncio
import shutil
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush
from random import Random
from statistics import median
from typing import Any

from rich import box
from rich.table import Table as Shown

from bench.built import built, lambda_python
from bench.instructions.services import Services, serving
from bench.instructions.workload import HISTORY, durations, job
from bench.load.__main__ import POLLS_A_ROUND, ROUNDS, Load, cpu_us, load
from bench.load.servers import Server, function, valkey
from bench.terminal import console
from simmer import clock
from simmer.jobs.cache import CachedItems
from simmer.jobs.item import JobItems, item_of
from simmer.jobs.job import Job, JobStatus
from simmer.jobs.store import JobStore
from simmer.table import Table
from simmer.waiting.progress import poll_after_ms
from tests.simulation.cache import Valkey
from tests.simulation.services.dynamodb import DynamoDb

PHONES = (1, 10, 1000)
JOBS = {1: 400, 10: 100, 1000: 2}  # that are polled for a figure
WITHOUT, ALONE, SHARED, DONE = (
    *("no cache", "cache, a job of one phone"),
    *("cache, a shared open job", "cache, a completed job"),
)


@dataclass
class Turn:
    """One kind of poll, and what it took."""

    server: Server
    job_ids: list[str]
    loads: list[Load]
    reads: int = 0


async def turns(services: Services) -> dict[str, Turn]:
    """Polls of each kind, in turns of some hundred, so that a slow moment is everybody's."""
    build, python = built(), lambda_python()
    layer, code = build / "CommonLayer" / "python", build / "StatusFunction"
    reads: Counter[str] = Counter()
    services.on_call = lambda target, _: reads.update([target.rpartition(".")[2]])
    kinds: dict[str, Mapping[str, Any]] = {
        WITHOUT: {},
        ALONE: {},
        SHARED: {"is_shared": True},
        DONE: {"status": JobStatus.COMPLETED, "result": "{}", "completed_at_ms": clock.now_ms()},
    }
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        url = await enter(valkey())
        start = partial(function, services, python, code, "app", layer)
        plain, cached = await enter(start()), await enter(start({"STATUS_CACHE_URL": url}))
        found = {}
        for number, (name, changes) in enumerate(kinds.items()):
            known = durations(f"{HISTORY} 70:{number + 1}")
            jobs = [job(10_000 * number + i, durations=known, **changes) for i in range(200)]
            for each in jobs[:1] if name == SHARED else jobs:
                services.store(each)
            ids = [jobs[0].job_id] if name == SHARED else [each.job_id for each in jobs]
            found[name] = Turn(plain if name == WITHOUT else cached, ids, [])
        for number in range(1 + ROUNDS):
            for turn in found.values():
                before = reads["GetItem"]
                took = await load(turn.server, turn.job_ids, POLLS_A_ROUND)
                if number:  # the first warms
                    turn.loads.append(took)
                    turn.reads += reads["GetItem"] - before
    return found


def show_turns(found: dict[str, Turn]) -> None:
    shown = Shown(
        *("a poll, in turns", "CPU, µs", "of no cache", "p50, ms, on loopback"),
        *("reads of the table", "errors"),
        box=box.SIMPLE_HEAD,
    )
    for name, turn in found.items():
        polls = sum(each.polls for each in turn.loads)
        p50 = median(ms for each in turn.loads for ms in each.took_ms)
        shown.add_row(
            *(name, f"{cpu_us(turn.loads):,.0f}"),
            f"{cpu_us(turn.loads) / cpu_us(found[WITHOUT].loads):.2f}",
            *(f"{p50:.2f}", f"{turn.reads / polls:.3f}"),
            str(sum(each.errors for each in turn.loads)),
        )
    console().print(shown)


# ── Whole jobs ────────────────────────────────────────────────────────────────────────────────────


class Wait:
    """One job that so many phones wait for, on a virtual clock."""

    def __init__(self, phones: int, random: Random, *, has_cache: bool) -> None:
        self.now_ms = 0
        self.dynamodb = DynamoDb({"jobs": {"pk": "S"}}, now=lambda: self.now_ms / 1000)
        self.polls = self.reads = self.asks = 0
        server = Valkey(lambda: self.now_ms / 1000)

        def ask(*words: str) -> Any:
            self.asks += 1
            return server.do(*words)

        asking: Any = ask
        table = Table(self._counted(), "jobs")
        reading: Any = partial(CachedItems, asking, True) if has_cache else JobItems
        self.store, self._random, self._phones = JobStore(table, reading), random, phones

    def _counted(self) -> Any:
        wait = self

        class Client:
            def get_item(self, **request: Any) -> Any:
                wait.reads += 1
                return wait.dynamodb.get_item(**request)

        return Client()

    def run(self, whole: Job, takes_ms: int) -> None:
        """From the submit to the last phone that has seen the result."""
        random, begun_ms = self._random, whole.created_at_ms
        self._keep(whole)
        # Phones come in the first ten seconds, as an answer that is shared spreads.
        due = [(begun_ms + (random.uniform(0, 10_000) if i else 0), i) for i in range(self._phones)]
        due.sort()
        while due:
            at_ms, phone = heappop(due)
            self.now_ms = round(at_ms)
            if self.now_ms >= begun_ms + takes_ms and not whole.status.is_terminal:
                whole = replace(
                    whole, status=JobStatus.COMPLETED, result="{}", completed_at_ms=self.now_ms
                )
                self._keep(whole)
            seen = self.store.get(
                whole.job_id, task=whole.task, user=whole.owner, now_ms=self.now_ms
            )
            self.polls += 1
            if not seen.status.is_terminal:
                pause_ms = poll_after_ms(seen, self.now_ms) + random.uniform(50, 150)  # the way
                heappush(due, (self.now_ms + pause_ms, phone))

    def _keep(self, whole: Job) -> None:
        self.dynamodb.put_item(TableName="jobs", Item=item_of(whole))


def whole_jobs() -> None:
    shown = Shown(
        *("phones a job", "polls a job", "reads of the table, no cache", "with it"),
        *("spared", "asks of the cache"),
        box=box.SIMPLE_HEAD,
    )
    now_ms = clock.now_ms
    for phones in PHONES:
        plain, cached = [_of_many(phones, has_cache=has_cache) for has_cache in (False, True)]
        shown.add_row(
            *(f"{phones:,}", f"{plain[0]:,.1f}", f"{plain[1]:,.1f}", f"{cached[1]:,.1f}"),
            *(f"{1 - cached[1] / plain[1]:.0%}", f"{cached[2]:,.1f}"),
        )
    clock.now_ms = now_ms
    console().print(shown)


def _of_many(phones: int, *, has_cache: bool) -> tuple[float, float, float]:
    """Polls, reads and asks a job."""
    random, jobs = Random(phones), JOBS[phones]
    sums = [0, 0, 0]
    for number in range(jobs):
        wait = Wait(phones, random, has_cache=has_cache)
        whole = job(number, durations=durations(HISTORY), is_shared=phones > 1)
        clock.now_ms = lambda wait=wait: wait.now_ms  # type: ignore[misc]
        wait.now_ms = whole.created_at_ms
        started = replace(whole, started_at_ms=whole.created_at_ms + 1000)
        wait.run(started, round(random.gauss(45_000, 8_000)))
        for i, count in enumerate((wait.polls, wait.reads, wait.asks)):
            sums[i] += count
    polls, reads, asks = (each / jobs for each in sums)
    return polls, reads, asks


def main() -> int:
    argparse.ArgumentParser(prog="make bench-cache", description=__doc__).parse_args()
    whole_jobs()
    if not (shutil.which("redis-server") or shutil.which("valkey-server")):
        print("redis-server is not here: no poll is measured", file=sys.stderr)
        return 1
    with serving() as services:
        found = asyncio.run(turns(services))
    show_turns(found)
    failed = sum(each.errors for turn in found.values() for each in turn.loads)
    if failed:
        print(f"{failed} polls failed", file=sys.stderr)
    return min(1, failed)


if __name__ == "__main__":
    sys.exit(main())
