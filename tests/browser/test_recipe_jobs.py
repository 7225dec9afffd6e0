"""The way of a recipe's request, as a cook meets it, on the deployed template."""

import re

from playwright.sync_api import BrowserContext, Page, Route, WebSocketRoute, expect

from local.model.stand_in import StandIn
from tests.browser.screen import UNDER_WAY, Screen, unique

CALLS = 4  # for three recipes: an outline, and each of them


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
    screen.button("Start over").click()
    screen.requests.clear()

    screen.button("Recommend recipes").click()

    expect(page.get_by_text("stored answer", exact=True)).to_be_visible()
    assert screen.requests == ["POST /recipe/generate"]
    assert len(model.calls(egg)) == CALLS


def test_a_fresh_answer_can_be_asked_for(screen: Screen, page: Page, model: StandIn) -> None:
    egg = unique("egg")
    screen.ask_for(egg)
    screen.expect_recipes()
    screen.button("Start over").click()
    page.locator("#options summary").click()
    page.get_by_role("checkbox", name="Make it anew").check()

    screen.button("Recommend recipes").click()

    screen.expect_recipes()
    expect(page.get_by_text("stored answer", exact=True)).to_be_hidden()
    assert len(model.calls(egg)) == 2 * CALLS


def test_a_job_under_way_shows_its_stage_and_its_bar(
    screen: Screen, page: Page, model: StandIn
) -> None:
    egg = unique("egg")
    model.script("slow:120", match=egg)

    screen.ask_for(egg)

    expect(screen.heading("Your recipes are on the stove")).to_be_focused()
    expect(page.get_by_text(UNDER_WAY).first).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", re.compile(r"\d\d"))
    expect(page.locator("#remaining")).to_have_text(re.compile(r"\d+ s so far"))
    expect(page).to_have_title(re.compile(r"\d\d% · Simmer"))
    screen.button("Cancel").click()


def test_a_job_can_be_cancelled(screen: Screen, page: Page, model: StandIn) -> None:
    egg = unique("egg")
    model.script("slow:120", match=egg)
    screen.ask_for(egg)
    expect(page.get_by_text(UNDER_WAY).first).to_be_visible()

    screen.button("Cancel").click()

    expect(screen.heading("Cancelled")).to_be_focused()
    screen.button("Change the request").click()
    assert screen.chips == [egg]
    expect(screen.field).to_be_focused()
    assert "job=" not in page.url


def test_a_failed_job_has_a_name_and_is_not_asked_again_in_vain(
    screen: Screen, page: Page, model: StandIn
) -> None:
    egg = unique("egg")
    model.script(*["refusal"] * 4, match=egg)

    screen.ask_for(egg)

    screen.expect_failure("The model would not answer this", "refused")
    expect(screen.heading("No recipes this time")).to_be_focused()
    expect(screen.button("Try again")).to_be_hidden()
    expect(page.locator("#outcome-wanted")).to_contain_text(egg)


def test_a_failure_has_an_address_and_is_there_after_a_reload(
    screen: Screen, page: Page, model: StandIn
) -> None:
    egg = unique("egg")
    model.script(*["prose"] * 6, match=egg)
    screen.ask_for(egg)
    screen.expect_failure("No usable answer came out", "invalid_output")
    assert "job=" in page.url

    page.reload()

    screen.expect_failure("No usable answer came out", "invalid_output")
    expect(page.locator("#outcome-wanted")).to_contain_text(egg)
    screen.button("Try again").click()
    screen.expect_recipes()


def test_a_failure_that_may_pass_can_be_tried_again(screen: Screen, model: StandIn) -> None:
    egg = unique("egg")
    model.script(*["prose"] * 6, match=egg)
    screen.ask_for(egg)
    screen.expect_failure("No usable answer came out", "invalid_output")

    screen.button("Try again").click()

    screen.expect_recipes()


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
    assert len(model.calls(egg)) == CALLS
    screen.button("Start over").click()
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

    screen.expect_failure("You are bob", "job_not_found", title="This job is not here")
    expect(screen.button("Try again")).to_be_hidden()


# --- Push ------------------------------------------------------------------------------------


def test_with_push_no_status_is_asked_for(screen: Screen) -> None:
    screen.ask_for(unique("egg"))

    screen.expect_recipes()
    assert len(screen.sockets) == 1
    assert screen.polls == []


# What happens in the page, in its order: an ask, the progress that a frame says, the bar's own.
TELL = """{
    const told = window.told = [];
    const { send } = WebSocket.prototype;
    const heard = ({ data }) => told.push(["frame", JSON.parse(data).progress]);
    WebSocket.prototype.send = function (text) {
        told.push(["ask"]);
        this.addEventListener("message", heard); // once, however often it is said
        return send.call(this, text);
    };
    document.addEventListener("DOMContentLoaded", () => {
        const bar = document.getElementById("bar");
        const note = () => told.push(["bar", Number(bar.ariaValueNow)]);
        new MutationObserver(note).observe(bar, { attributes: true });
    });
}"""
# Whether the bar has gone past what the last frame said, and nobody has asked since.
HAS_GONE_ON = """() => {
    let said = Infinity;
    return told.some(([what, progress]) => {
        if (what === "ask") said = Infinity;
        if (what === "frame") said = Math.max(progress, 10);
        return what === "bar" && progress > said;
    });
}"""


def test_with_push_the_bar_goes_on_while_nobody_asks(
    screen: Screen, page: Page, model: StandIn
) -> None:
    egg = unique("egg")
    model.script("slow:120", match=egg)
    page.add_init_script(TELL)
    page.reload()

    screen.ask_for(egg)

    page.wait_for_function(HAS_GONE_ON)
    assert screen.polls == []
    screen.button("Cancel").click()


def test_with_push_switched_off_it_polls(screen: Screen) -> None:
    screen.switch_push_off()

    screen.ask_for(unique("egg"))

    screen.expect_recipes()
    assert screen.sockets == []
    assert screen.polls


def test_with_a_socket_that_closes_it_polls(screen: Screen, page: Page) -> None:
    def hang_up(socket: WebSocketRoute) -> None:
        socket.on_message(lambda _: socket.close())

    page.route_web_socket("**/push?*", hang_up)
    page.reload()

    screen.ask_for(unique("egg"))

    screen.expect_recipes()
    assert screen.polls


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
    closed = page.locator("#log .status", has_text="1005")
    assert closed.count() == 0, "no code at all is no code"
    expect(log).to_contain_text(egg)
    said = log.inner_text()
    assert "eyJ" not in said, "a JWT"
    assert not re.search(r'"token": "(?!•••)', said)
    assert "ticket=•••" in said
    assert not re.search("ticket=(?!•••)", said)


def test_it_asks_nobody_but_its_own_host(phone: BrowserContext, url: str) -> None:
    page = phone.new_page()
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))

    page.goto(url)
    Screen(page).ask_for(unique("egg"))
    Screen(page).expect_recipes()

    assert {host.partition(":")[0] for host in hosts if host} == {"127.0.0.1"}
