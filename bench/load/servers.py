"""What answers polls, one at a time: a function under Lambda's real runtime client, or FastAPI."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bench.instructions.services import Services
from bench.instructions.workload import ENVIRONMENT, STATUS, http, settings
from bench.workload import TASK_NAME
from local.child import free_port
from local.guarded import for_programs
from local.toolchain import BUILD, REPOSITORY
from tests.tools import environment_of

HERE = Path(__file__).parent
ARN = "arn:aws:lambda:us-east-1:123456789012:function:function"
START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """`poll` a job by its id: True if it was answered with that job. `cpu_seconds` so far."""

    poll: Callable[[str], Any]
    cpu_seconds: Callable[[], float]


@asynccontextmanager
async def _process(
    *command: str | Path, env: dict[str, str], cwd: Path
) -> AsyncIterator[Callable[[], float]]:
    """A program while it is needed; gives its CPU seconds so far."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), env=env, cwd=cwd, stdout=asyncio.subprocess.DEVNULL
    )
    clock = (~process.pid << 3) | 2  # clock_getcpuclockid(3)
    try:
        yield lambda: time.clock_gettime(clock)
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def function(
    services: Services,
    python: Path,
    code: Path,
    module: str,
    layer: Path,
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[Server]:
    """A handler under `awslambdaric`, which takes its invocations from here as from Lambda; with
    `more` variables in its environment."""
    invocations: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    answers: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def following(_: web.Request) -> web.Response:
        number, event = await invocations.get()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": number,
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 10_000),
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            "Content-Type": "application/json",  # with a charset it is no JSON to the client
        }
        return web.Response(body=event.encode(), headers=headers)

    async def answered(request: web.Request) -> web.Response:
        document = await request.json()
        answers.pop(request.match_info["number"]).set_result(document)
        return web.Response(status=202)

    async def failed(request: web.Request) -> web.Response:
        number = request.match_info["number"]
        answers.pop(number).set_result({"failed": await request.text()})
        return web.Response(status=202)

    place = "/2018-06-01/runtime/invocation"
    api = web.Application(middlewares=[for_programs])
    api.router.add_get(f"{place}/next", following)
    api.router.add_post(place + "/{number}/response", answered)
    api.router.add_post(place + "/{number}/error", failed)
    runner = web.AppRunner(api, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    environment = ENVIRONMENT | settings(services)
    environment |= {
        **(more or {}),
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "LAMBDA_TASK_ROOT": str(code),
        "PYTHONPATH": str(layer),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = (python, "-m", "awslambdaric", f"{module}.handler")
    async with _process(*command, env=environment, cwd=code) as cpu_seconds:

        async def poll(job_id: str) -> bool:
            number = os.urandom(8).hex()
            answers[number] = answer = asyncio.get_running_loop().create_future()
            await invocations.put((number, json.dumps(http(STATUS, "alice", jobId=job_id))))
            document = await asyncio.wait_for(answer, START_SECONDS)
            return document.get("statusCode") == 200 and job_id in document["body"]

        yield Server(poll, cpu_seconds)
    await runner.cleanup()


@asynccontextmanager
async def fastapi(job_ids: list[str], *options: str) -> AsyncIterator[Server]:
    """FastAPI under uvicorn, with the jobs in a Redis; `options` of uvicorn's."""
    venv = environment_of("load")
    port = free_port()
    document = {"status": "processing", "progress": 40, "createdAt": "2026-11-26T10:00:00.000Z"}
    jobs = {job_id: json.dumps({"jobId": job_id, **document}) for job_id in job_ids}
    serve = [str(venv / "bin/uvicorn"), "bench.load.rival:app", "--port", str(port), *options]
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(valkey())
        store_port = int(url.rpartition(":")[2])
        environment = {**os.environ, "REDIS_PORT": str(store_port)}
        await _fill(store_port, jobs)
        cpu = await stack.enter_async_context(_process(*serve, env=environment, cwd=REPOSITORY))
        await _connects(port)
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def poll(job_id: str) -> bool:
            async with session.get(
                f"http://127.0.0.1:{port}/{TASK_NAME}/status/{job_id}"
            ) as answer:
                return answer.status == 200 and (await answer.json())["jobId"] == job_id

        yield Server(poll, cpu)


@asynccontextmanager
async def valkey() -> AsyncIterator[str]:
    """A Valkey, or Redis, of its own; gives its address."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    assert program
    port = free_port()
    command = (program, "--port", str(port), "--bind", "127.0.0.1", "--save", "")
    async with _process(*command, env=dict(os.environ), cwd=BUILD):
        await _connects(port)
        yield f"redis://127.0.0.1:{port}"


async def _connects(port: int) -> None:
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return


async def _fill(port: int, jobs: dict[str, str]) -> None:
    """SET each, in Redis's own protocol."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for job_id, document in jobs.items():
        parts = ("SET", f"{TASK_NAME}:{job_id}", document)
        words = "".join(f"${len(part)}\r\n{part}\r\n" for part in parts)
        writer.write(f"*{len(parts)}\r\n{words}".encode())
        assert await reader.readline() == b"+OK\r\n"
    writer.close()
