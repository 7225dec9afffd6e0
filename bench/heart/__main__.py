"""`make bench-heart`: what a job in flight costs a worker, and whether its heart beats in time.

The built worker runs one invocation with all jobs in it, on the share of a processor that Lambda
gives with so much memory; the services are on this machine, in another process. Every model answers
after the same time, so all answers come at once, which is the worst for the heart. A gap is between
two writes to one job, as the table sees them: claim, heartbeats, end. Ends with an error if a gap
is as long as a lease, or a job failed.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from bench.built import built, lambda_python
from bench.heart.throttle import MB_OF_A_PROCESSOR
from bench.instructions.services import serving
from bench.instructions.workload import ENVIRONMENT, batches, settings
from bench.terminal import console
from bench.workload import long_answer
from local.toolchain import REPOSITORY
from simmer.settings import WorkerSettings
from tests.unit.worker.fakes import REQUEST

IN_FLIGHT = (10, 50)
MEMORY_MB = (256, 512, 1024)
ANSWER_SECONDS = 20.0
RESULT_BYTES = 4096
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Run:
    """What an invocation with so many jobs came to."""

    jobs: int
    failed: int
    cpu_seconds: float
    peak_bytes: int
    gap_seconds: float


def run(jobs: int, memory_mb: int, build: Path, python: Path) -> Run:
    """One warm invocation with so many jobs."""
    beats: dict[str, list[float]] = defaultdict(list)
    with serving() as services, tempfile.TemporaryDirectory() as folder:
        single, *several = (event for event, _ in batches(services, jobs + 1))
        many = {"Records": [record for event in several for record in event["Records"]]}
        events = Path(folder) / "events.json"
        events.write_text(json.dumps([single, many]))
        services.answer = long_answer(json.dumps({**REQUEST, "count": 1}), RESULT_BYTES)
        asked: list[float] = []

        def on_call(target: str, body: dict[str, Any]) -> None:
            if target.endswith(".UpdateItem") and body["Key"]["pk"]["S"].startswith("job#"):
                beats[body["Key"]["pk"]["S"]].append(time.monotonic())

        def on_question() -> None:
            asked.append(0)
            time.sleep(ANSWER_SECONDS if len(asked) > 1 else 0)

        services.on_call, services.on_question = on_call, on_question
        environment = ENVIRONMENT | settings(services)
        environment["PYTHONPATH"] = f"{build / 'WorkerFunction'}:{build / 'CommonLayer' / 'python'}"
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        throttle = (sys.executable, HERE / "throttle.py", str(memory_mb / MB_OF_A_PROCESSOR))
        done = subprocess.run(
            [*throttle, python, HERE / "driver.py", events],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
    if done.returncode:
        sys.exit(done.stderr)
    gaps = [later - earlier for times in beats.values() for earlier, later in pairwise(times)]
    return Run(jobs, gap_seconds=max(gaps), **json.loads(done.stderr.splitlines()[-1]))


def faults(runs: list[Run], lease_seconds: float) -> list[str]:
    """A sentence for each run that broke what the lease promises."""
    late = [each for each in runs if each.gap_seconds >= lease_seconds]
    failed = [each for each in runs if each.failed]
    return [
        *(f"{each.jobs} in flight: no beat for {each.gap_seconds:.1f} s" for each in late),
        *(f"{each.jobs} in flight: {each.failed} jobs failed" for each in failed),
    ]


def main() -> int:
    build, python = built(), lambda_python()
    names = ("in flight", "memory, MB", "CPU a job, ms", "peak, MB", "longest gap, s")
    table = Table(*names, box=box.SIMPLE_HEAD)
    runs = []
    for jobs in IN_FLIGHT:
        for memory_mb in MEMORY_MB:
            at = run(jobs, memory_mb, build, python)
            runs.append(at)
            table.add_row(
                *(str(jobs), str(memory_mb), f"{1000 * at.cpu_seconds / jobs:.1f}"),
                *(f"{at.peak_bytes / 10**6:.0f}", f"{at.gap_seconds:.1f}"),
            )
    console().print(table)
    wrong = faults(runs, float(WorkerSettings.lease_seconds))
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
