"""axe finds nothing on any screen, in light and in dark, on a phone and on a desktop."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import PATIENCE_MS
from tests.browser.parcel import DONE, OPEN, ParcelApi, failed
from tests.browser.screen import Screen
from tests.browser.test_waiting import STORY

LOOKS: dict[str, dict[str, Any]] = {
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light"},
    "desktop": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
}


@pytest.fixture(scope="module")
def url(front_alone: str) -> str:
    return front_alone


def assert_clean(page: Page) -> None:
    result = Axe().run(page)
    assert result.violations_count == 0, result.generate_report()


@pytest.mark.parametrize("look", LOOKS)
def test_no_screen_has_a_violation(browser: Browser, url: str, look: str) -> None:
    context = browser.new_context(**LOOKS[look], locale="en-GB", reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(url)
    screen = Screen(page)
    page.locator("#options summary").click()
    assert_clean(page)  # the recipe's own form
    api = ParcelApi(page)
    api.status, api.trace = OPEN, STORY
    page.reload()
    screen.button("+ Return to").click()
    assert_clean(page)
    page.get_by_role("group", name="Return to").get_by_label("Street").fill("Quay 1")
    screen.button("Send").click()
    expect(page.get_by_label("City").last).to_be_focused()
    assert_clean(page)  # with a complaint
    page.get_by_label("City").last.fill("Cork")
    screen.button("Send").click()
    expect(page.locator("#latest > li")).to_have_count(4)
    page.evaluate("document.querySelectorAll('.drawer').forEach((it) => (it.open = true))")
    assert_clean(page)
    api.status = DONE
    expect(screen.heading("Parcel quote")).to_be_focused()
    assert_clean(page)
    screen.button("Start over").click()
    api.status = failed("invalid_output", retryable=True)
    screen.button("Send").click()
    screen.expect_failure("No usable answer", "invalid_output", title="No answer this time")
    assert_clean(page)
    context.close()


def test_axe_sees_what_is_wrong(page: Page) -> None:
    """The check can fail."""
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")

    with pytest.raises(AssertionError, match="button-name"):
        assert_clean(page)
