"""An answer in parts on the deployed template: names first, then the cards in place."""

import pytest
from playwright.sync_api import Page, expect

from local.model.stand_in import StandIn
from tests.browser.screen import Screen, unique


@pytest.mark.parametrize("how", ["push", "polls", "reload"])
def test_names_come_first_and_then_the_cards(
    screen: Screen, page: Page, model: StandIn, how: str
) -> None:
    """The parts take their time, so that the names are there before them."""
    egg = unique("egg")
    model.script("ok", "slow:3", "slow:6", "slow:9", match=egg)
    if how == "polls":
        screen.switch_push_off()

    screen.ask_for(egg)

    cards = page.locator("#parts > *")
    expect(cards).to_have_count(3)
    expect(page.locator("#parts > .waiting").first).to_be_visible()
    names = page.locator("#parts h3").all_inner_texts()
    if how == "reload":
        page.reload()
    expect(page.locator("#parts > :not(.waiting)").first).to_be_visible()
    assert page.locator("#parts h3").all_inner_texts() == names
    screen.expect_recipes()
    expect(screen.recipes.locator("h3")).to_have_text(names)
    assert len(model.calls(egg)) == 4, "an outline and three parts"
