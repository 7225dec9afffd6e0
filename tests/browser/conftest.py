"""The demo page in a real browser, on the deployed template."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from local import front
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from local.tasks.catalogue import Catalogue
from local.toolchain import REPOSITORY
from tests.browser import chromium
from tests.browser.screen import Screen
from tests.integration.conftest import deploy

PATIENCE_MS = 60_000  # the machine is shared: nothing here is about speed
expect.set_options(timeout=PATIENCE_MS)

# The client takes a socket for dead that does not answer soon, and on this machine many do not. So
# the page is served with the client's own option for it. No fixture changes the page's timers: one
# that knew the option by its number lengthened another pause of that length.
PAGE_API = (REPOSITORY / "local" / "page" / "api.js").read_text("utf-8")
PATIENT_API = PAGE_API.replace(
    "push: push.checked", f"push: push.checked, pushTimeoutMs: {PATIENCE_MS}"
)
assert PATIENT_API != PAGE_API


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module, not the session: as long as Playwright lives, no test may asyncio.run()."""
    executable = chromium.path()
    if executable is None:
        # A gate that skips is none.
        (pytest.fail if os.environ.get("TEST_EVERYTHING") else pytest.skip)(chromium.HOW_TO_INSTALL)
    with chromium.launched(executable) as browser:
        yield browser


@pytest.fixture(scope="module")
def model(browser: Browser) -> Iterator[StandIn]:
    with StandIn(delay_seconds=0.3) as model:
        yield model


@pytest.fixture(scope="module")
def url(browser: Browser, model: StandIn) -> Iterator[str]:
    """Where the page is. The browser comes first: without one, nothing need be started."""
    with Emulator(lambda_concurrency=16) as emulator:
        deployment = deploy(emulator, model, "browser", WorkerMaximumConcurrency=4)
        with chromium.served(deployment) as url:
            yield url


@pytest.fixture(scope="module")
def front_alone(browser: Browser) -> Iterator[str]:
    """Where the page is, with no API behind it: Playwright's routes answer in its place."""
    app = front.application(
        "http://127.0.0.1:9",
        lambda user: f"a token of {user}",
        "stand-in",
        tasks=lambda: Catalogue.read().tasks,
        story=lambda _: [],
    )
    with chromium.hosted(app) as url:
        yield url


def make_patient(context: BrowserContext) -> None:
    context.route(
        "**/api.js",
        lambda route: route.fulfill(body=PATIENT_API, content_type="text/javascript"),
    )


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    """An English phone."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    make_patient(context)
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def page(phone: BrowserContext, url: str) -> Iterator[Page]:
    """The page, just opened. It may not raise, nor ask for what its policy forbids."""
    page = phone.new_page()
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.on(
        "console",
        lambda message: (
            mistakes.append(message.text)
            if message.type == "error" and not message.text.startswith("Failed to load resource")
            else None
        ),
    )
    page.goto(url)
    yield page
    assert mistakes == []


@pytest.fixture
def screen(page: Page) -> Screen:
    return Screen(page)
