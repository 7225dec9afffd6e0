"""`make bench-slots`: how long jobs wait for a worker, by jobs a day, workers and batching window.

Lambda hands a free worker what is there, up to a batch, and no more until the last of them
has ended. So at light load a worker has one job, and five workers are five jobs at once. Simulated:
jobs come evenly over the day (Poisson) and take 30 to 60 s; p90 is the wait that nine of ten stay
below.
"""

import heapq
import random
from collections import deque
from dataclasses import dataclass

from rich import box
from rich.table import Table

from bench.terminal import console

BATCH = 10  # the default, and the most without a window
SHORTEST_SECONDS, LONGEST_SECONDS = 30.0, 60.0
MEMORY_GB = 0.25  # the default
JOBS = 20_000
DIVERGES_SECONDS = 300.0  # the deadline
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Outcome:
    """Waits in seconds, sorted; and what Lambda bills for a job, in GB-seconds."""

    waits: list[float]
    gb_seconds: float

    def share(self, quantile: float) -> float:
        return self.waits[min(int(quantile * len(self.waits)), len(self.waits) - 1)]


def simulate(
    jobs_a_day: float,
    workers: int,
    window_seconds: float = 0.0,
    *,
    at_most: int = BATCH,
    jobs: int = JOBS,
    seed: int = 1,
) -> Outcome:
    """So many jobs, one after the other."""
    random_ = random.Random(seed)
    arrivals, now = [], 0.0
    for _ in range(jobs):
        now += random_.expovariate(jobs_a_day / DAY_SECONDS)
        arrivals.append(now)
    free_at = [0.0] * workers  # a heap
    waiting: deque[float] = deque(arrivals)
    waits, billed_seconds = [], 0.0
    while waiting:
        free = heapq.heappop(free_at)
        # It takes the oldest, and gathers more of them until the window is over or it is full.
        first = max(free, waiting[0])
        full = waiting[at_most - 1] if len(waiting) >= at_most else float("inf")
        starts = max(first, min(first + window_seconds, full))
        batch = [waiting.popleft()]
        while waiting and len(batch) < at_most and waiting[0] <= starts:
            batch.append(waiting.popleft())
        waits += [starts - arrival for arrival in batch]
        took = max(random_.uniform(SHORTEST_SECONDS, LONGEST_SECONDS) for _ in batch)
        billed_seconds += took
        heapq.heappush(free_at, starts + took)
    return Outcome(sorted(waits), billed_seconds * MEMORY_GB / jobs)


def main() -> None:
    table = Table(
        title="Waiting for a worker: median / p90 / p99 in seconds; GB-seconds a job",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("workers, window")
    loads = (1_000, 5_000, 10_000, 35_000, 75_000)
    for load in loads:
        table.add_column(f"{load:,} a day", justify="right")
    for workers, window in ((5, 0), (10, 0), (20, 0), (50, 0), (5, 5), (20, 5)):
        cells = []
        for load in loads:
            found = simulate(load, workers, window)
            waits = [found.share(quantile) for quantile in (0.5, 0.9, 0.99)]
            cells.append(
                "diverges"
                if waits[1] > DIVERGES_SECONDS
                else " / ".join(f"{wait:.0f}" for wait in waits) + f"; {found.gb_seconds:.0f}"
            )
        table.add_row(f"{workers}, {window} s", *cells)
    console().print(table)


if __name__ == "__main__":
    main()
