"""The events that the webhook brought to this machine, in the page's drawer."""

from collections.abc import Iterator

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from local import front
from local.webhook import WebhookReceiver
from tests.browser import chromium
from tests.unit.local.test_webhook import NEW, OLD, delivery


@pytest.fixture(scope="module")
def url(browser: Browser) -> Iterator[str]:
    app = front.application(
        "http://127.0.0.1:9",
        lambda user: f"a token of {user}",
        "stand-in",
        routes=WebhookReceiver(lambda: NEW).routes(str),
    )
    with chromium.hosted(app) as url:
        yield url


def test_end_of_a_job_is_listed_for_its_user_once_it_is_verified(page: Page, url: str) -> None:
    def deliver(secret: str, owner: str, job_id: str, status: str) -> int:
        headers, body = delivery(secret, f"{job_id}-ended", owner, jobId=job_id, status=status)
        return httpx2.post(
            url + "/dev/webhook", headers=headers, content=body, timeout=60
        ).status_code

    drawer = page.locator("#received")
    rows = drawer.get_by_role("listitem")
    expect(drawer).to_be_hidden()

    assert deliver(OLD, "alice", "f0f0f0", "completed") == 401
    assert deliver(NEW, "bob", "b0b0b0", "failed") == 204
    assert deliver(NEW, "alice", "a1a1a1", "completed") == 204
    drawer.get_by_text("Webhook events").click()

    expect(rows).to_have_count(1)
    for text in ("job.ended", "completed", "a1a1a1", "signature verified"):
        expect(rows).to_contain_text(text)
    assert Axe().run(page, context="#received").violations_count == 0

    page.locator("#wire > summary").click()
    page.get_by_label("User").select_option("bob")
    expect(rows).to_contain_text("b0b0b0")
    expect(rows).to_contain_text("failed")
