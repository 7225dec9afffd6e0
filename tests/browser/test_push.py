"""What the page makes of push: a scripted socket, and a clock that the test turns."""

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.browser.chromium import PATIENCE_MS
from tests.browser.conftest import a_phone
from tests.browser.screen import Screen

type Json = dict[str, Any]

PUSH = {"url": "ws://127.0.0.1:9/push?ticket=1", "token": "push-token"}
QUEUED: Json = {"jobId": "7", "status": "pending", "progress": 1, "stage": "queued"}
OPEN: Json = {"jobId": "7", "status": "processing", "stage": "analyzing"}


class Socket:
    """Answers the n-th ask of the page by the n-th of `frames`, then not at all."""

    def __init__(self, page: Page, *frames: Json) -> None:
        self.asks: list[Json] = []
        self._frames = iter(frames)
        page.route_web_socket("**/push?*", self._open)
        accepted = {"jobId": "7", "status": "submitted", "message": "Accepted", "push": PUSH}
        page.route("**/recipe/generate", lambda route: route.fulfill(status=202, json=accepted))

    def _open(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.on_message(self._answer)

    def _answer(self, text: str | bytes) -> None:
        self.asks.append(json.loads(text))
        frame = next(self._frames, None)
        if frame is not None:
            self.tell(frame)

    def tell(self, frame: Json) -> None:
        self._socket.send(json.dumps(frame))


@pytest.fixture(scope="module")
def url(front_alone: str) -> str:
    return front_alone


def at_rest(page: Page) -> None:
    """The page anew, for sockets are routed from its start on, with a clock that stands still."""
    page.clock.install(time=0)
    page.reload()
    page.clock.pause_at(3600)


def expect_bar(page: Page, percent: float, stage: str) -> None:
    expect(page.locator("#stage")).to_have_text(stage)
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", str(int(percent)))
    width = bar.locator("div").evaluate("(it) => it.style.width")
    assert float(width.removesuffix("%")) == pytest.approx(percent)


FRAME: Json = {
    **OPEN,
    "progress": 10,
    "message": "Reading",
    "estimatedSecondsRemaining": 40,
    "estimateIsMeasured": True,
    "askAfterMs": 30_000,
    "ahead": [
        {"afterMs": 5000, "progress": 20, "estimatedSecondsRemaining": 36},
        {"afterMs": 10_000, "progress": 30, "estimatedSecondsRemaining": 33, "message": "Cutting"},
        {"afterMs": 15_000, "progress": 55, "estimatedSecondsRemaining": 20},
        {"afterMs": 20_000, "progress": 55, "estimatedSecondsRemaining": 18},
        {"afterMs": 25_000, "progress": 60, "estimatedSecondsRemaining": 16, "message": "Writing"},
    ],
}


def test_between_two_asks_the_bar_goes_on_as_the_last_frame_said(
    screen: Screen, page: Page
) -> None:
    socket = Socket(page, FRAME, {**FRAME, "progress": 65, "message": "Tasting"})
    at_rest(page)
    screen.ask_for("egg")

    expect_bar(page, 10, "Reading")
    page.clock.run_for(5000)
    expect_bar(page, 10, "Reading")
    expect(page.locator("#remaining")).to_have_text("about 36 s left")
    page.clock.run_for(3000)
    expect_bar(page, 16, "Reading")  # on its way to 20
    page.clock.run_for(2000)
    expect_bar(page, 20, "Cutting")
    page.clock.run_for(10_000)
    expect_bar(page, 55, "Cutting")
    page.clock.run_for(5000)
    expect_bar(page, 55, "Writing")
    page.clock.run_for(4000)
    expect_bar(page, 59, "Writing")  # never past what was said
    assert (len(socket.asks), screen.polls) == (1, [])

    page.clock.run_for(1000)
    expect_bar(page, 60, "Tasting")
    assert (len(socket.asks), screen.polls) == (2, [])
    page.clock.run_for(4000)
    expect_bar(page, 64, "Tasting")


BE_SEEN = """(isSeen) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => !isSeen });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_who_comes_back_to_the_page_sees_at_once_where_the_job_is(
    screen: Screen, page: Page
) -> None:
    socket = Socket(page, FRAME)
    at_rest(page)
    screen.ask_for("egg")
    expect_bar(page, 10, "Reading")
    page.evaluate(BE_SEEN, False)
    page.clock.run_for(17_000)
    expect_bar(page, 10, "Reading")
    assert len(socket.asks) == 1

    page.evaluate(BE_SEEN, True)

    expect_bar(page, 55, "Cutting")
    expect(page.locator("#remaining")).to_have_text("about 20 s left")
    assert screen.polls == []


# --- The fixtures' own promises ------------------------------------------------------------------


def test_socket_that_is_slow_to_answer_is_waited_for(screen: Screen, page: Page) -> None:
    socket = Socket(page)
    at_rest(page)
    screen.ask_for("egg")
    expect(page.locator("#stage")).to_have_text("Accepted")
    page.clock.run_for(PATIENCE_MS - 1000)

    socket.tell({**OPEN, "progress": 10, "message": "Reading"})

    expect(page.locator("#stage")).to_have_text("Reading")
    assert (len(socket.asks), screen.polls) == (1, [])


# How long the page waits, in ms; short pauses pass at once, the patience with a socket does not.
NOTE_PAUSES = """{
    const { setTimeout } = window;
    window.pauses = [];
    window.setTimeout = (callback, ms) => {
        window.pauses.push(ms);
        return setTimeout(callback, ms < 10_000 ? ms / 20 : ms);
    };
}"""


def test_no_fixture_changes_how_often_a_queued_job_is_asked_for(browser: Browser, url: str) -> None:
    with a_phone(browser, NOTE_PAUSES) as phone:
        page = phone.new_page()
        Socket(page, *[QUEUED] * 4, {**OPEN, "progress": 10, "message": "Reading"})
        page.goto(url)

        Screen(page).ask_for("egg")

        expect(page.locator("#stage")).to_have_text("Reading")
        pauses = page.evaluate("window.pauses")
    between_asks = [ms for ms in pauses if 1000 < ms < 10_000]  # the page's own are 1000
    assert between_asks == [2000, 4000, 8000]
