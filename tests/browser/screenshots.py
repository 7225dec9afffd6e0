"""`make screenshots`: the demo page as README shows it, from a real run, into docs/images."""

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from local.toolchain import REPOSITORY
from tests.browser import chromium
from tests.integration.conftest import deploy

IMAGES = REPOSITORY / "docs" / "images"
MOST_BYTES = 150_000  # README loads them all

PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 720},
    "device_scale_factor": 2,
    "locale": "ko-KR",
}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"}


def main() -> None:
    executable = chromium.path()
    if executable is None:
        sys.exit(chromium.HOW_TO_INSTALL)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        StandIn(delay_seconds=3) as model,
        Emulator() as emulator,
        chromium.served(deploy(emulator, model, "screenshots")) as url,
        chromium.launched(executable) as browser,
    ):
        take_all(browser, url, model)


def take_all(browser: Browser, url: str, model: StandIn) -> None:
    page = opened(browser, url, **PHONE)
    add(page, "두부", "김치", "대파")
    save(page, "phone-form")
    page.locator("#form .primary").click()
    page.locator("#results").wait_for(timeout=60_000)
    save(page, "phone-recipes")

    page = opened(browser, url, **DESKTOP)
    add(page, "tofu", "kimchi", "spring onion")
    page.locator("#form .primary").click()
    page.locator("#results").wait_for(timeout=60_000)
    page.evaluate("scrollTo(0, 0)")
    save(page, "desktop")

    # The titles are there, and the recipes under way.
    model.script("slow:8", *["slow:40"] * 3, match="감자")
    dark = opened(browser, url, **PHONE, color_scheme="dark")
    add(dark, "감자", "달걀", "양파")
    dark.locator("#form .primary").click()
    dark.locator("#parts .slot").first.wait_for(timeout=60_000)
    dark.wait_for_timeout(5000)  # the bar is on its way
    save(dark, "phone-job-dark")
    dark.locator("#cancel").click()
    dark.locator("#outcome").wait_for()


def opened(browser: Browser, url: str, **options: Any) -> Page:
    page = browser.new_context(**options).new_page()
    page.goto(url)
    return page


def add(page: Page, *ingredients: str) -> None:
    page.locator("#ingredient").fill(",".join((*ingredients, "")))
    page.locator("body").click(position={"x": 5, "y": 5})  # no cursor in the picture


def save(page: Page, name: str) -> None:
    path: Path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    size = path.stat().st_size
    assert size < MOST_BYTES, f"{path.name} has {size} bytes"
    sys.stdout.write(f"{path.relative_to(REPOSITORY)}  {size // 1024} KB\n")


if __name__ == "__main__":
    main()
