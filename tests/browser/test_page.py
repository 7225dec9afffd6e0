"""The demo page, as a cook meets it: with a finger, with a keyboard, with a screen reader."""

import re
import uuid
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, WebSocketRoute, expect

from local.model.stand_in import StandIn
from tests.browser.conftest import PATIENCE_MS
from tests.browser.screen import Screen

# Which of the two stages one catches depends on how fast the jobs before were.
UNDER_WAY = re.compile(r"(Analysing your ingredients|Writing recipes)\.\.\.")


def unique(name: str) -> str:
    """An ingredient nobody else asks for, so that scripts and counts are this test's own."""
    return f"{name} {uuid.uuid4().hex[:8]}"


# --- The way of a request --------------------------------------------------------------------


def test_ingredients_become_recipes(screen: Screen, page: Page) -> None:
    egg = unique("egg")

    screen.ask_for(egg, "rice")

    screen.expect_recipes()
    expect(screen.heading("Found 3 recipes")).to_be_focused()
    expect(screen.recipes.first).to_contain_text(egg)
    expect(page.get_by_text("stored answer", exact=True)).to_be_hidden()


def test_the_options_are_heeded(screen: Screen, page: Page) -> None:
    egg = unique("egg")
    screen.add(egg)
    page.locator("#options summary").click()
    screen.button("More servings").click()
    page.get_by_label("Time").select_option("15")
    page.get_by_role("radio", name="1", exact=True).check()
    page.get_by_role("radio", name="hard").check()
    page.get_by_role("checkbox", name="vegan").check()
    expect(page.locator("#options-summary")).to_have_text(
        "serves 3 · 1 recipe · within 15 min · hard · vegan"
    )

    with page.expect_request("**/recipe/generate") as sent:
        screen.button("Recommend recipes").click()

    assert sent.value.post_data_json == {
        "ingredients": [egg],
        "servings": 3,
        "count": 1,
        "locale": "en",
        "maxCookingTime": 15,
        "difficulty": "hard",
        "dietary": ["vegan"],
    }
    screen.expect_recipes(1)
    expect(screen.recipes.locator(".facts")).to_have_text(re.compile("min.*hard.*serves 3"))


def test_a_stored_answer_is_shown_at_once_and_marked(
    screen: Screen, page: Page, model: StandIn
) -> None:
    egg = unique("egg")
    screen.ask_for(egg)
    screen.expect_recipes()
    screen.button("Start over with other ingredients").click()
    screen.requests.clear()

    screen.button("Recommend recipes").click()

    expect(page.get_by_text("stored answer", exact=True)).to_be_visible()
    assert screen.requests == ["POST /recipe/generate"]
    assert len(model.calls(egg)) == 1


def test_a_fresh_answer_can_be_asked_for(screen: Screen, page: Page, model: StandIn) -> None:
    egg = unique("egg")
    screen.ask_for(egg)
    screen.expect_recipes()
    screen.button("Start over with other ingredients").click()
    page.locator("#options summary").click()
    page.get_by_role("checkbox", name="Make it anew").check()

    screen.button("Recommend recipes").click()

    screen.expect_recipes()
    expect(page.get_by_text("stored answer", exact=True)).to_be_hidden()
    assert len(model.calls(egg)) == 2


def test_a_job_under_way_shows_its_stage_and_its_bar(
    screen: Screen, page: Page, model: StandIn
) -> None:
    egg = unique("egg")
    model.script("slow:120", match=egg)

    screen.ask_for(egg)

    expect(screen.heading("Your recipes are on the stove")).to_be_focused()
    expect(page.get_by_text(UNDER_WAY).first).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", re.compile(r"\d\d"))
    expect(page.locator("#remaining")).to_have_text(re.compile(r"about \d+ s left"))
    expect(page).to_have_title(re.compile(r"\d\d% · Simmer"))
    screen.button("Cancel").click()


def test_between_two_answers_the_bar_goes_on_as_the_server_estimates(
    screen: Screen, page: Page
) -> None:
    # Progress and seconds left; then the connection breaks.
    answers = iter([(4, 40), (10, 40), (30, 10), (40, 50), (94, 120)])

    def answer(route: Route) -> None:
        progress, seconds = next(answers, (None, None))
        if progress is None:
            route.abort()
            return
        document = {"jobId": "7", "status": "processing", "message": f"{progress} % done"}
        times = {"estimatedSecondsRemaining": seconds, "pollAfterMs": 60_000}
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
    page.clock.run_for(30_000)
    expect_bar(4, answered=4)  # it is queued
    page.clock.run_for(30_000)
    expect_bar(10, answered=10)
    page.clock.run_for(20_000)
    expect_bar(31.25, answered=10)  # half of the way to what is half of the way to 95
    page.clock.run_for(20_000)
    expect_bar(52.5, answered=10)
    page.clock.run_for(20_000)
    expect_bar(52.5, answered=30)  # it neither went on without an estimate, nor goes back
    page.clock.run_for(5_000)
    expect_bar(57.5, answered=30)
    page.clock.run_for(55_000)
    expect_bar(62.5, answered=40)
    page.clock.run_for(10_000)
    expect_bar(63.5, answered=40)  # (67.5 - 62.5) in 50 s
    page.clock.run_for(50_000)
    expect_bar(94, answered=94)
    page.clock.run_for(60_000)
    expect(page.get_by_text("The connection is poor")).to_be_visible()
    expect_bar(94.25, answered=94)
    expect(page.locator("#remaining")).to_have_text("about 1 min left")
    screen.button("Cancel").click()


def test_a_job_can_be_cancelled(screen: Screen, page: Page, model: StandIn) -> None:
    egg = unique("egg")
    model.script("slow:120", match=egg)
    screen.ask_for(egg)
    expect(page.get_by_text(UNDER_WAY).first).to_be_visible()

    screen.button("Cancel").click()

    expect(screen.heading("Cancelled")).to_be_focused()
    screen.button("Change the ingredients").click()
    assert screen.chips == [egg]
    expect(screen.field).to_be_focused()
    assert "job=" not in page.url


def test_a_failed_job_has_a_name_and_is_not_asked_again_in_vain(
    screen: Screen, model: StandIn
) -> None:
    egg = unique("egg")
    model.script(*["refusal"] * 4, match=egg)

    screen.ask_for(egg)

    screen.expect_failure("The model would not answer this", "refused")
    expect(screen.heading("No recipes this time")).to_be_focused()
    expect(screen.button("Try again")).to_be_hidden()


def test_a_failure_that_may_pass_can_be_tried_again(screen: Screen, model: StandIn) -> None:
    egg = unique("egg")
    model.script(*["prose"] * 4, match=egg)
    screen.ask_for(egg)
    screen.expect_failure("No usable answer came out", "invalid_output")

    screen.button("Try again").click()

    screen.expect_recipes()


def problem(status: int, code: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
    return {
        "status": status,
        "headers": {"Retry-After": "0", **(headers or {})},
        "json": {"type": "about:blank", "title": "T", "status": status, "code": code, **more},
    }


REFUSALS = {
    "quota": (
        problem(429, "quota_exceeded", {"Retry-After": "7200"}),
        *("Today's requests are used up. Try again after", "quota_exceeded"),
    ),
    "fields": (
        problem(422, "invalid_request", errors=[{"field": "count", "message": "Too many"}]),
        *("count: Too many", "invalid_request"),
    ),
    "down": (
        problem(503, "dependency_unavailable"),
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
    "unheard": (problem(418, "teapot", detail="I am a teapot."), "I am a teapot.", "teapot"),
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


def test_a_poor_connection_is_told_while_it_lasts(screen: Screen, page: Page) -> None:
    def fail_twice(route: Route) -> None:
        if len(screen.polls) <= 2:
            route.abort()
        else:
            route.continue_()

    page.route("**/recipe/status/*", fail_twice)
    screen.switch_push_off()

    screen.ask_for(unique("egg"))

    expect(page.get_by_text("The connection is poor")).to_be_visible()
    screen.expect_recipes()


def test_a_reload_in_mid_job_goes_on_with_it(screen: Screen, page: Page, model: StandIn) -> None:
    egg = unique("egg")
    model.script("slow:4", match=egg)
    screen.ask_for(egg)
    expect(page).to_have_url(re.compile("#."))

    page.reload()

    expect(page.locator("#wanted")).to_contain_text(egg)
    screen.expect_recipes()
    assert len(model.calls(egg)) == 1
    screen.button("Start over with other ingredients").click()
    assert screen.chips == [egg]


def test_back_leads_to_the_form_and_forward_to_the_recipes(screen: Screen, page: Page) -> None:
    screen.ask_for(unique("egg"))
    screen.expect_recipes()

    page.go_back()
    expect(screen.button("Recommend recipes")).to_be_visible()

    page.go_forward()
    screen.expect_recipes()


def test_another_users_job_is_not_there(screen: Screen, page: Page) -> None:
    screen.ask_for(unique("egg"))
    screen.expect_recipes()
    address = page.url
    screen.open_drawer()
    page.get_by_role("combobox", name="User").select_option("bob")
    expect(screen.button("Recommend recipes")).to_be_visible()

    page.goto(address)

    screen.expect_failure("no longer there", "job_not_found")


# --- Push ------------------------------------------------------------------------------------


def test_with_push_no_status_is_asked_for(screen: Screen) -> None:
    screen.ask_for(unique("egg"))

    screen.expect_recipes()
    assert len(screen.sockets) == 1
    assert screen.polls == []


def test_with_push_switched_off_it_polls(screen: Screen) -> None:
    screen.switch_push_off()

    screen.ask_for(unique("egg"))

    screen.expect_recipes()
    assert screen.sockets == []
    assert screen.polls


def test_with_a_socket_that_closes_it_polls(screen: Screen, page: Page) -> None:
    def hang_up(socket: WebSocketRoute) -> None:
        socket.on_message(lambda _: socket.close())

    page.route_web_socket("**/push", hang_up)
    page.reload()

    screen.ask_for(unique("egg"))

    screen.expect_recipes()
    assert screen.polls


# --- Ingredients -----------------------------------------------------------------------------


def test_ingredients_are_added_by_comma_by_paste_and_by_picking(screen: Screen, page: Page) -> None:
    screen.field.press_sequentially("egg, rice,")
    screen.field.evaluate(
        """(field) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text", "leek\\nsoy sauce; Egg,, 두부");
            field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, cancelable: true }));
        }"""
    )
    screen.button("Add tofu").click()

    assert screen.chips == ["egg", "rice", "leek", "soy sauce", "두부", "tofu"]
    expect(screen.button("Add tofu")).to_be_hidden()
    expect(page.get_by_role("status")).to_have_text("tofu added.")


def test_what_is_still_in_the_field_counts(screen: Screen, page: Page) -> None:
    screen.add("egg")
    screen.field.fill("rice")

    with page.expect_request("**/recipe/generate") as sent:
        screen.button("Recommend recipes").click()

    assert '"ingredients":["egg","rice"]' in (sent.value.post_data or "")


def test_ingredients_are_removed_by_button_and_by_backspace(screen: Screen, page: Page) -> None:
    screen.add("egg", "rice", "leek", "tofu")

    screen.button("Remove rice").click()
    expect(screen.button("Remove leek")).to_be_focused()
    screen.field.focus()
    page.keyboard.press("Backspace")

    assert screen.chips == ["egg", "leek"]
    expect(screen.field).to_be_focused()


def test_enter_in_a_syllable_is_not_the_end_of_an_ingredient(screen: Screen) -> None:
    screen.field.fill("두")

    screen.field.evaluate(
        """(field) => field.dispatchEvent(
            new KeyboardEvent("keydown", { key: "Enter", isComposing: true, cancelable: true }))"""
    )

    assert screen.chips == []


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("", "Add one ingredient at least."),
        ("e" * 61, "may have 60 characters"),
        (",".join(f"i{n}" for n in range(31)), "There may be 30 ingredients."),
    ],
    ids=["none", "long", "many"],
)
def test_what_the_api_would_refuse_is_said_at_the_field(
    screen: Screen, page: Page, typed: str, complaint: str
) -> None:
    screen.field.fill(typed)

    screen.button("Recommend recipes").click()

    expect(page.get_by_role("alert")).to_contain_text(complaint)
    expect(screen.field).to_be_focused()
    expect(screen.field).to_have_attribute("aria-invalid", "true")
    assert screen.requests == []


# --- Everybody -------------------------------------------------------------------------------


def test_it_works_by_keyboard_alone(screen: Screen, page: Page, model: StandIn) -> None:
    egg = unique("egg")
    model.script("slow:120", match=egg)
    keyboard = page.keyboard

    def tab_to(name: str) -> None:
        for _ in range(60):
            keyboard.press("Tab")
            focused = page.locator(":focus")
            label = focused.evaluate(
                "(it) => it.ariaLabel ?? it.labels?.[0]?.innerText ?? it.innerText"
            )
            if label == name:
                assert focused.evaluate("(it) => it.matches(':focus-visible')")
                return
        pytest.fail(f"no Tab leads to {name}")

    tab_to("Skip to the content")
    tab_to("Ingredients")
    keyboard.type(egg)
    keyboard.press("Enter")
    keyboard.press("Enter")  # with nothing typed, it sends the form
    expect(page.get_by_text(UNDER_WAY).first).to_be_visible()
    tab_to("Cancel")
    keyboard.press("Enter")
    expect(screen.heading("Cancelled")).to_be_focused()
    tab_to("Change the ingredients")
    keyboard.press("Space")
    expect(screen.field).to_be_focused()
    keyboard.press("Backspace")
    keyboard.type("rice,")
    assert screen.chips == ["rice"]
    tab_to("Recommend recipes")
    keyboard.press("Enter")
    expect(screen.heading("Found 3 recipes")).to_be_focused()


NAMELESS = re.compile(
    r"^\s*- (?:button|link|textbox|combobox|checkbox|radio|spinbutton|progressbar|region|group)"
    r"(?! \")",
    re.MULTILINE,
)


def test_every_control_on_every_screen_has_a_name(
    screen: Screen, page: Page, model: StandIn
) -> None:
    egg = unique("egg")
    model.script("slow:120", match=egg)

    def check(control: str) -> None:
        role, _, name = control.partition(" ")
        page.locator(f"role={role}[name={name}]").first.wait_for()  # then its screen has come
        snapshot = page.locator("body").aria_snapshot()
        # A details element is a group to Chromium, and its summary is what names it.
        nameless = [each for each in NAMELESS.findall(snapshot) if "group" not in each]
        assert nameless == [], snapshot

    screen.add("leek")
    page.locator("#options summary").click()
    screen.open_drawer()
    check('spinbutton "Servings"')
    screen.ask_for(egg)
    expect(page.locator("#remaining")).not_to_be_empty()
    check('progressbar "Your recipes are on the stove"')
    screen.button("Cancel").click()
    check('button "Change the ingredients"')


def test_a_screen_reader_hears_stages_and_not_every_percent(
    screen: Screen, page: Page, model: StandIn
) -> None:
    egg = unique("egg")
    model.script("slow:4", match=egg)
    page.evaluate(
        """() => {
            window.heard = [];
            const announcer = document.querySelector("[aria-live=polite]");
            new MutationObserver(() => window.heard.push(announcer.textContent))
                .observe(announcer, { childList: true });
        }"""
    )
    screen.switch_push_off()

    screen.ask_for(egg)

    screen.expect_recipes()
    heard: list[str] = page.evaluate("window.heard")
    assert len(heard) == len(set(heard))
    assert heard[-1] == "Found 3 recipes"
    assert [each for each in heard if UNDER_WAY.fullmatch(each)]
    assert not any("%" in each for each in heard)


LONG = "w" * 60


@pytest.mark.parametrize("language", ["ko-KR", "en-GB"])
def test_nothing_scrolls_sideways_at_360_pixels(
    browser: Browser, url: str, model: StandIn, language: str
) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 640}, locale=language)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    fails, works = unique("fails"), unique("works")
    model.script(*["refusal"] * 4, match=fails)

    def check(screen: str) -> None:
        page.locator(f"#{screen}").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 360, screen

    page.goto(url)
    page.locator("#options summary").click()
    page.locator("#wire > summary").click()
    check("form")
    for outcome, ingredient in (("outcome", fails), ("results", works)):
        page.locator("#ingredient").fill(f"{LONG},{ingredient},")
        check("form")
        page.locator("#form .primary").click()
        check(outcome)
        for entry in page.locator("#log summary").all():
            entry.click()
        check(outcome)
        page.locator("#edit, #again").locator("visible=true").click()
        while page.locator("#chip-list li").count():
            page.keyboard.press("Backspace")
    context.close()


MARKUP = '<img src="x" onerror="alert(1)">'


def test_what_a_server_writes_stays_text(screen: Screen, page: Page) -> None:
    recipe = {
        "name": MARKUP,
        "description": MARKUP,
        "ingredients": [MARKUP],
        "additionalIngredients": [MARKUP],
        "instructions": MARKUP,
        "cookingTime": 5,
        "difficulty": "easy",
        "servings": 2,
    }
    answer = {"jobId": "7", "status": "completed", "result": {"recipes": [recipe]}}
    page.route("**/recipe/generate", lambda route: route.fulfill(json=answer))

    screen.ask_for("egg")

    expect(screen.recipes.get_by_text(MARKUP)).to_have_count(5)
    assert page.locator("main img").count() == 0


def test_it_speaks_the_browsers_language_and_the_one_chosen(browser: Browser, url: str) -> None:
    context = browser.new_context(locale="ko-KR")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(url)
    egg = unique("달걀")
    page.get_by_role("textbox", name="재료").fill(egg)
    page.get_by_role("button", name="레시피 추천받기").click()
    expect(page.get_by_role("heading", name="레시피 3개를 찾았어요")).to_be_visible()

    page.get_by_role("radio", name="English").check()

    expect(page.get_by_role("heading", name="Found 3 recipes")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"
    page.reload()
    expect(page.get_by_role("heading", name="Found 3 recipes")).to_be_visible()
    context.close()


def test_both_languages_say_the_same_things(page: Page) -> None:
    missing = page.evaluate(
        """async () => {
            const { TEXTS } = await import("/texts.js");
            const keys = (texts) => Object.entries(texts).flatMap(([key, value]) =>
                typeof value === "object" && !Array.isArray(value)
                    ? keys(value).map((inner) => `${key}.${inner}`)
                    : [`${key}:${typeof value}:${value.length}`.replace(/string:.*/, "string")]);
            const [ko, en] = [keys(TEXTS.ko), keys(TEXTS.en)];
            return [...ko.filter((k) => !en.includes(k)), ...en.filter((k) => !ko.includes(k))];
        }"""
    )

    assert missing == []


def test_it_is_dark_and_still_where_that_is_wished(
    browser: Browser, url: str, model: StandIn
) -> None:
    context = browser.new_context(color_scheme="dark", reduced_motion="reduce", locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(url)
    egg = unique("egg")
    model.script("slow:120", match=egg)
    Screen(page).ask_for(egg)
    expect(page.get_by_role("progressbar")).to_be_visible()

    background = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert max(int(number) for number in re.findall(r"\d+", background)) < 64
    assert page.evaluate("document.getAnimations().length") == 0
    Screen(page).button("Cancel").click()
    context.close()


# --- The drawer ------------------------------------------------------------------------------


def test_the_drawer_shows_what_went_over_the_wire_without_tokens(
    screen: Screen, page: Page
) -> None:
    egg = unique("egg")
    screen.open_drawer()
    screen.ask_for(egg)
    screen.expect_recipes()
    for entry in page.locator("#log summary").all():
        entry.click()

    log = page.locator("#log")

    expect(log).to_contain_text("POST/recipe/generate202")
    expect(log).to_contain_text("Authorization: Bearer •••")
    expect(log).to_contain_text('"action": "subscribe"')
    expect(log).to_contain_text('"status": "completed"')
    expect(log).to_contain_text(egg)
    said = log.inner_text()
    assert "eyJ" not in said, "a JWT"
    assert not re.search(r'"token": "(?!•••)', said)


def test_it_says_when_the_model_writes_nonsense(phone: BrowserContext, url: str) -> None:
    page = phone.new_page()
    page.route("**/dev/info", lambda route: route.fulfill(json={"model": "local"}))

    page.goto(url)

    expect(page.get_by_text("Its recipes are nonsense")).to_be_visible()


def test_it_asks_nobody_but_its_own_host(phone: BrowserContext, url: str) -> None:
    page = phone.new_page()
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))

    page.goto(url)
    Screen(page).ask_for(unique("egg"))
    Screen(page).expect_recipes()

    assert {host.partition(":")[0] for host in hosts if host} == {"127.0.0.1"}
