"""What a cook does with the English page, and sees there."""

import re
import uuid

from playwright.sync_api import Locator, Page, Request, expect

# Which of the two stages one catches depends on how fast the jobs before were.
UNDER_WAY = re.compile(r"(Analysing your ingredients|Writing recipes)\.\.\.")

MARKUP = '<img src="x" onerror="alert(1)">'


def unique(name: str) -> str:
    """An ingredient nobody else asks for, so that scripts and counts are this test's own."""
    return f"{name} {uuid.uuid4().hex[:8]}"


class Screen:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []  # of the API: "GET /recipe/status/…"
        self.sockets: list[str] = []
        page.on("request", self._note)
        page.on("websocket", lambda socket: self.sockets.append(socket.url))

    def _note(self, request: Request) -> None:
        path = "/" + request.url.split("/", 3)[3]
        if path.startswith("/recipe/"):
            self.requests.append(f"{request.method} {path}")

    @property
    def polls(self) -> list[str]:
        return [each for each in self.requests if each.startswith("GET /recipe/status/")]

    @property
    def field(self) -> Locator:
        return self.page.get_by_role("textbox", name="Ingredients")

    @property
    def chips(self) -> list[str]:
        return self.page.locator("#chip-list li span").all_inner_texts()

    @property
    def recipes(self) -> Locator:
        return self.page.locator("#result").get_by_role("article")

    def heading(self, name: str) -> Locator:
        return self.page.get_by_role("heading", name=name)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def add(self, *ingredients: str) -> None:
        for ingredient in ingredients:
            self.field.fill(ingredient)
            self.field.press("Enter")

    def ask_for(self, *ingredients: str) -> None:
        self.add(*ingredients)
        self.button("Recommend recipes").click()

    def open_drawer(self) -> None:
        self.page.locator("#wire > summary").click()

    def switch_push_off(self) -> None:
        self.open_drawer()
        self.page.get_by_role("checkbox", name="Use push").uncheck()

    def expect_recipes(self, count: int = 3) -> None:
        expect(self.recipes).to_have_count(count)

    def expect_failure(self, words: str, code: str, title: str = "No recipes this time") -> None:
        outcome = self.page.get_by_role("region", name=title)
        expect(outcome).to_contain_text(words)
        expect(outcome.locator("code")).to_have_text(code)
