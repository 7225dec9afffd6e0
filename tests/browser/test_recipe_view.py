"""The recipe's own view: its chips (typed, pasted, picked, removed, refused) and its cards."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.screen import MARKUP, Screen


@pytest.fixture(scope="module")
def url(front_alone: str) -> str:
    return front_alone


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
