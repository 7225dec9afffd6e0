"""`make bench-cache`: the reads of the table that a Valkey spares, by the phones that wait.

Jobs that one, ten or a thousand phones wait for, each polled as it is told: the shipped store and
cache on a virtual clock, with the reads of the table and the asks of the cache counted. What a poll
takes of CPU and time is not measured here.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from heapq import heappop, heappush
from random import Random
from typing import Any

from rich import box
from rich.table import Table as Shown

from bench.instructions.workload import HISTORY, durations, job
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
