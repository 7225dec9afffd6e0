"""The demo page in a real browser, on the deployed template."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from local import front
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from local.tasks.catalogue import Catalogue
from tests.browser import chromium
from tests.browser.chromium import PATIENCE_MS
from tests.browser.screen import Screen
from tests.integration.conftest import deploy

expect.set_options(timeout=PATIENCE_MS)


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


@contextmanager
def a_phone(browser: Browser, *scripts: str) -> Iterator[BrowserContext]:
    """An English phone. `scripts` run in each of its pages, before anything else."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    for script in scripts:
        context.add_init_script(script)
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    with a_phone(browser) as phone:
        yield phone


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
