"""What commands print: it fits a terminal, links stay whole, and what it says to type can be typed."""

import io
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from rich.console import Console

from perdure.cli.database import reach
from perdure.cli.demo_flows import CHAT
from perdure.cli.output import print_link, program
from perdure.cli.run_screen import steps_table
from perdure.domain.errors import SetupError
from perdure.domain.executions import Execution, ExecutionStatus, NodeExecution, NodeStatus


def test_a_link_is_never_folded() -> None:
    screen = io.StringIO()
    url = f"http://127.0.0.1:8233/namespaces/default/workflows/{uuid4()}-[bold]"

    print_link(Console(file=screen, width=80, force_terminal=False), url)

    assert screen.getvalue() == f"{url}\n"


def test_the_demos_steps_fit_80_columns() -> None:
    now = datetime.now(UTC)
    step = NodeExecution(
        id="1",
        node_id="assistant",
        node_type="assistant",
        node_label=str(CHAT["name"]),
        status=NodeStatus.COMPLETED,
        output_data={"input_tokens": 1234, "output_tokens": 1234},
        duration_ms=59_999,
    )
    run = Execution(
        id=uuid4(),
        flow_id=uuid4(),
        flow_type="chatflow",
        flow_name=str(CHAT["name"]),
        flow_version=1,
        status=ExecutionStatus.COMPLETED,
        input_data={},
        started_at=now,
        user_id=1,
        node_executions=[step],
    )
    screen = io.StringIO()

    Console(file=screen, width=80).print(steps_table([run]))

    title, headings, row = screen.getvalue().splitlines()
    assert title.strip() == "Steps"
    assert headings.split() == ["Step", "Status", "Time", "Tokens", "in", "Tokens", "out"]
    assert row.strip() == f"{CHAT['name']}  completed  59999 ms       1234        1234"


def test_a_command_is_named_as_it_can_be_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / ".venv" / "bin" / "perdure"
    script.parent.mkdir(parents=True)
    script.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.chdir(tmp_path)
    assert program() == ".venv/bin/perdure"
    monkeypatch.chdir("/")
    assert program() == str(script).lstrip("/")
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == "perdure"


async def test_a_database_that_is_not_there_is_told_from_one_that_refuses() -> None:
    with pytest.raises(SetupError) as caught:
        await reach("postgresql+asyncpg://ann:hunter2@localhost:1/flows")
    assert str(caught.value) == (
        "The database does not answer at localhost:1: check that it runs, and PERDURE_DATABASE__URL."
    )
