"""The page with a keyboard, a screen reader, a small phone, in the dark, in both languages."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from local.model.stand_in import StandIn
from tests.browser.chromium import PATIENCE_MS
from tests.browser.screen import UNDER_WAY, Screen, unique


def test_it_works_by_keyboard_alone(screen: Screen, page: Page, model: StandIn) -> None:
    egg = unique("egg")
    model.script("slow:120", match=egg)
    keyboard = page.keyboard

    def tab_to(name: str) -> None:
        for _ in range(60):
            keyboard.press("Tab")
            focused = page.locator(":focus")
            if not focused.count():
                continue  # behind the last control comes the browser's own frame
            label = focused.evaluate(
                "(it) => it.ariaLabel ?? it.labels?.[0]?.innerText ?? it.innerText"
            )
            if label == name:
                assert focused.evaluate("(it) => it.matches(':focus-visible')")
                return
        pytest.fail(f"no Tab leads to {name}")

    expect(screen.field).to_be_focused()  # the page has come
    tab_to("Skip to the content")
    tab_to("Ingredients")
    keyboard.type(egg)
    keyboard.press("Enter")
    keyboard.press("Enter")  # with nothing typed, it sends the form
    expect(page.get_by_text(UNDER_WAY).first).to_be_visible()
    tab_to("Cancel")
    keyboard.press("Enter")
    expect(screen.heading("Cancelled")).to_be_focused()
    tab_to("Change the request")
    keyboard.press("Space")
    expect(screen.field).to_be_focused()
    keyboard.press("Backspace")
    keyboard.type("rice,")
    assert screen.chips == ["rice"]
    tab_to("Recommend recipes")
    keyboard.press("Enter")
    expect(screen.heading("Found 3 recipes")).to_be_focused()


NAMELESS = re.compile(
    r"^\s*- (?:button|link|textbox|combobox|checkbox|radio|spinbutton|progressbar|region|group)\b"
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
    check('button "Change the request"')


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


def test_it_speaks_the_browsers_language_and_the_one_chosen(browser: Browser, url: str) -> None:
    context = browser.new_context(locale="ko-KR")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(url)
    egg = unique("달걀")
    page.get_by_role("textbox", name="재료").fill(egg)
    page.get_by_role("button", name="레시피 추천받기").click()
    expect(page.get_by_role("heading", name="레시피 3개를 찾았어요")).to_be_visible()

    page.get_by_label("언어").select_option("English")

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
