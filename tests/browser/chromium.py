"""Where the browser is, and the page's address, for the tests and the screenshots."""

import asyncio
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.typedefs import Handler
from playwright.sync_api import Browser, sync_playwright

from local import front
from local.emulator.deployment import Deployment
from local.tasks.catalogue import Catalogue
from local.toolchain import REPOSITORY
from local.trace import Trace

PATIENCE_MS = 60_000  # the machine is shared: nothing here is about speed

# The client takes a socket for dead that does not answer soon, and on this machine many do not. So
# the page is served with the client's own option for it. Not by a change of the page's timers: one
# that knew the option by its number lengthened another pause of that length. Nor by Playwright's
# routes: where there is one, it answers preflights itself.
_API = (REPOSITORY / "local" / "page" / "api.js").read_text("utf-8")
_PATIENT_API = _API.replace(
    "push: push.checked", f"push: push.checked, pushTimeoutMs: {PATIENCE_MS}"
)
assert _PATIENT_API != _API

HOW_TO_INSTALL = "no Chromium on PATH; on Debian: apt-get install chromium fonts-noto-cjk"


def path() -> str | None:
    """The system's own: Playwright's is a download that many networks do not allow."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


@contextmanager
def launched(executable: str, *arguments: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Without its sandbox, which containers and root do not have; it only sees this page.
        # Nor with a proxy of this machine's: all is on 127.0.0.1.
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--no-proxy-server", *arguments],
            env={**os.environ, "LANGUAGE": "en"},
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served(deployment: Deployment, model: str = "stand-in") -> Iterator[str]:
    """The front of a deployment, as `make run` has it; its URL."""
    deployment.invoke("PushFunction", {"Records": []})  # a slow start would look like no push
    app = front.application(
        deployment.api_url,
        deployment.token,
        model,
        tasks=lambda: Catalogue.read().tasks,
        story=Trace(deployment.emulator.functions_log).story,
    )
    with hosted(app) as url:
        yield url


@web.middleware
async def _patient(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path == "/api.js":
        return web.Response(text=_PATIENT_API, content_type="text/javascript")
    return await handler(request)


@contextmanager
def hosted(app: web.Application) -> Iterator[str]:
    """The front, in a thread; its URL."""
    app.middlewares.append(_patient)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = front.runner(app)

    async def start() -> str:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()
