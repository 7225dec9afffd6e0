"""What a job under way shows: its bar, its stage, its story so far."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.parcel import DONE, OPEN, ParcelApi
from tests.browser.screen import Screen


@pytest.fixture(scope="module")
def url(front_alone: str) -> str:
    return front_alone


def test_between_two_answers_the_bar_goes_on_as_the_server_estimates(
    screen: Screen, page: Page
) -> None:
    # Progress and seconds left; then the connection breaks.
    answers = iter([(4, 20), (10, 20), (30, 10), (40, 25), (94, 60)])

    def answer(route: Route) -> None:
        progress, seconds = next(answers, (None, None))
        if progress is None:
            route.abort()
            return
        document = {"jobId": "7", "status": "processing", "message": f"{progress} % done"}
        times = {"estimatedSecondsRemaining": seconds, "pollAfterMs": 30_000}
        times["estimateIsMeasured"] = True
        route.fulfill(json={**document, "progress": progress, **times})

    def expect_bar(percent: float, answered: int) -> None:
        expect(page.locator("#stage")).to_have_text(f"{answered} % done")
        bar = page.get_by_role("progressbar")
        expect(bar).to_have_attribute("aria-valuenow", str(int(percent)))
        width = bar.locator("div").evaluate("(it) => it.style.width")
        assert float(width.removesuffix("%")) == pytest.approx(percent)

    accepted = {"jobId": "7", "status": "submitted", "message": "Accepted"}
    page.route("**/recipe/generate", lambda route: route.fulfill(status=202, json=accepted))
    page.route("**/recipe/status/*", answer)
    page.clock.install(time=0)
    page.reload()
    page.clock.pause_at(3600)
    screen.ask_for("egg")

    expect_bar(4, answered=4)
    page.clock.run_for(15_000)
    expect_bar(4, answered=4)  # it is queued
    page.clock.run_for(15_000)
    expect_bar(10, answered=10)
    page.clock.run_for(10_000)
    expect_bar(31.25, answered=10)  # half of the way to what is half of the way to 95
    page.clock.run_for(10_000)
    expect_bar(52.5, answered=10)
    page.clock.run_for(10_000)
    expect_bar(52.5, answered=30)  # it neither went on without an estimate, nor goes back
    page.clock.run_for(5_000)
    expect_bar(57.5, answered=30)
    page.clock.run_for(25_000)
    expect_bar(62.5, answered=40)
    page.clock.run_for(5_000)
    expect_bar(63.5, answered=40)  # (67.5 - 62.5) in 25 s
    page.clock.run_for(25_000)
    expect_bar(94, answered=94)
    page.clock.run_for(30_000)
    expect(page.get_by_text("The connection is poor")).to_be_visible()
    expect_bar(94.25, answered=94)
    expect(page.locator("#remaining")).to_have_text("about 30 s left")
    screen.button("Cancel").click()


STORY: list[dict[str, Any]] = [
    {"at": "2026-11-25T10:00:00Z", "event": "job admitted"},
    {"at": "2026-11-25T10:00:00.4Z", "event": "job claimed", "queueSeconds": 0.4},
    {
        "at": "2026-11-25T10:00:04Z",
        "event": "model call",
        "model": "small-1",
        "ending": "stop",
        "seconds": 3.6,
        "inputTokens": 812,
        "outputTokens": 164,
        "costMicrousd": 1210,
    },
    {
        "at": "2026-11-25T10:00:04.1Z",
        "event": "answer rejected",
        "model": "small-1",
        "complaints": ["price: must be what the fees add up to", "<b>stops</b>: too few"],
    },
    {"at": "2026-11-25T10:00:04.2Z", "event": "climbed", "model": "large-1"},
]
END: list[dict[str, Any]] = [
    {
        "at": "2026-11-25T10:00:09Z",
        "event": "model call",
        "model": "large-1",
        "ending": "stop",
        "seconds": 4.8,
        "costMicrousd": 20_000,
    },
    {"at": "2026-11-25T10:00:09.5Z", "event": "result stored", "seconds": 9.5},
]


@pytest.fixture
def api(page: Page) -> ParcelApi:
    """A job that is under way until a test says otherwise."""
    api = ParcelApi(page)
    api.status = OPEN
    page.reload()
    return api


def test_what_waits_shows_its_stages_by_the_tasks_own_words(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    screen.button("Send").click()

    expect(page.locator("#stages [aria-current]")).to_have_text("Weighing")
    expect(page.locator("#stages li")).to_have_text(
        ["Wait for a worker", "Weighing", "Planning the way", "Done"]
    )
    expect(page.locator("#wanted")).to_contain_text("Two mugs. Wrapped in paper.")


def test_nothing_is_said_of_what_is_left_until_the_server_has_measured_it(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    so_far = re.compile(r"^\d+ s so far$")
    screen.button("Send").click()
    expect(page.locator("#remaining")).to_have_text(so_far)
    api.status = DONE
    expect(screen.heading("Parcel quote")).to_be_focused()
    screen.button("Start over").click()
    api.status = OPEN

    screen.button("Send").click()

    expect(page.locator("#remaining")).to_have_text(so_far)  # one job is no measure
    api.status = {**OPEN, "estimateIsMeasured": True}
    expect(page.locator("#remaining")).to_have_text(re.compile(r"^about \d+ s left$"))


def test_the_bar_reaches_its_end_before_the_result_takes_its_place(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    screen.button("Send").click()
    expect(page.locator("#stage")).to_have_text("Weighing...")
    page.evaluate(
        """() => {
            window.seen = [];
            const note = () => window.seen.push([bar.ariaValueNow, results.hidden]);
            const bar = document.getElementById("bar");
            const results = document.getElementById("results");
            new MutationObserver(note).observe(bar, { attributes: true });
            new MutationObserver(note).observe(results, { attributes: true });
        }"""
    )

    api.status = DONE

    expect(screen.heading("Parcel quote")).to_be_focused()
    seen = page.evaluate("window.seen")
    assert ["100", True] in seen, seen
    assert seen[-1] == ["100", False]


def test_the_story_is_a_timeline_with_its_seconds_its_tokens_and_its_cost(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    api.trace = STORY
    screen.button("Send").click()
    expect(page.locator("#latest > li")).to_have_count(4)  # the latest, where one waits
    expect(page.locator("#latest")).to_contain_text("next model · large-1")

    api.trace = STORY + END
    api.status = DONE

    lines = page.locator("#story > li")
    expect(lines).to_have_count(7)
    expect(lines.nth(0)).to_contain_text("+0.0 s")
    expect(lines.nth(0)).to_contain_text("queued")
    expect(lines.nth(1)).to_contain_text("waited 0.4 s")
    expect(lines.nth(2)).to_contain_text("3.6 s · 812 → 164 tokens · $0.0012 · stop")
    expect(lines.nth(3).locator("ul li")).to_have_text(
        ["price: must be what the fees add up to", "<b>stops</b>: too few"]
    )
    expect(lines.nth(6)).to_contain_text("+9.5 s")
    expect(lines.nth(6)).to_contain_text("stored")
    expect(page.locator("#result-facts")).to_have_text("took 9.5 s · $0.021")


def test_of_a_job_that_ran_before_only_the_last_run_is_told(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    before = [{"at": "2026-11-25T09:00:00Z", "event": "job admitted"}]
    api.trace = [*before, {"at": "2026-11-25T09:00:09Z", "event": "job failed"}, *STORY]

    screen.button("Send").click()

    expect(page.locator("#story > li")).to_have_count(5)
    expect(page.locator("#story")).not_to_contain_text("failed")


def test_without_a_story_there_is_no_timeline(page: Page, screen: Screen, api: ParcelApi) -> None:
    with page.expect_response("**/dev/trace/*"):
        screen.button("Send").click()

    expect(page.locator("#stage")).to_have_text("Weighing...")
    expect(page.locator("#trace")).to_be_hidden()
    expect(page.locator("#latest")).to_be_empty()
