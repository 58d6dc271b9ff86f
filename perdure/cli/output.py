"""What the long-running commands say: lines of progress while they start, and one table when they are ready."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

Announce = Callable[[str], None]


_PLAIN_WIDTH = 200
"""Columns where there is no terminal: nobody wants a path folded in a log."""


def make_console() -> Console:
    """Build the console that commands print their results to."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PLAIN_WIDTH)


@contextmanager
def progress(console: Console) -> Generator[Announce]:
    """Show the line announced last with a spinner on a terminal, and every line elsewhere."""
    if not console.is_terminal:
        yield lambda line: console.print(f"{line} …")
        return
    with console.status("Starting") as status:
        yield status.update


def table_of(rows: Sequence[tuple[str, str]]) -> Table:
    """Lay out names and what they stand for."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    return table
