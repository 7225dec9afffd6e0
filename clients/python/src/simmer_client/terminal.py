"""What people see: a bar while the job is under way, and cards at the end.

All texts come from a server, and some from a model: they are shown as plain text. Markup in them is
not markup, and characters that steer a terminal do not reach it.
"""

import json
import unicodedata
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from simmer_client.parts import Outline, Part
from simmer_client.recipe import Recipe, recipe_of
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


class Screen(Console):
    """Standard output, which a reader like `head` may close: the caller sees to that."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class _Titled(Progress):
    """A bar, and below it the titles of an answer's parts, each with a mark once it is there."""

    outline: Outline = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        for entry in self.outline:
            mark, style = ("✓", "green") if entry.state == "ready" else ("·", "dim")
            yield Text(f"  {mark} {plain(entry.title)}", style=style)


class Bar:
    """A progress bar on standard error. It shows what the server said, and nothing in between.

    With `shows_parts` each part of an answer is shown above the bar when it comes, for someone at
    a terminal; `shown` is how many.
    """

    def __init__(self, console: Console, *, shows_parts: bool = False) -> None:
        self.shown = 0
        self._shows_parts = shows_parts and console.is_terminal and not console.quiet
        self._progress = _Titled(
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

    def show_part(self, part: Part) -> None:
        if self._shows_parts:
            self._progress.console.print(part_view(part))
            self.shown += 1

    def show(self, update: Update) -> None:
        self._progress.outline = update.outline
        seconds = update.estimated_seconds_remaining
        is_known = update.estimate_is_measured and not update.state.is_terminal
        words = "Sending the request..." if update.state is State.SUBMITTING else update.message
        self._progress.update(
            self._task,
            completed=update.progress,
            message=plain(words),
            left=f"about {seconds} s left" if seconds and is_known else "",
            refresh=True,
        )


def part_view(part: Part) -> Panel:
    """A part of an answer: a recipe as one, anything else by its title."""
    recipe = recipe_of(part)
    if recipe is not None:
        return card(recipe)
    title = Text(plain(part.title), style="bold")
    return Panel(result_view(part.value), title=title, title_align="left", width=80)


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


_WIDEST_TABLE = 6  # columns


def result_view(result: Any) -> RenderableType:
    """Any JSON, to be read by people: a table where rows are alike, else a tree."""
    if _is_table(result):
        return _table(result)
    if not isinstance(result, dict | list):
        return _scalar(result)
    tree = Tree("", hide_root=True)
    _grow(tree, result)
    return tree


def _grow(tree: Tree, value: dict[str, Any] | list[Any]) -> None:
    named = value.items() if isinstance(value, dict) else enumerate(value, 1)
    for name, each in named:
        label = Text(plain(str(name)), style="bold")
        if _is_table(each):
            tree.add(Group(label, _table(each)))
        elif isinstance(each, dict | list) and each:
            _grow(tree.add(label), each)
        elif isinstance(value, list):
            tree.add(_scalar(each))
        else:
            tree.add(Text.assemble(label, ": ", _scalar(each)))


def _is_table(value: Any) -> bool:
    """Two objects or more, with the same few names, and nothing nested in them."""
    return (
        isinstance(value, list)
        and len(value) > 1
        and all(isinstance(row, dict) and row.keys() == value[0].keys() for row in value)
        and 0 < len(value[0]) <= _WIDEST_TABLE
        and not any(isinstance(cell, dict | list) for row in value for cell in row.values())
    )


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table()
    for name in rows[0]:
        table.add_column(Text(plain(name)))
    for row in rows:
        table.add_row(*map(_scalar, row.values()))
    return table


def _scalar(value: Any) -> Text:
    if isinstance(value, str):
        return Text(plain(value, keep="\n"))
    return Text(json.dumps(value), style="cyan")
