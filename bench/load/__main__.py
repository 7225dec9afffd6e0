"""`make load`: polls of open jobs, against the built status function under Lambda's runtime client.

Each open job is polled in turn, one request at a time, as Lambda gives them to a process. CPU is
the process's own, user and system; the services and the runtime API are this bench's. Beside it
run, in turns of some hundred polls, the same request as a team would write it with FastAPI and
Redis (wants redis-server), and a handler that does nothing. Ends with an error if a poll failed, if
a poll takes more than 3 times FastAPI's CPU, or if it grows with the number of open jobs.
"""

import argparse
import asyncio
import shutil
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles

from rich import box
from rich.table import Table

from bench.built import built, lambda_python
from bench.instructions.services import Services, serving
from bench.instructions.workload import HISTORY, durations, job
from bench.load.servers import Server, fastapi, function
from bench.terminal import console

OPEN_JOBS = (10, 100, 1_000, 10_000)
ROUNDS, POLLS_A_ROUND = 15, 200
HISTORIES = 20  # as jobs come in that have learned from others
MOST_OF_RIVALS = 3.0
MOST_GROWTH = 1.3
SIMMER, *RIVALS = "Simmer", "FastAPI + Redis", "FastAPI + Redis, uvloop, httptools"
QUIET = ("--no-access-log", "--log-level", "warning")
PLAIN = (*QUIET, "--loop", "asyncio", "--http", "h11")  # what `uvicorn` itself brings along
HERE = Path(__file__).parent


@dataclass
class Load:
    """So many polls, one after the other."""

    polls: int = 0
    errors: int = 0
    cpu_seconds: float = 0.0
    took_ms: list[float] = field(default_factory=list)

    @property
    def cpu_us(self) -> float:
        return self.cpu_seconds / self.polls * 10**6


async def load(server: Server, job_ids: list[str], polls: int) -> Load:
    found = Load()
    before = server.cpu_seconds()
    for job_id in islice(cycle(job_ids), polls):
        began = time.perf_counter()
        found.errors += not await server.poll(job_id)
        found.took_ms.append((time.perf_counter() - began) * 1000)
    found.polls, found.cpu_seconds = polls, server.cpu_seconds() - before
    return found


def open_jobs(services: Services, count: int) -> list[str]:
    """The ids of so many jobs under way."""
    jobs = [
        job(1000 + number, durations=durations(f"{HISTORY} 70:{number % HISTORIES + 1}"))
        for number in range(count)
    ]
    for each in jobs:
        services.store(each)
    return [each.job_id for each in jobs]


async def growth(services: Services, simmer: Server) -> dict[int, list[Load]]:
    """The loads by the number of open jobs, each of which is polled."""
    loads: dict[int, list[Load]] = {count: [] for count in OPEN_JOBS}
    job_ids = open_jobs(services, OPEN_JOBS[-1])
    await load(simmer, job_ids, POLLS_A_ROUND)  # warm
    for number in range(ROUNDS):
        for count in OPEN_JOBS:
            polls = max(POLLS_A_ROUND, -(-count // ROUNDS))
            whose = islice(cycle(job_ids[:count]), number * polls, (number + 1) * polls)
            loads[count].append(await load(simmer, list(whose), polls))
    return loads


async def in_turns(servers: dict[str, Server], job_ids: list[str]) -> dict[str, list[Load]]:
    loads: dict[str, list[Load]] = {name: [] for name in servers}
    for _ in range(1 + ROUNDS):
        for name, server in servers.items():
            loads[name].append(await load(server, job_ids, POLLS_A_ROUND))
    return {name: several[1:] for name, several in loads.items()}  # the first warms


def cpu_us(loads: list[Load]) -> float:
    return median(each.cpu_us for each in loads)


def faults(by_open_jobs: dict[int, list[Load]], by_name: dict[str, list[Load]]) -> list[str]:
    """A sentence for each thing that is not as promised."""
    wrong = []
    everything = [each for some in (by_open_jobs, by_name) for each in some.values()]
    if errors := sum(each.errors for some in everything for each in some):
        wrong.append(f"{errors} polls failed")
    growth = cpu_us(by_open_jobs[OPEN_JOBS[-1]]) / cpu_us(by_open_jobs[OPEN_JOBS[0]])
    if growth > MOST_GROWTH:
        wrong.append(f"with {OPEN_JOBS[-1]:,} open jobs a poll takes {growth:.2f} times the CPU")
    for rival in RIVALS:
        if rival in by_name and cpu_us(by_name[SIMMER]) > MOST_OF_RIVALS * cpu_us(by_name[rival]):
            wrong.append(f"a poll takes more than {MOST_OF_RIVALS:g} times that of {rival}")
    return wrong


def show(by_open_jobs: dict[int, list[Load]], by_name: dict[str, list[Load]]) -> None:
    names = ("open jobs", "polls", "errors", "CPU a poll, µs", "polls/s a core", "p50, ms")
    table = Table(*names, "p95, ms", "p99, ms", box=box.SIMPLE_HEAD)
    for count, some in by_open_jobs.items():
        percents = quantiles((took for each in some for took in each.took_ms), n=100)
        polls, errors = (sum(getattr(each, name) for each in some) for name in ("polls", "errors"))
        table.add_row(
            *(f"{count:,}", f"{polls:,}", str(errors), f"{cpu_us(some):,.0f}"),
            *(f"{10**6 / cpu_us(some):,.0f}", *(f"{percents[n - 1]:.1f}" for n in (50, 95, 99))),
        )
    console().print(table)
    beside = Table("in turns", "CPU a poll, µs", "Simmer's, in these", box=box.SIMPLE_HEAD)
    for name, some in by_name.items():
        times = cpu_us(by_name[SIMMER]) / cpu_us(some)
        beside.add_row(name, f"{cpu_us(some):,.0f}", f"{times:.2f}")
    console().print(beside)


async def run() -> list[str]:
    build, python = built(), lambda_python()
    layer = build / "CommonLayer" / "python"
    with serving() as services:
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            code = build / "StatusFunction"
            simmer = await enter(function(services, python, code, "app", layer))
            by_open_jobs = await growth(services, simmer)
            job_ids = open_jobs(services, OPEN_JOBS[-2])
            servers = {SIMMER: simmer}
            if shutil.which("redis-server") or shutil.which("valkey-server"):
                for rival, options in zip(RIVALS, (PLAIN, QUIET), strict=True):
                    servers[rival] = await enter(fastapi(job_ids, *options))
            else:
                print("redis-server is not here: nothing beside Simmer", file=sys.stderr)
            servers["a handler that does nothing"] = await enter(
                function(services, python, HERE, "nothing", layer)
            )
            by_name = await in_turns(servers, job_ids)
    show(by_open_jobs, by_name)
    return faults(by_open_jobs, by_name)


def main() -> int:
    argparse.ArgumentParser(prog="make load", description=__doc__).parse_args()
    wrong = asyncio.run(run())
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
