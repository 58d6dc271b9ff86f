"""What a run looks like on a screen: its steps and words as they come, and a summary at its end."""

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from perdure.client import AttemptFailed, StepStarted, Token, Update
from perdure.domain.events import FLOW, TOOL, Event
from perdure.domain.executions import Execution, ExecutionStatus, NodeExecution

_TOOL_CHARACTERS = 200
_CONTROLS = dict.fromkeys({*range(32), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")})
"""What a model may not send to a terminal."""


class RunScreen:
    """Prints a run: on a terminal its words as they are written, elsewhere every step when it is over.

    Where several steps write at once, one of them is shown, and after it what the others have said meanwhile.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._labels: dict[str, str] = {}
        self._tools: set[str] = set()
        self._written: dict[str, str] = {}
        """What the steps under way have written, in the order in which they began to."""
        self._current: str | None = None
        """The step whose words stand in the last line."""
        self._later: list[str] = []
        """What is to be said after them."""

    def show(self, update: Update) -> None:
        """Print what has come."""
        match update.data:
            case Token(node_id=step, text=text):
                self._write(step, text)
            case StepStarted(node_id=step, attempt=attempt):
                self._void(step)
                if attempt > 1:
                    self._say(f"[yellow]{self._label(step)} begins again[/] (attempt {attempt})")
            case AttemptFailed(node_id=step, attempt=attempt, error=error):
                self._say(f"[yellow]{self._label(step)}: attempt {attempt} failed.[/] {_plain(error)}")
            case Event() as event:
                self._show_event(event)

    def close(self) -> None:
        """End the line that is being written, and say what waited for it."""
        if self._current is not None:
            self._console.print()
            self._current = None
        later, self._later = self._later, []
        for line in later:
            self._say(line)

    def _show_event(self, event: Event) -> None:
        data = event.event_data
        step = str(data.get("step_id"))
        match event.event_type:
            case "StepScheduled":
                self._labels[step] = str(data["node_label"])
                if data["node_type"] in {TOOL, FLOW}:
                    self._tools.add(step)
            case "StepReused":
                self._labels[step] = str(data["node_label"])
                self._say(f"[green]{self._label(step)}[/] (of the run before)")
            case "StepCompleted":
                self._complete(step, str(data["text"]))
            case "StepFailed":
                self._void(step)
                self._say(f"[red]{self._label(step)} failed.[/] {_plain(data['error'])}")
            case "ApprovalRequested":
                self._say(f"[magenta]Waits for an approval:[/] {_plain(data['title'])} ({_plain(data['approval_id'])})")
            case "RunReset":
                self._say("[yellow]An operator has sent the run back.[/]")
            case _:
                return

    def _complete(self, step: str, text: str) -> None:
        shown = self._current == step and self._written[step].strip() == text.strip()
        self._void(step)
        if step in self._tools:
            cut = f"{text[:_TOOL_CHARACTERS]} …" if len(text) > _TOOL_CHARACTERS else text
            self._say(f"[blue]{self._label(step)}[/] {_plain(cut)}")
        elif text and not shown:
            self._say(f"[green]{self._label(step)}[/] {_plain(text)}")
        if self._console.is_terminal and self._current is None and self._written:
            self._begin(next(iter(self._written)))

    def _write(self, step: str, text: str) -> None:
        self._written[step] = self._written.get(step, "") + text
        if not self._console.is_terminal:
            return
        if self._current is None:
            self._begin(step)
        elif self._current == step:
            self._print_words(text)

    def _begin(self, step: str) -> None:
        self._current = step
        self._console.print(f"[green]{self._label(step)}[/] ", end="")
        self._print_words(self._written[step])

    def _print_words(self, text: str) -> None:
        self._console.print(_plain(text), end="", soft_wrap=True)

    def _void(self, step: str) -> None:
        self._written.pop(step, None)
        if self._current == step:
            self.close()

    def _say(self, line: str) -> None:
        if self._current is None:
            self._console.print(line, soft_wrap=True)
        else:
            self._later.append(line)

    def _label(self, step: str) -> str:
        return _plain(self._labels.get(step, step))


def _plain(text: object) -> str:
    return escape(str(text).translate(_CONTROLS))


def summary(execution: Execution) -> str:
    """One line on how a run ended."""
    metrics = execution.metrics
    facts = [
        f"{(metrics.total_duration_ms or 0) / 1000:.1f} s",
        f"{metrics.llm_calls} model calls",
        *([f"{metrics.tool_calls} tool calls"] if metrics.tool_calls else []),
        f"{metrics.llm_tokens} tokens",
        *([f"${metrics.estimated_cost:.4f}"] if metrics.estimated_cost else []),
    ]
    colour = "green" if execution.status is ExecutionStatus.COMPLETED else "red"
    why = f" {_plain(execution.error_message)}" if execution.error_message else ""
    return f"[{colour}]{execution.status.value.capitalize()}[/] ({', '.join(facts)}).{why}"


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
