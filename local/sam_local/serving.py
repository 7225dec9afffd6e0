"""What `make sam-local` starts, in order, and keeps running."""

import argparse
import asyncio
import platform
import secrets
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from aiohttp import ClientSession, ClientTimeout, web
from aiohttp.typedefs import Handler, Middleware

from local import front
from local.child import Child, free_port
from local.emulator.deployment import Deployment
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from local.sam_local import feeding, functions
from local.sam_local.guarded_sam import KEY_HEADER
from local.serving import FAILURES, URL_FILE, Failed
from local.tasks.catalogue import Catalogue
from local.toolchain import TEMPLATE

__all__ = ["FAILURES", "serve"]

# SAM builds an image with the layer before the first call, and starts a container for each.
READY_WITHIN_SECONDS = 600

type Report = Callable[[str], None]


def serve(options: argparse.Namespace, listener: socket.socket, cleanup: ExitStack) -> None:
    """Start everything and serve until a signal; `cleanup` then stops it all again."""
    start = time.monotonic()

    def report(message: str) -> None:
        print(f"{time.monotonic() - start:6.1f} s  {message}", flush=True)

    host = functions.host_for_containers()
    report("starting the emulator of AWS")
    emulator = Emulator(report=report)
    cleanup.callback(emulator.stop)
    model = StandIn(delay_seconds=options.model_delay)
    cleanup.callback(model.stop)
    architecture = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    deployment = emulator.deploy(
        TEMPLATE, {"Architecture": architecture, "ModelLadder": model.ladder}
    )
    deployment.put_model_key("none")
    feeding.take_from_the_emulator(deployment)
    report("sam build")
    functions.sam_build(architecture)
    asyncio.run(_serve(deployment, model, listener, host, architecture, cleanup, report))


async def _serve(
    deployment: Deployment,
    model: StandIn,
    listener: socket.socket,
    host: tuple[str, str],
    architecture: str,
    cleanup: ExitStack,
    report: Report,
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    emulator = deployment.emulator
    aws = await _gate(host, emulator.endpoint)
    models = await _gate(host, model.base_url.removesuffix("/v1"))
    ladder = [{**rung, "baseUrl": f"{models}/v1"} for rung in model.ladder]
    variables = functions.variables_of(deployment, aws, ladder)
    template = functions.write_template(architecture, variables)
    lambda_port, api_port, key = free_port(), free_port(), secrets.token_urlsafe(32)
    report("sam local start-api and start-lambda: the first time they fetch Lambda's image")
    children = [
        functions.start_sam(
            emulator, template, "start-api", api_port, key, cleanup, "--warm-containers", "LAZY"
        ),
        functions.start_sam(
            *(emulator, template, "start-lambda", lambda_port, key, cleanup),
            *("--warm-containers", "LAZY"),
        ),
    ]
    given: set[str] = set()

    def token_of(user: str) -> str:
        token = deployment.token(user)
        given.add(token)
        return token

    api = f"http://127.0.0.1:{api_port}"
    app = front.application(api, token_of, "stand-in", key={KEY_HEADER: key})
    app.middlewares.append(_authorized(given))
    runner = front.runner(app)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    tasks = [
        asyncio.create_task(stop.wait()),
        asyncio.create_task(feeding.feed(deployment, lambda_port, key)),
        asyncio.create_task(_get_ready(url, api_port, lambda_port)),
        asyncio.create_task(_watch(children)),
    ]
    try:
        while not stop.is_set():
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
                tasks.remove(task)
    finally:
        URL_FILE.unlink(missing_ok=True)
        report("stopping")
        for task in tasks:
            task.cancel()
        await runner.cleanup()


async def _gate(host: tuple[str, str], upstream: str) -> str:
    """Hand on what containers ask to a server on 127.0.0.1; the address that they call."""
    listens_on, called = host
    listener = socket.socket()
    listener.bind((listens_on, 0))
    address = f"{called}:{listener.getsockname()[1]}"
    runner = front.runner(front.gate(upstream, address))
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return f"http://{address}"


def _authorized(given: set[str]) -> Middleware:
    """Let in whoever shows a token that was given away here; in the gateway's own words if not."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_api = request.match_info.route.method == "*"
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if is_api and not (scheme.lower() == "bearer" and token.strip() in given):
            return web.json_response({"message": "Unauthorized"}, status=401)
        return await handler(request)

    return check


async def _watch(children: list[Child]) -> None:
    """Fail when a child dies."""
    while True:
        for child in children:
            if child.exit_code is not None:
                raise Failed(f"sam ended; the end of {child.log}:\n{child.log_tail()}")
        await asyncio.sleep(0.3)


async def _get_ready(url: str, *ports: int) -> None:
    """Have a job done, which also starts the containers; then say `ready`."""
    give_up = time.monotonic() + READY_WITHIN_SECONDS
    task = Catalogue.read().tasks[0]
    while any(map(_refuses, ports)):
        await asyncio.sleep(0.3)
    async with ClientSession(url, timeout=ClientTimeout(total=120)) as http:
        async with http.get("/dev/token", params={"user": "warm-up"}) as answer:
            headers = {"Authorization": f"Bearer {await answer.text()}"}
        said: Any = None
        while not (isinstance(said, dict) and said.get("status") == "completed"):
            if time.monotonic() > give_up:
                raise Failed(f"no job was completed in time: {said}")
            path = f"/{task['name']}/generate"
            async with http.post(path, json=task["example"], headers=headers) as answer:
                is_json = answer.content_type == "application/json"
                said = await answer.json() if is_json else await answer.text()
            await asyncio.sleep(1)
    URL_FILE.write_text(f"{url}\n")
    print(f"ready {url}", flush=True)


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
