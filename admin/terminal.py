"""What the commands share: the stack that is meant, and words and tables for the terminal."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import cast

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from admin.target import Target

_console = Console(soft_wrap=True, highlight=False, markup=False)


def target_of(context: typer.Context) -> Target:
    """The stack that the command line names."""
    return cast(Target, context.obj())


def say(text: str) -> None:
    _console.print(text)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table as wide as it is: what a shell reads must not be cut."""
    drawn = Table(*heads, box=box.SIMPLE_HEAD)
    for row in rows:
        drawn.add_row(*map(str, row))
    wide = Console(width=max(_console.width, 160), highlight=False, markup=False)
    wide.print(drawn)


def at(milliseconds: int) -> str:
    """A moment (UTC), to be read."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
