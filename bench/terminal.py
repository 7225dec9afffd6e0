"""The terminal that the benches print to."""

from collections.abc import Callable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

_COLUMNS_IN_A_FILE = 100


def console() -> Console:
    """The terminal as it is; a file or a pipe as a wide one."""
    found = Console()
    return found if found.is_terminal else Console(width=_COLUMNS_IN_A_FILE)


def side_by_side[T](
    results: Mapping[str, T], rows: Sequence[tuple[str, Callable[[T], str]]]
) -> Table:
    """A column a result, and a row a figure of theirs."""
    table = Table("", box=box.SIMPLE_HEAD)
    for name in results:
        table.add_column(name, justify="right")
    for name, cell in rows:
        table.add_row(name, *(cell(each) for each in results.values()))
    return table
