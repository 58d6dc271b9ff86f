"""What the long-running commands say: lines of progress while they start, and one table when they are ready."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

Announce = Callable[[str], None]


@contextmanager
def progress(console: Console) -> Generator[Announce]:
    """Show the line announced last with a spinner on a terminal, and every line elsewhere."""
    if not console.is_terminal:
        yield lambda line: console.print(f"{line} …", highlight=False, soft_wrap=True)
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
