"""What the demo shows of a run: words as they come over the live channel, and its steps when it is over."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from perdure.domain.executions import Execution, NodeExecution
from perdure.live import LiveReader, Token


class Words:
    """Prints the words of one run, each node's under its name."""

    def __init__(self, console: Console, labels: Mapping[str, str]) -> None:
        self._console = console
        self._labels = labels
        self._current: tuple[str, int] | None = None

    def add(self, token: Token) -> None:
        """Print what a model just wrote."""
        source = (token.node_id, token.attempt)
        if source != self._current:
            self.end()
            again = f" (attempt {token.attempt})" if token.attempt > 1 else ""
            label = self._labels.get(token.node_id, token.node_id)
            self._console.print(f"[green]{escape(label)}[/]{again} ", end="")
            self._current = source
        self._console.print(escape(token.text), end="", soft_wrap=True)

    def end(self) -> None:
        """End the line that is being written."""
        if self._current is not None:
            self._console.print()
            self._current = None


async def print_words(console: Console, reader: LiveReader, execution_id: UUID, labels: Mapping[str, str]) -> None:
    """Print the words of a run until it is over."""
    words = Words(console, labels)
    try:
        async for frame in reader.subscribe(execution_id):
            if isinstance(frame, Token):
                words.add(frame)
    finally:
        words.end()


def steps_table(runs: Iterable[Execution]) -> Table:
    """Lay out the steps of several runs with their times and tokens, each on one line of 80 columns."""
    table = Table(title="Steps", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("Step")
    table.add_column("Status", no_wrap=True)
    for heading in ("Time", "Tokens in", "Tokens out"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in runs:
        for node in run.node_executions:
            table.add_row(node.node_label, node.status.value, *_figures(node))
    return table


def _figures(node: NodeExecution) -> tuple[str, str, str]:
    time = "" if node.duration_ms is None else f"{node.duration_ms} ms"
    output = node.output_data or {}
    return time, str(output.get("input_tokens") or ""), str(output.get("output_tokens") or "")
