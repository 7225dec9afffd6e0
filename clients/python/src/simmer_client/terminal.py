"""What people see: a bar while the job is under way, and cards at the end.

All texts come from a server, and some from a model: they are shown as plain text. Markup in them is
not markup, and characters that steer a terminal do not reach it.
"""

import unicodedata
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from simmer_client.recipe import Recipe
from simmer_client.update import State, Update

# Control and surrogate characters, and those that turn lines or their direction around.
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(text: str, keep: str = "") -> str:
    """`text` with nothing in it that a terminal would obey, save the characters in `keep`."""
    return "".join(
        char
        if char in keep or not (unicodedata.category(char) in _UNPRINTABLE or char in _DIRECTIONS)
        else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )


class Bar:
    """A progress bar on standard error. It shows what the server said, and nothing in between."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[message]}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            console=console,
            transient=True,
            auto_refresh=False,  # there is nothing new between two updates
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=100, message="", left="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, update: Update) -> None:
        seconds = update.estimated_seconds_remaining
        is_open = not update.state.is_terminal
        words = "Sending the request..." if update.state is State.SUBMITTING else update.message
        self._progress.update(
            self._task,
            completed=update.progress,
            message=plain(words),
            left=f"about {seconds} s left" if seconds and is_open else "",
            refresh=True,
        )


def card(recipe: Recipe) -> Panel:
    """A recipe, to be read in a kitchen."""
    facts = (
        f"{recipe.cooking_time_minutes} min · {plain(recipe.difficulty)} · "
        f"{recipe.servings} {'serving' if recipe.servings == 1 else 'servings'}"
    )
    parts = [Text(facts, style="cyan")]
    if recipe.description:
        parts.append(Text(plain(recipe.description), style="italic"))
    parts += [Text(), _listed("You have", recipe.ingredients)]
    if recipe.additional_ingredients:
        parts.append(_listed("You need", recipe.additional_ingredients))
    parts += [Text(), Text(plain(recipe.instructions, keep="\n"))]
    return Panel(
        Group(*parts), title=Text(plain(recipe.name), style="bold"), title_align="left", width=80
    )


def _listed(title: str, names: list[str]) -> Text:
    return Text.assemble((f"{title}: ", "bold"), plain(", ".join(names)))
