"""What the long-running commands say: lines of progress while they start, and one table when they are ready."""

import shlex
import shutil
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

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


def program() -> str:
    """Say how this command is called again: `perdure` where the shell finds it, else its path, from here if it can."""
    script = Path(sys.executable).with_name("perdure")
    found = shutil.which("perdure")
    if found and Path(found).resolve() == script.resolve():
        return "perdure"
    here = Path.cwd()
    return shlex.quote(str(script.relative_to(here) if script.is_relative_to(here) else script))


def print_link(console: Console, url: str) -> None:
    """Print an address on a line of its own, never folded: a terminal makes a link of it then."""
    console.print(url, soft_wrap=True, markup=False)


def table_of(rows: Sequence[tuple[str, str]]) -> Table:
    """Lay out names and what they stand for."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    return table
