"""What the page says where there is no result: refused, failed, missing, not reached."""

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.parcel import ParcelApi, failed, problem
from tests.browser.screen import Screen


@pytest.fixture(scope="module")
def url(front_alone: str) -> str:
    return front_alone


def refusal(status: int, code: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
    return {
        "status": status,
        "headers": {"Retry-After": "0", **(headers or {})},
        "json": problem(status, code, **more),
    }


REFUSALS = {
    "down": (
        refusal(503, "dependency_unavailable"),
        *("Nothing was accepted", "dependency_unavailable"),
    ),
    "token": (
        {"status": 401, "json": {"message": "Unauthorized"}},
        *("Please sign in", "unauthorized"),
    ),
    "portal": (
        {"status": 200, "body": "<html>Welcome to the hotel</html>"},
        *("makes no sense", "malformed_answer"),
    ),
    "unheard": (refusal(418, "teapot", detail="I am a teapot."), "I am a teapot.", "teapot"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refused_request_says_why(screen: Screen, page: Page, kind: str) -> None:
    answer, words, code = REFUSALS[kind]
    page.route("**/recipe/generate", lambda route: route.fulfill(**answer))

    screen.ask_for("egg")

    screen.expect_failure(words, code)


def test_a_server_that_is_not_there_is_told_from_one_that_refuses(
    screen: Screen, page: Page
) -> None:
    page.route("**/recipe/generate", lambda route: route.abort())

    screen.ask_for("egg")

    screen.expect_failure("The server cannot be reached", "unreachable")
    expect(screen.button("Try again")).to_be_visible()


def test_complaints_about_a_recipes_request_stand_at_its_fields(screen: Screen, page: Page) -> None:
    faults = [
        {"field": "ingredients.1", "message": "must be one line"},
        {"field": "maxCookingTime", "message": "Too long"},
        {"field": "moon", "message": "Not in this phase"},
    ]
    answer = refusal(422, "invalid_request", errors=faults)
    page.route("**/recipe/generate", lambda route: route.fulfill(**answer))

    screen.ask_for("egg", "rice")

    expect(page.locator("#ingredient-error")).to_have_text("rice: must be one line")
    time = page.locator(".field", has=page.get_by_label("Time"))
    expect(time.get_by_role("alert")).to_have_text("Too long")
    expect(page.locator("#form-faults li")).to_have_text(["moon: Not in this phase"])
    expect(screen.field).to_be_focused()
    assert screen.chips == ["egg", "rice"]


def test_a_quota_says_when_and_offers_no_retry_before(screen: Screen, page: Page) -> None:
    answers = [refusal(429, "quota_exceeded", {"Retry-After": "7200"})]
    page.route("**/recipe/generate", lambda route: route.fulfill(**answers[0]))
    page.clock.install(time="2026-11-25T10:00:00")
    page.reload()

    screen.ask_for("egg")

    screen.expect_failure(
        "Today's requests are used up. Try again after 25 Nov 2026, 12:00 (in 2 hours).",
        "quota_exceeded",
        title="That is all for today",
    )
    expect(screen.button("Try again")).to_be_hidden()
    page.clock.run_for(7_200_000)
    expect(screen.button("Try again")).to_be_visible()


def test_a_budget_that_is_spent_offers_no_retry(screen: Screen, page: Page) -> None:
    api = ParcelApi(page)
    api.status = failed("budget_exceeded", retryable=True)
    page.reload()

    screen.button("Send").click()

    screen.expect_failure("tomorrow", "budget_exceeded", title="That is all for today")
    expect(screen.button("Try again")).to_be_hidden()


def test_a_failure_shows_what_was_asked_and_stays_in_the_address(
    screen: Screen, page: Page
) -> None:
    api = ParcelApi(page)
    api.status = failed("invalid_output", retryable=True)
    page.reload()
    screen.button("Send").click()
    screen.expect_failure("No usable answer", "invalid_output", title="No answer this time")

    page.reload()

    screen.expect_failure("No usable answer", "invalid_output", title="No answer this time")
    expect(page.locator("#outcome-wanted")).to_contain_text("Two mugs. Wrapped in paper.")
    assert page.url.endswith("#task=parcel_quote&job=p1")
    screen.button("Try again").click()
    expect(page.locator("#jobs button")).to_have_count(1)  # it is the same job
    assert len(api.requests) == 2
    assert api.requests[0] == api.requests[1]


def test_a_job_that_is_not_there_is_told_from_one_that_failed(screen: Screen, page: Page) -> None:
    missing = refusal(404, "job_not_found")
    ParcelApi(page, status_answer=missing)
    page.goto(f"{page.url}#task=parcel_quote&job=gone")
    page.reload()

    screen.expect_failure(
        "no longer kept, or it is another user's. You are alice.",
        "job_not_found",
        title="This job is not here",
    )
    expect(screen.button("Try again")).to_be_hidden()
    assert page.url.endswith("job=gone")
    screen.button("Change the request").click()
    expect(screen.button("Send")).to_be_visible()


def test_without_tasks_it_says_so_and_can_read_them_again(screen: Screen, page: Page) -> None:
    page.route("**/dev/tasks", lambda route: route.abort())
    page.reload()
    expect(page.get_by_text("The list of tasks could not be read")).to_be_visible()
    expect(page.locator("#form")).to_be_hidden()
    page.unroute("**/dev/tasks")

    screen.button("Read it again").click()

    expect(screen.button("Recommend recipes")).to_be_visible()


def test_it_says_when_the_model_writes_nonsense(phone: BrowserContext, url: str) -> None:
    page = phone.new_page()
    page.route("**/dev/info", lambda route: route.fulfill(json={"model": "local"}))

    page.goto(url)

    expect(page.get_by_text("What it writes is nonsense")).to_be_visible()
