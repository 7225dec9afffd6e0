"""The result of a task that the page has never heard of, and what can be done with it."""

import json
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.parcel import DONE, HAIKU, OPEN, PARCEL, QUOTE, ParcelApi, failed
from tests.browser.screen import MARKUP, Screen


@pytest.fixture(scope="module")
def url(front_alone: str) -> str:
    return front_alone


@pytest.fixture
def api(page: Page) -> ParcelApi:
    api = ParcelApi(page)
    page.reload()
    return api


def show(screen: Screen) -> None:
    screen.button("Send").click()
    expect(screen.heading("Parcel quote")).to_be_focused()


def fact(page: Page, label: str) -> Any:
    """The value that stands beside a label."""
    pair = page.locator("#result dl > div", has=page.locator("dt", has_text=label))
    return pair.locator("dd")


def test_a_result_is_shown_by_its_schema(page: Page, screen: Screen, api: ParcelApi) -> None:
    show(screen)

    expect(screen.heading("Leith to Cork")).to_be_visible()
    expect(fact(page, "Price")).to_have_text("18.40")
    expect(fact(page, "Arrives")).to_have_text("3 Dec 2026")
    expect(fact(page, "Speed")).to_have_text("Next day")
    expect(fact(page, "fuel")).to_have_text("1.40")
    expect(fact(page, "Last digits")).to_have_text("4242")
    expect(page.locator("#result .prose")).to_have_text(QUOTE["remarks"], use_inner_text=True)
    expect(page.locator("#result .names li")).to_have_text(["fragile"])
    expect(page.get_by_role("columnheader")).to_have_text(["Place", "On", "Customs"])
    expect(page.get_by_role("row").nth(2)).to_have_text("Cork3 Dec 2026yes")
    expect(page.locator("#result")).not_to_contain_text("null")


def test_a_value_of_no_schema_is_shown_all_the_same(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    more = {"tiers": [{"a": {"b": [1, 2]}}, {"a": None}], "seenAt": "soon", "empty": []}
    api.status = {**DONE, "result": {**QUOTE, **more}}

    show(screen)

    expect(page.locator("#result")).to_contain_text("Tiers")
    expect(page.locator("#result ul.names", has_text="1").last).to_have_text("12")
    expect(fact(page, "Seen at")).to_have_text("soon")
    expect(page.locator("#result section", has_text="Empty").last).to_contain_text("none")


def test_what_a_model_writes_stays_text(page: Page, screen: Screen, api: ParcelApi) -> None:
    marked = {
        **QUOTE,
        "title": MARKUP,
        "remarks": f"{MARKUP}\n{MARKUP}",
        "labels": [MARKUP],
        "fees": {MARKUP: MARKUP},
        "stops": [{"place": MARKUP}, {"place": MARKUP}],
    }
    api.status = {**DONE, "result": marked}
    api.trace = [{"at": "2026-11-25T10:00:00Z", "event": MARKUP, "model": MARKUP}]

    show(screen)

    expect(page.locator("#result")).to_contain_text(MARKUP)
    expect(page.locator("#story")).to_contain_text(MARKUP)
    assert page.locator("main img, aside img").count() == 0


def test_a_result_can_be_copied_as_text_and_as_json(
    page: Page, phone: BrowserContext, screen: Screen, api: ParcelApi
) -> None:
    phone.grant_permissions(["clipboard-read", "clipboard-write"])
    show(screen)

    screen.button("Copy").click()

    expect(page.locator("#copy")).to_have_text("Copied")
    text = page.evaluate("navigator.clipboard.readText()")
    assert "Title: Leith to Cork\nPrice: 18.40\nArrives: 3 Dec 2026" in text
    assert "Stops:\n  - Place: Leith\n    On: 1 Dec 2026\n    Customs: no\n  - Place: Cork" in text
    assert "Fees:\n  customs: 3.00" in text
    screen.button("Copy JSON").click()
    expect(page.locator("#copy-json")).to_have_text("Copied")
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == QUOTE


def test_a_result_is_shared_where_the_browser_can(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    page.add_init_script(
        "navigator.share = (what) => Promise.resolve((window.shared = what))",
    )
    page.reload()
    show(screen)

    screen.button("Share").click()

    shared = page.evaluate("window.shared")
    assert shared["title"] == "Parcel quote"
    assert "Price: 18.40" in shared["text"]


def test_the_way_back_stands_above_a_long_result(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    api.status = {**DONE, "result": {**QUOTE, "remarks": "A line.\n" * 200}}

    show(screen)

    expect(screen.button("Start over")).to_be_in_viewport()


def test_the_history_has_each_job_with_how_it_ended_and_opens_it(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    api.trace = [
        {"at": "2026-11-25T10:00:00Z", "event": "job admitted"},
        {"at": "2026-11-25T10:00:01Z", "event": "model call", "costMicrousd": 3420},
        {"at": "2026-11-25T10:00:07.5Z", "event": "result stored"},
    ]
    show(screen)
    expect(page.locator("#result-facts")).to_have_text("took 7.5 s · $0.0034")
    screen.button("Start over").click()
    page.route("**/haiku/generate", lambda route: route.fulfill(status=202, json=accepted("h1")))
    haiku = {**failed("refused"), "jobId": "h1"}
    page.route("**/haiku/status/*", lambda route: route.fulfill(json=haiku))
    page.get_by_role("radio", name="Haiku").check()
    page.get_by_label("About").fill("snow")
    screen.button("Send").click()
    screen.expect_failure("would not answer", "refused", title="No answer this time")
    page.reload()  # it is kept with the tab
    page.locator("#history > summary").click()
    jobs = page.locator("#jobs button")
    expect(jobs).to_have_count(2)
    expect(jobs.nth(0)).to_contain_text("Haikufailedsnow")
    expect(jobs.nth(1)).to_contain_text("Parcel quotecompleted")
    expect(jobs.nth(1)).to_contain_text("7.5 s · $0.0034")

    jobs.nth(1).click()

    expect(screen.heading("Leith to Cork")).to_be_visible()
    assert page.url.endswith("#task=parcel_quote&job=p1")
    expect(page.locator("#result-wanted")).to_contain_text("Two mugs.")
    jobs.nth(0).click()
    screen.expect_failure("would not answer", "refused", title="No answer this time")
    screen.button("Change the request").click()
    expect(page.get_by_label("About")).to_have_value("snow")


def accepted(job_id: str) -> dict[str, str]:
    return {"jobId": job_id, "status": "submitted", "message": "Accepted"}


def test_the_history_is_the_users_own(page: Page, screen: Screen, api: ParcelApi) -> None:
    show(screen)
    expect(page.locator("#history")).to_be_visible()
    screen.open_drawer()

    page.get_by_role("combobox", name="User").select_option("bob")

    expect(page.locator("#history")).to_be_hidden()


def test_a_job_left_by_the_form_is_under_way_in_the_history(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    api.status = OPEN
    screen.button("Send").click()
    expect(page.locator("#stage")).to_have_text("Weighing...")
    page.go_back()
    expect(screen.button("Send")).to_be_visible()
    page.locator("#history > summary").click()
    expect(page.locator("#jobs button")).to_contain_text("under way")
    api.status = DONE

    page.locator("#jobs button").click()

    expect(screen.heading("Leith to Cork")).to_be_visible()
    expect(page.locator("#jobs button")).to_contain_text("completed")


def test_an_address_of_another_task_than_the_one_chosen_is_followed(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    page.get_by_role("radio", name="Haiku").check()

    page.goto(f"{page.url}#task={PARCEL['name']}&job=p1")

    expect(screen.heading("Leith to Cork")).to_be_visible()
    screen.button("Start over").click()
    expect(page.get_by_role("radio", name="Parcel quote")).to_be_checked()
    assert HAIKU["name"] not in page.url
