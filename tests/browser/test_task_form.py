"""The form of a task that the page has never heard of, made from its schema."""

import json
import re
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, expect

from tests.browser.parcel import EXAMPLE, ParcelApi
from tests.browser.screen import Screen


@pytest.fixture(scope="module")
def url(front_alone: str) -> str:
    return front_alone


@pytest.fixture
def api(page: Page) -> ParcelApi:
    api = ParcelApi(page)
    page.reload()
    expect(page.get_by_label("Description")).to_have_value(EXAMPLE["description"])
    return api


def sent(page: Page, screen: Screen) -> Any:
    """What the form sends, which the API's own models must take."""
    with page.expect_response("**/parcel_quote/generate") as answer:
        screen.button("Send").click()
    return json.loads(answer.value.request.post_data or "")


def complaint_in(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text))


def row(page: Page, legend: str, label: str) -> Any:
    return page.get_by_role("group", name=legend).get_by_label(label)


def test_the_example_fills_the_form_and_is_sent_as_it_is(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    request = sent(page, screen)

    with_defaults = {**EXAMPLE, "size": "m", "isFragile": False, "locale": "en"}
    assert request == with_defaults
    expect(screen.heading("Parcel quote")).to_be_focused()
    assert api.requests == [request]


def test_every_field_is_filled_by_hand(page: Page, screen: Screen, api: ParcelApi) -> None:
    page.get_by_label("Description").fill("A chair.\nNo legs.")
    row(page, "Sender", "Street").fill("Quay 1")
    row(page, "Sender", "Floor").fill("")
    page.get_by_label("Pick up").fill("2026-12-24")
    page.get_by_label("Deliver at").fill("2026-12-25T10:30")
    page.get_by_role("radio", name="L", exact=True).check()
    page.get_by_label("Speed").select_option("By the hour")
    page.get_by_label("Weight").fill("12.25")
    page.get_by_label("Declared value").fill("1000000000000000.01")
    page.get_by_label("Fragile", exact=True).check()
    labels = page.get_by_role("textbox", name="Labels")
    labels.fill("this, too")  # a comma does not end one here
    labels.press("Enter")
    screen.button("+ Items").click()
    row(page, "Items 2", "Name").fill("leg")
    row(page, "Items 2", "Quantity").fill("4")
    page.get_by_role("checkbox", name="Sunday").check()
    row(page, "Corner", "Corner 2").fill("-7")
    screen.button("+ Extras").click()
    page.get_by_label("Extras 2, name").fill("ribbon")
    page.get_by_label("Extras 2", exact=True).fill("1")
    page.get_by_label("Payment, kind").select_option("Card")
    page.get_by_label("Last digits").fill("4242")
    screen.button("+ Return to").click()
    row(page, "Return to", "Street").fill("Mill Lane 5")
    row(page, "Return to", "City").fill("Leith")
    page.get_by_label("Anything").fill('{"deep": [1, null]}')

    request = sent(page, screen)

    at = page.evaluate("new Date('2026-12-25T10:30').toISOString()")
    assert request == {
        "description": "A chair.\nNo legs.",
        "sender": {"street": "Quay 1", "city": "Leith"},
        "pickUp": "2026-12-24",
        "deliverAt": at,
        "size": "l",
        "speed": "by_the_hour",
        "weight": 12.25,
        "declaredValue": "1000000000000000.01",
        "isFragile": True,
        "labels": ["fragile", "this, too"],
        "items": [{"name": "mug", "quantity": 2}, {"name": "leg", "quantity": 4}],
        "days": ["friday", "sunday"],
        "corner": [1.5, -7],
        "extras": {"stickers": 3, "ribbon": 1},
        "payment": {"kind": "card", "lastDigits": "4242"},
        "returnTo": {"street": "Mill Lane 5", "city": "Leith"},
        "anything": {"deep": [1, None]},
        "locale": "en",
    }
    assert api.requests == [request]


def test_what_is_left_empty_is_left_out(page: Page, screen: Screen, api: ParcelApi) -> None:
    page.get_by_label("Declared value").fill("")
    screen.button("Remove fragile").click()
    page.get_by_role("checkbox", name="Friday").uncheck()
    screen.button("Remove Extras 1").click()
    screen.button("Remove Corner").click()
    page.get_by_label("Change for").fill("")

    request = sent(page, screen)

    absent = {"declaredValue", "labels", "days", "extras", "corner", "returnTo", "deliverAt"}
    assert absent.isdisjoint(request)
    assert request["payment"] == {"kind": "cash"}
    assert api.requests == [request]


@pytest.mark.parametrize(
    ("label", "text", "complaint"),
    [
        ("Description", "", "This is needed."),
        ("Weight", "31", "More than 0, at most 30."),
        ("Weight", "0", "More than 0, at most 30."),
        ("Quantity", "1.5", "This must be a whole number."),
        ("Quantity", "100", "At least 1, at most 99."),
        ("Pick up", "", "This is needed."),
        ("Declared value", "a lot", "This is no number."),
        ("Street", "s" * 81, "This may have 80 characters."),
        ("Anything", "{", "This is no JSON."),
    ],
)
def test_what_the_schema_forbids_is_said_at_the_field_and_not_sent(
    page: Page, screen: Screen, api: ParcelApi, label: str, text: str, complaint: str
) -> None:
    field = page.get_by_label(label)
    field.fill(text)

    screen.button("Send").click()

    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(complaint_in(complaint))
    assert api.requests == []


def test_a_list_that_may_not_be_empty_says_so(page: Page, screen: Screen, api: ParcelApi) -> None:
    screen.button("Remove Items 1").click()

    screen.button("Send").click()

    items = page.get_by_role("group", name="Items")
    expect(items.get_by_role("alert")).to_have_text("There must be 1 of these at least.")
    expect(screen.button("+ Items")).to_be_focused()
    assert api.requests == []


def test_what_only_the_server_knows_is_shown_at_the_field_it_names(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    # Its path leads through the option of a union, which is no field.
    page.get_by_label("Payment, kind").select_option("Card")
    page.get_by_label("Last digits").fill("42")

    screen.button("Send").click()

    digits = page.get_by_label("Last digits")
    expect(digits).to_have_accessible_description(complaint_in("String should match pattern"))
    expect(digits).to_be_focused()
    expect(page.get_by_text("Something is not as it must be")).to_be_visible()
    digits.fill("4242")
    screen.button("Send").click()
    expect(screen.heading("Parcel quote")).to_be_focused()


FAULTS = {
    "items.0.quantity": "Items 1",
    "extras.stickers": "Extras",
    "corner.1": "Corner",
    "sender.city": "Sender",
}


@pytest.mark.parametrize("path", FAULTS)
def test_a_complaint_finds_its_field_by_its_path(
    page: Page, screen: Screen, api: ParcelApi, path: str
) -> None:
    fault = {"field": path, "message": "no good"}
    answer = {"code": "invalid_request", "status": 422, "errors": [fault]}
    page.route("**/parcel_quote/generate", lambda route: route.fulfill(status=422, json=answer))

    screen.button("Send").click()

    group = page.get_by_role("group", name=FAULTS[path])
    expect(group.get_by_text("no good", exact=True).first).to_be_visible()
    expect(page.locator("#fields .error", has_text="no good")).to_have_count(1)
    expect(page.locator("#form-faults li")).to_have_count(0)


def test_a_complaint_about_no_field_stands_above_the_form(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    faults = [{"field": "", "message": "all of it"}, {"field": "moon.phase", "message": "none"}]
    answer = {"code": "invalid_request", "status": 422, "errors": faults}
    page.route("**/parcel_quote/generate", lambda route: route.fulfill(status=422, json=answer))

    screen.button("Send").click()

    expect(page.locator("#form-faults li")).to_have_text(["all of it", "moon.phase: none"])


def test_another_language_keeps_what_was_typed_and_is_asked_for(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    page.get_by_label("Description").fill("Une chaise")
    page.get_by_label("Language").select_option("français")
    expect(page.get_by_label("Description")).to_have_value("Une chaise")

    request = sent(page, screen)

    assert (request["description"], request["locale"]) == ("Une chaise", "fr")
    expect(page.locator("#result")).to_have_attribute("lang", "fr")


def test_a_reload_finds_the_task_that_was_chosen(
    page: Page, screen: Screen, api: ParcelApi
) -> None:
    page.get_by_role("radio", name="Haiku").check()
    expect(page.get_by_label("About")).to_have_value("rain")
    expect(page.get_by_label("Language")).to_be_hidden()  # there is but one

    page.reload()

    expect(page.get_by_label("About")).to_have_value("rain")
    page.get_by_role("radio", name="Parcel quote").check()
    expect(page.get_by_label("Description")).to_be_visible()


def test_one_task_alone_is_not_to_be_picked(page: Page, screen: Screen) -> None:
    tasks = page.request.get(urljoin(page.url, "/dev/tasks")).json()
    expect(page.locator("#tasks")).to_be_visible()
    page.route("**/dev/tasks", lambda route: route.fulfill(json=tasks[:1]))

    page.reload()

    expect(page.locator("#form")).to_be_visible()
    expect(page.locator("#tasks")).to_be_hidden()
