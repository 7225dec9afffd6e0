"""Where the benches print."""

from rich.console import Console

_COLUMNS_IN_A_FILE = 100


def console() -> Console:
    """The terminal as it is; a file or a pipe as a wide one."""
    found = Console()
    return found if found.is_terminal else Console(width=_COLUMNS_IN_A_FILE)
