"""`make bench-slots`: how long jobs wait for a worker, by jobs a day and what workers receive.

A message goes to whoever asks: to one of Lambda's five pollers, which start a worker for it while
fewer run than may, or to a worker that has room. Without the second, Lambda hands a free worker
what is there, up to ten, and no more until the last of them has ended. Simulated: jobs come evenly
over the day (Poisson) and take 30 to 60 s; p90 is the wait that nine of ten stay below.
"""

import heapq
import itertools
import random
from collections import deque
from dataclasses import dataclass

from rich import box
from rich.table import Table

from bench.terminal import console
from intake import RECEIVES_FOR_SECONDS
from simmer.jobs.queue import MAX_MESSAGES

POLLERS = 5  # of Lambda's, at the least
ROOM = 30  # the default
SHORTEST_SECONDS, LONGEST_SECONDS = 30.0, 60.0
NOT_AT_ALL = (0.0, 0.0)
MEMORY_GB = 0.25  # the default
JOBS = 20_000
DIVERGES_SECONDS = 300.0  # the deadline
DAY_SECONDS = 86_400

type Span = tuple[float, float]  # the least and the most


@dataclass(frozen=True)
class Outcome:
    """Waits in seconds, sorted; and what Lambda bills for a job, in GB-seconds."""

    waits: list[float]
    gb_seconds: float

    def share(self, quantile: float) -> float:
        return self.waits[min(int(quantile * len(self.waits)), len(self.waits) - 1)]


@dataclass(slots=True)
class _Worker:
    started: float
    receives_until: float
    running: int = 0


class _Queue:
    """What waits, and the workers that run."""

    def __init__(self, workers: int, room: int, receives_seconds: Span, seed: int) -> None:
        self.random = random.Random(seed)
        self.waiting: deque[float] = deque()
        self.waits: list[float] = []
        self.billed_seconds = 0.0
        self.ends: list[tuple[float, int, _Worker]] = []  # a heap
        self._number = itertools.count()
        self._workers: list[_Worker] = []
        self._most, self._room, self._receives_seconds = workers, room, receives_seconds

    def hand_out(self, now: float) -> None:
        """Give what waits to who asks."""
        while self.waiting:
            asking: list[_Worker | None] = [
                each
                for each in self._workers
                if each.running < self._room and now < each.receives_until
            ]
            asking += [None] * POLLERS * (len(self._workers) < self._most)
            if not asking:
                return
            worker = self.random.choice(asking)
            room = MAX_MESSAGES
            if worker is None:
                worker = _Worker(now, now + self.random.uniform(*self._receives_seconds))
                self._workers.append(worker)
            else:
                room = min(room, self._room - worker.running)
            for _ in range(min(room, len(self.waiting))):
                self.waits.append(now - self.waiting.popleft())
                worker.running += 1
                took = self.random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)
                heapq.heappush(self.ends, (now + took, next(self._number), worker))

    def end_one(self) -> float:
        """The next job ends; when."""
        now, _, worker = heapq.heappop(self.ends)
        worker.running -= 1
        if not worker.running:
            self.billed_seconds += now - worker.started
            self._workers.remove(worker)
        return now


def simulate(
    jobs_a_day: float,
    workers: int,
    *,
    room: int = ROOM,
    receives_seconds: Span = RECEIVES_FOR_SECONDS,
    jobs: int = JOBS,
    seed: int = 1,
) -> Outcome:
    """So many jobs, and at most so many workers, which receive for so long, from the
    least to the most by chance; if they do not, Lambda alone brings them what they do."""
    queue = _Queue(workers, room, receives_seconds, seed)
    arrivals, now = deque[float](), 0.0
    for _ in range(jobs):
        now += queue.random.expovariate(jobs_a_day / DAY_SECONDS)
        arrivals.append(now)
    while arrivals or queue.ends:
        if arrivals and (not queue.ends or arrivals[0] <= queue.ends[0][0]):
            now = arrivals.popleft()
            queue.waiting.append(now)
        else:
            now = queue.end_one()
        queue.hand_out(now)
    return Outcome(sorted(queue.waits), queue.billed_seconds * MEMORY_GB / jobs)


def said(seconds: Span) -> str:
    """For a table."""
    least, most = seconds
    return f"{least:g} s" if least == most else f"{least:g} to {most:g} s"


def main() -> None:
    table = Table(
        title="Waiting for a worker: median / p90 / p99 in seconds; GB-seconds a job",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("workers, jobs of one, receives for")
    loads = (5_000, 10_000, 35_000, 75_000, 150_000)
    for load in loads:
        table.add_column(f"{load:,} a day", justify="right")
    rows = [
        *((workers, MAX_MESSAGES, NOT_AT_ALL) for workers in (5, 20)),
        *((workers, ROOM, RECEIVES_FOR_SECONDS) for workers in (2, 3, 5, 10, 20)),
        *((5, ROOM, seconds) for seconds in ((10.0, 10.0), (60.0, 60.0), (20.0, 100.0))),
        (5, 10, RECEIVES_FOR_SECONDS),
    ]
    for workers, room, seconds in rows:
        cells = []
        for load in loads:
            found = simulate(load, workers, room=room, receives_seconds=seconds)
            waits = [found.share(quantile) for quantile in (0.5, 0.9, 0.99)]
            cells.append(
                "diverges"
                if waits[1] > DIVERGES_SECONDS
                else " / ".join(f"{wait:.0f}" for wait in waits) + f"; {found.gb_seconds:.0f}"
            )
        table.add_row(f"{workers}, {room}, {said(seconds)}", *cells)
    console().print(table)


if __name__ == "__main__":
    main()
