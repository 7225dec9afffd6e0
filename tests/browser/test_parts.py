"""An answer in parts: names first, then each card in its place. Playwright's routes are the API."""

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.browser.chromium import PATIENCE_MS
from tests.browser.parcel import HAIKU
from tests.browser.screen import MARKUP, Screen
from tests.browser.test_axe import LOOKS, assert_clean

type Json = dict[str, Any]

TITLES = ["Fried egg", "Egg rice", "Egg soup"]
PUSH = {"url": "ws://127.0.0.1:9/push", "token": "push-token"}


@pytest.fixture(scope="module")
def url(front_alone: str) -> str:
    return front_alone


def recipe(name: str) -> Json:
    return {
        "name": name,
        "ingredients": ["egg"],
        "instructions": "1. Crack it.\n2. Cook it.",
        "cookingTime": 5,
        "difficulty": "easy",
        "servings": 2,
    }


RESULT = {"recipes": [recipe(title) for title in TITLES]}
DONE: Json = {"jobId": "7", "status": "completed", "progress": 100, "stage": "done"}
DONE |= {"message": "Done", "result": RESULT}


def under_way(*ready: int, titles: list[str] = TITLES) -> Json:
    """A status document with the outline, and the parts at these positions."""
    outline = [
        {"title": title, "state": "ready" if at in ready else "waiting"}
        for at, title in enumerate(titles)
    ]
    partial = {"recipes": [recipe(titles[at]) for at in ready]}
    return {
        "jobId": "7",
        "status": "processing",
        "progress": 20,
        "stage": "generating",
        "message": "Writing recipes...",
        "pollAfterMs": 250,
        "outline": outline,
        **({"partialResult": partial} if ready else {}),
    }


def failed(*ready: int) -> Json:
    error = {"error": "It failed.", "errorCode": "invalid_output", "retryable": True}
    return {**under_way(*ready), "status": "failed", "stage": "done", **error}


class Api:
    """Tells the page what `say` was given last, by push or when it polls."""

    def __init__(self, page: Page, *, has_push: bool = False) -> None:
        self._document: Json = under_way()
        self._socket: WebSocketRoute | None = None
        accepted = {"jobId": "7", "status": "submitted", "message": "Accepted"}
        if has_push:
            accepted["push"] = PUSH  # type: ignore[assignment]
            page.route_web_socket("**/push", self._connect)
            page.reload()
        page.route("**/generate", lambda route: route.fulfill(status=202, json=accepted))
        page.route("**/status/*", lambda route: route.fulfill(json=self._document))

    def say(self, document: Json) -> None:
        self._document = document
        if self._socket:
            self._socket.send(json.dumps(document))

    def _connect(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.on_message(lambda _: socket.send(json.dumps(self._document)))


def expect_cards(page: Page, *ready: int, titles: list[str] = TITLES) -> None:
    """All titles in their order; those parts are there, the others wait."""
    expect(page.locator("#parts h3")).to_have_text(titles)
    waiting = page.locator("#parts > .waiting")
    expect(waiting).to_have_count(len(titles) - len(ready))
    for at, _ in enumerate(titles):
        card = page.locator("#parts > *").nth(at)
        expect(card.get_by_text("Crack it.")).to_have_count(1 if at in ready else 0)


@pytest.mark.parametrize("has_push", [True, False], ids=["push", "polls"])
def test_names_come_first_and_each_card_fills_in_its_place(
    screen: Screen, page: Page, has_push: bool
) -> None:
    api = Api(page, has_push=has_push)
    screen.ask_for("egg")

    expect_cards(page)
    page.evaluate(
        "document.querySelectorAll('#parts > *').forEach((it, at) => (it.dataset.at = at))"
    )
    tops = "[...document.querySelectorAll('#parts > *')].map((it) => it.offsetTop)"
    before = page.evaluate(tops)
    api.say(under_way(1))
    expect_cards(page, 1)
    # Those above did not move, and those that wait are the same as before.
    assert page.evaluate(tops)[:2] == before[:2]
    assert page.locator("#parts > .waiting[data-at]").count() == 2
    api.say(under_way(0, 1))
    expect_cards(page, 0, 1)
    expect(page.get_by_role("status")).to_have_text("Fried egg: ready")
    page.evaluate(
        "document.querySelectorAll('#parts > *').forEach((it) => (it.dataset.kept = 'yes'))"
    )
    api.say(DONE)

    screen.expect_recipes()
    expect(screen.recipes.locator("h3")).to_have_text(TITLES)
    assert page.locator("#result > [data-kept]").count() >= 2, "they are drawn anew"
    expect(screen.heading("Found 3 recipes")).to_be_focused()
    assert bool(screen.polls) is not has_push


def test_a_late_answer_takes_no_card_away(screen: Screen, page: Page) -> None:
    api = Api(page)
    screen.ask_for("egg")
    api.say(under_way(0, 1))
    expect_cards(page, 0, 1)

    for late in (under_way(0), under_way(), {**under_way(), "outline": None}):
        api.say(late)
        asked = len(screen.polls)
        with page.expect_response("**/status/*"):
            pass
        assert len(screen.polls) > asked

        expect_cards(page, 0, 1)


@pytest.mark.parametrize("has_push", [True, False], ids=["push", "polls"])
def test_after_a_reload_in_mid_job_the_cards_are_there_again(
    screen: Screen, page: Page, has_push: bool
) -> None:
    api = Api(page, has_push=has_push)
    screen.ask_for("egg")
    api.say(under_way(2))
    expect_cards(page, 2)

    page.reload()

    expect_cards(page, 2)
    api.say(under_way(0, 2))
    expect_cards(page, 0, 2)
    api.say(DONE)
    screen.expect_recipes()


def test_whoever_reads_a_card_stays_at_it(screen: Screen, page: Page) -> None:
    api = Api(page)
    screen.ask_for("egg")
    api.say(under_way(0, 1, 2))
    expect_cards(page, 0, 1, 2)
    page.locator("#parts > *").nth(2).evaluate("(it) => it.scrollIntoView()")
    top = "(it) => it.getBoundingClientRect().top"
    before = page.locator("#parts h3").nth(1).evaluate(top)

    api.say(DONE)

    expect(page.locator("#result h3")).to_have_text(TITLES)
    after = page.locator("#result h3").nth(1).evaluate(top)
    assert after == pytest.approx(before, abs=40), "the page jumped"


def test_a_failed_job_shows_what_is_good_with_the_words_of_its_failure(
    screen: Screen, page: Page
) -> None:
    api = Api(page)
    screen.ask_for("egg")
    expect_cards(page)

    api.say(failed(0, 2))

    screen.expect_failure("No usable answer", "invalid_output")
    expect(page.get_by_text("What was ready by then is kept")).to_be_visible()
    expect(page.locator("#parts h3:visible")).to_have_text([TITLES[0], TITLES[2]])
    page.reload()
    screen.expect_failure("No usable answer", "invalid_output")
    expect(page.locator("#parts h3:visible")).to_have_text([TITLES[0], TITLES[2]])


def test_a_failed_job_without_a_part_shows_none(screen: Screen, page: Page) -> None:
    api = Api(page)
    screen.ask_for("egg")
    api.say(failed())

    screen.expect_failure("No usable answer", "invalid_output")
    expect(page.get_by_text("What was ready by then is kept")).to_be_hidden()
    expect(page.locator("#parts h3:visible")).to_have_count(0)


def test_a_cancelled_job_shows_no_cards(screen: Screen, page: Page) -> None:
    api = Api(page)
    cancelled = {**under_way(0), "status": "cancelled", "stage": "done"}
    page.route("**/cancel/*", lambda route: route.fulfill(json=cancelled))
    screen.ask_for("egg")
    api.say(under_way(0))
    expect_cards(page, 0)

    screen.button("Cancel").click()

    expect(screen.heading("Cancelled")).to_be_focused()
    expect(page.locator("#parts > *")).to_have_count(0)


def test_titles_stay_text(screen: Screen, page: Page) -> None:
    api = Api(page)
    screen.ask_for("egg")
    titles = [MARKUP, "Egg rice"]

    api.say(under_way(0, titles=titles))

    expect_cards(page, 0, titles=titles)
    assert page.locator("main img").count() == 0


def test_any_task_has_a_card_for_each_of_its_parts(screen: Screen, page: Page) -> None:
    poem = {"type": "object", "properties": {"title": {}, "text": {"type": "string"}}}
    of_poems = {"type": "object", "properties": {"poems": {"type": "array", "items": poem}}}
    poems = [{"title": "Rain", "text": "It falls."}, {"title": "Sun", "text": "It shines."}]
    task = {**HAIKU, "result": of_poems}
    page.route("**/dev/tasks", lambda route: route.fulfill(json=[task]))
    page.reload()
    api = Api(page)
    outline = [{"title": "Rain", "state": "waiting"}, {"title": "Sun", "state": "ready"}]
    api.say({**under_way(), "outline": outline, "partialResult": {"poems": poems[1:]}})

    screen.button("Send").click()

    expect(page.locator("#parts h3")).to_have_text(["Rain", "Sun"])
    expect(page.locator("#parts > *").nth(1)).to_contain_text("It shines.")
    api.say({**DONE, "result": {"poems": poems}})
    expect(page.locator("#result")).to_contain_text("It falls.")


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing(browser: Browser, url: str, look: str) -> None:
    context = browser.new_context(**LOOKS[look], locale="en-GB", reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    api = Api(page)
    page.goto(url)
    Screen(page).ask_for("egg")
    expect_cards(page)
    assert_clean(page)
    api.say(under_way(1))
    expect_cards(page, 1)
    assert_clean(page)
    api.say(failed(1))
    Screen(page).expect_failure("No usable answer", "invalid_output")
    assert_clean(page)
    context.close()
