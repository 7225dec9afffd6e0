"""What `make run` starts, in order, and keeps running: emulator, model, deployment, front.

With MODEL=local the worker asks a real but tiny model on this machine. Else, with OPENAI_API_KEY
or OPENAI_BASE_URL (and, if wanted, OPENAI_MODEL) in the environment it asks that model, and
without them a stand-in that answers plausibly.
"""

import argparse
import asyncio
import json
import os
import platform
import shlex
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from aiohttp import ClientError, ClientSession, web
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError as AwsError

from local import front, reach
from local.child import Child, ChildError
from local.emulator import sam
from local.emulator.deployment import Deployment
from local.emulator.stack import REGION, DeploymentError, Emulator, EmulatorError
from local.model.small.process import SmallModel
from local.model.stand_in import StandIn
from local.reload import Reloader, why_not_served
from local.tasks.catalogue import LAYER, Catalogue
from local.toolchain import BUILD, REPOSITORY, TEMPLATE, ToolError
from local.trace import Trace
from local.webhook import WebhookReceiver

# At once, thirty jobs each. A job rather waits for one that is warm than for the emulator to
# start another one (seconds), unless a call of the model takes longer than that.
_WORKERS = 2
_WORKERS_OF_A_SLOW_MODEL = 6
_SLOW_SECONDS = 5
_TRACE_EVERY_SECONDS = 0.25
# The rest is for sockets, and for whatever else events start.
_LAMBDA_CONCURRENCY = front.UPSTREAM_CONCURRENCY + _WORKERS_OF_A_SLOW_MODEL + 8
_ARCHITECTURES = {"aarch64": "arm64", "arm64": "arm64"}

ALL_ADDRESSES = "0.0.0.0"

# Where a shell in the repository finds the address: `API=$(cat .build/url)`.
URL_FILE = BUILD / "url"
# What `simmer-admin` looks after it with: the emulator's root, so nobody else may read it.
AWS_FILE = BUILD / "aws.env"

TASKS = (LAYER / "simmer" / "tasks").relative_to(REPOSITORY)

type Report = Callable[[str], None]


class Failed(Exception):
    """It cannot go on; the message says why."""


FAILURES = (
    *(Failed, ToolError, EmulatorError, DeploymentError, ChildError),
    *(AwsError, BotoCoreError, ClientError, OSError),
)


def serve(options: argparse.Namespace, listener: socket.socket, cleanup: ExitStack) -> None:
    """Start everything and serve until a signal; `cleanup` then stops it all again.

    Raises one of FAILURES, whose message is meant for the terminal.
    """
    if unfit := why_not_served():
        raise Failed(unfit)
    report = _reporter()
    report("starting the emulator of AWS")
    emulator = Emulator(lambda_concurrency=_LAMBDA_CONCURRENCY, report=report)
    cleanup.callback(emulator.stop)
    children = [emulator.child]

    model = _start_model(options, cleanup, report)
    if model.child:
        children.append(model.child)

    parameters = {
        "Architecture": _ARCHITECTURES.get(platform.machine(), "x86_64"),
        "WorkerMaximumConcurrency": model.workers,
        "ModelLadder": model.ladder,
        "LogComplaints": "true",
        "WebhookUrl": f"http://127.0.0.1:{listener.getsockname()[1]}/dev/webhook",
        **dict(options.parameter),
    }
    reloader = Reloader(_tasks(report), report)
    deployment = emulator.deploy(TEMPLATE, parameters)
    deployment.put_model_key(model.key)
    _write_credentials(emulator, deployment)
    cleanup.callback(AWS_FILE.unlink, missing_ok=True)
    trace = Trace(emulator.functions_log)
    app = front.application(
        deployment.api_url,
        deployment.token,
        model.kind,
        tasks=lambda: reloader.catalogue.tasks,
        story=trace.story,
        hosts=frozenset(options.host),
        routes=WebhookReceiver(deployment.webhook_secret).routes(deployment.subject),
    )
    asyncio.run(_serve(deployment, app, listener, children, report, trace, reloader))


def _write_credentials(emulator: Emulator, deployment: Deployment) -> None:
    variables = {
        **emulator.credentials,
        "AWS_ENDPOINT_URL": emulator.endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "SIMMER_STACK": deployment.stack_name,
    }
    AWS_FILE.unlink(missing_ok=True)
    with os.fdopen(os.open(AWS_FILE, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.writelines(f"export {name}={text}\n" for name, text in variables.items())


def _tasks(report: Report) -> Catalogue:
    """The tasks to be served; Failed if there is none, and a report of those that cannot be."""
    catalogue = Catalogue.read()
    problems = "\n\n".join(map(str, catalogue.problems))
    if not catalogue.tasks:
        why = problems or "layers/common/simmer/tasks is empty; `make new-task NAME=…` writes one"
        raise Failed(f"there is no task to serve:\n{why}")
    if problems:
        report(f"not served, until it is mended:\n\n{problems}\n")
    return catalogue


async def _serve(
    deployment: Deployment,
    app: web.Application,
    listener: socket.socket,
    children: list[Child],
    report: Report,
    trace: Trace,
    reloader: Reloader,
) -> None:
    """The front, until a signal comes. Raises Failed when a child has died."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = front.runner(app)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    address, port = listener.getsockname()
    url = f"http://{'127.0.0.1' if address == ALL_ADDRESSES else address}:{port}"
    if not address.startswith("127."):
        report(warning(address, port))
    stopping = asyncio.create_task(stop.wait())
    waiting: set[asyncio.Task[Any]] = {
        stopping,
        asyncio.create_task(_watch(children, stop)),
        asyncio.create_task(_get_ready(deployment, url, reloader.catalogue.tasks[0], report)),
        asyncio.create_task(_follow(trace)),
        asyncio.create_task(reloader.watch(deployment)),
    }
    try:
        while not stopping.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        URL_FILE.unlink(missing_ok=True)
        report("stopping")  # a busy disk takes its time for the files of the functions
        for task in waiting:
            task.cancel()
        for child in children:
            child.stop()  # or the warm-up's threads would be waited for
        await runner.cleanup()


async def _watch(children: list[Child], stop: asyncio.Event) -> NoReturn:
    """Fail when a child dies. And stop when our make is being interrupted: it passes a SIGTERM
    on, but a SIGINT sent to it alone (Ctrl-C reaches us both) it keeps, and waits for us."""
    make = os.getppid()
    never_interrupted = not _blocks_interrupts(make)
    while True:
        for child in children:
            if child.exit_code is not None:
                raise Failed(f"{child.name} died; the end of {child.log}:\n{child.log_tail()}")
        if never_interrupted and _blocks_interrupts(make):
            stop.set()
        await asyncio.sleep(0.3)


async def _follow(trace: Trace) -> None:
    """Show on the terminal what happens to the jobs, for as long as somebody reads it."""
    while True:
        if lines := trace.new_lines():
            try:  # in a thread: whoever reads slowly must not hold up the front
                await asyncio.to_thread(print, "\n".join(lines), flush=True)
            except BrokenPipeError:
                return
        await asyncio.sleep(_TRACE_EVERY_SECONDS)


def _blocks_interrupts(pid: int) -> bool:
    """Whether a process is handling a SIGINT, as far as that is to be seen (on Linux)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        (blocked,) = (int(line.split()[1], 16) for line in lines if line.startswith("SigBlk:"))
    except (OSError, ValueError):
        return False
    return bool(blocked >> (signal.SIGINT - 1) & 1)


async def _get_ready(
    deployment: Deployment, url: str, task: dict[str, Any], report: Report
) -> None:
    """Ask real questions of that task through the front, which also starts the processes of the
    functions; then say that it is ready."""
    name = task["name"]
    report("warming up")
    async with ClientSession(url) as client:

        async def expect(status: int, method: str, path: str, **options: Any) -> None:
            async with client.request(method, path, **options) as answer:
                if answer.status != status:
                    said = (await answer.text())[:300]
                    log = deployment.emulator.child.log_tail()
                    raise Failed(f"{method} {path} answered {answer.status}: {said}\n{log}")

        async with client.get("/dev/token", params={"user": "warm-up"}) as answer:
            headers = {"Authorization": f"Bearer {await answer.text()}"}
        ask = partial(expect, headers={**headers, "Content-Type": "application/json"})
        processes = range(front.UPSTREAM_CONCURRENCY)
        empty: dict[str, Any] = {"Records": []}
        await asyncio.gather(
            *(
                asyncio.to_thread(deployment.invoke, "WorkerFunction", empty)
                for _ in range(_WORKERS)
            ),
            # An empty body is no request to any task.
            *(ask(400, "POST", f"/{name}/generate", data=b"") for _ in processes),
            *(ask(404, "GET", f"/{name}/status/none") for _ in processes),
            ask(404, "POST", f"/{name}/cancel/none"),
            asyncio.to_thread(deployment.invoke, "PushFunction", empty),
            asyncio.to_thread(deployment.invoke, "EventsFunction", empty),
            asyncio.to_thread(deployment.invoke, "WebhookFunction", empty),
        )
    report("all is up")
    URL_FILE.write_text(f"{url}\n")
    print(_welcome(url, task), flush=True)


def _welcome(url: str, task: dict[str, Any]) -> str:
    example = shlex.quote(json.dumps(task["example"], ensure_ascii=False))
    return f"""\
ready {url}

  the demo page   {url}/
  by hand         TOKEN=$(curl -s '{url}/dev/token?user=alice')
                  curl -i {url}/{task["name"]}/generate -H "Authorization: Bearer $TOKEN" \\
                    --json {example}
  the tasks       {TASKS}; what is saved there is served
  logs            {BUILD / "logs"}
  to look after   SIMMER_ENV=local ./simmer-admin --help
  to stop         Ctrl-C
"""


def warning(address: str, port: int) -> str:
    """For whom binds to more than this machine."""
    own = (reach.network_address() or "this-machine") if address == ALL_ADDRESSES else address
    return (
        f"ATTENTION: everybody in your network can reach http://{own}:{port}, sign in there as any"
        " user, and spend your model's money. Do this in a network that you trust, and stop it"
        " when you have finished."
    )


def _reporter() -> Report:
    start = time.monotonic()

    def report(message: str) -> None:
        print(f"{time.monotonic() - start:6.1f} s  {message}", flush=True)

    return report


@dataclass(frozen=True, kw_only=True)
class _Model:
    """What the worker asks."""

    kind: str  # what the demo page is told
    ladder: list[dict[str, Any]]
    workers: int = _WORKERS_OF_A_SLOW_MODEL
    key: str = "none"
    child: Child | None = None


def _start_model(options: argparse.Namespace, cleanup: ExitStack, report: Report) -> _Model:
    if options.model == "local":
        small = SmallModel(report)
        cleanup.callback(small.stop)
        report("the model is SmolLM2-135M: real, but tiny, and what it writes is NONSENSE")
        return _Model(kind="local", ladder=small.ladder, key=small.key, child=small.child)
    if _has_real_model():
        ladder = _real_ladder()
        report(f"the model is {', '.join(_describe(rung) for rung in ladder)}")
        return _Model(kind="real", ladder=ladder, key=os.environ.get("OPENAI_API_KEY") or "none")
    stand_in = StandIn(delay_seconds=options.model_delay)
    workers = _WORKERS if options.model_delay <= _SLOW_SECONDS else _WORKERS_OF_A_SLOW_MODEL
    cleanup.callback(stand_in.stop)
    report(f"the model is a stand-in; an answer takes {options.model_delay:g} s or so")
    return _Model(kind="stand-in", ladder=stand_in.ladder, workers=workers, child=stand_in.child)


def _has_real_model() -> bool:
    return bool(os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"))


def _real_ladder() -> list[dict[str, Any]]:
    """The template's ladder, at another address or of another model if the environment says so."""
    default = sam.read(TEMPLATE)["Parameters"]["ModelLadder"]["Default"]
    wanted = {
        "baseUrl": os.environ.get("OPENAI_BASE_URL"),
        "model": os.environ.get("OPENAI_MODEL"),
    }
    changes = {name: value for name, value in wanted.items() if value}
    return [{**rung, **changes} for rung in json.loads(default)]


def _describe(rung: dict[str, Any]) -> str:
    return f"{rung['model']} at {rung.get('baseUrl', 'https://api.openai.com/v1')}"
