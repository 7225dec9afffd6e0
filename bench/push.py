"""`make bench-push`: the delay until a subscribed client sees the end, on the local stack.

The whole template runs on the emulator, the model is the stand-in. Each client submits, opens a
WebSocket, subscribes and waits; it never asks for the status. Measured is the time from
`completedAt`, which the worker stamps before its write, to the frame's arrival. All of it, the
model too, shares this machine, and the emulator's own invocation of a function takes most of the
time: read it as an upper bound of what the design costs, not as what AWS takes.
"""

import argparse
import asyncio
import platform
import statistics
import sys
import time
from datetime import datetime
from typing import Any

from aiohttp import ClientSession, ClientTimeout
from rich import box
from rich.table import Table

from bench.terminal import console
from local.emulator.deployment import Deployment
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from local.toolchain import TEMPLATE
from simmer.task import find_task
from simmer.tasks import task_names

STATUS_ROUTE = "GET /{task}/status/{jobId}"
TERMINAL = ("completed", "failed", "cancelled")
GIVE_UP_SECONDS = 120


async def told_after_ms(deployment: Deployment, http: ClientSession, number: int) -> float:
    """One job: from its end to the moment its client knows."""
    task = find_task(min(task_names()))
    url = f"{deployment.api_url}/{task.name}/generate"
    fresh = {"Idempotency-Key": f"bench-{number}"}  # or the answers after the first were stored
    async with http.post(url, json=dict(task.example), headers=fresh) as answer:
        accepted = await answer.json()
        assert answer.status == 202, accepted
    subscribe = {
        "action": "subscribe",
        "jobId": accepted["jobId"],
        "token": accepted["push"]["token"],
    }
    async with http.ws_connect(accepted["push"]["url"]) as socket:
        await socket.send_json(subscribe)
        while (frame := await socket.receive_json())["status"] not in TERMINAL:
            pass
        seen_at = time.time()
    return (seen_at - datetime.fromisoformat(frame["completedAt"]).timestamp()) * 1000


async def told(deployment: Deployment, jobs: int, at_once: int) -> list[float]:
    slots = asyncio.Semaphore(at_once)
    headers = {"Authorization": f"Bearer {deployment.token('bench')}"}
    timeout = ClientTimeout(total=GIVE_UP_SECONDS)
    async with ClientSession(headers=headers, timeout=timeout) as http:

        async def one(number: int) -> float:
            async with slots:
                return await told_after_ms(deployment, http, number)

        await one(-1)  # starts the functions' processes
        return list(await asyncio.gather(*(one(number) for number in range(jobs))))


def measure(jobs: int, at_once: int, delay_seconds: float) -> tuple[list[float], int]:
    """Milliseconds from done to seen, and how often the status was asked for."""
    architecture = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    with Emulator(lambda_concurrency=16) as emulator, StandIn(delay_seconds=delay_seconds) as model:
        parameters: dict[str, Any] = {
            "ModelLadder": model.ladder,
            "Architecture": architecture,
            "DailyJobQuota": jobs + 1,
            "UserJobsInFlight": 999,
            "WorkerMaximumConcurrency": 4,
        }
        deployment = emulator.deploy(TEMPLATE, parameters)
        deployment.put_model_key("stand-in-key")
        took = asyncio.run(told(deployment, jobs, at_once))
        return took, emulator.log.read_text().count(STATUS_ROUTE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100, help="jobs")
    parser.add_argument("--at-once", type=int, default=10, help="clients at one time")
    parser.add_argument("--model-delay", type=float, default=2.0, metavar="SECONDS")
    options = parser.parse_args()
    took, status_requests = measure(options.n, options.at_once, options.model_delay)

    table = Table(box=box.SIMPLE, title=f"{options.n} jobs, {options.at_once} clients at a time")
    for name in ("done → seen, median", "p95", "worst", "status requests"):
        table.add_column(name, justify="right")
    p95 = statistics.quantiles(took, n=20)[-1] if len(took) > 1 else took[0]
    milliseconds = (f"{each:.0f} ms" for each in (statistics.median(took), p95, max(took)))
    table.add_row(*milliseconds, str(status_requests))
    console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
