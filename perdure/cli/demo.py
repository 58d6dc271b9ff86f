"""`perdure demo`: a team of agents and a chat assistant, run on the local model and shown as they work."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from uuid import UUID

import typer
from pydantic import JsonValue
from rich.console import Console

from perdure.cli.accounts import token_of
from perdure.cli.addresses import api_address
from perdure.cli.configuration import load_settings
from perdure.cli.database import ADMIN_EMAIL, checked_database
from perdure.cli.demo_flows import CHAT, TASK, TEAM, TURNS
from perdure.cli.output import make_console, print_link, progress
from perdure.cli.process import interruptible, run_until_stopped
from perdure.cli.run_screen import RunScreen, steps_table
from perdure.cli.system import open_system
from perdure.client import AsyncPerdureClient
from perdure.domain.errors import PerdureError, SetupError
from perdure.domain.executions import Execution, ExecutionStatus
from perdure.embedded.data_folder import DataFolder
from perdure.embedded.endpoints import Endpoints, configured_database_url, resolve_endpoints
from perdure.settings import Settings

_RUN_SECONDS = 60


def run_demo() -> None:
    """Show everything; exit with 0 only if both flows did what they should."""
    settings = load_settings()
    if not settings.llm.local_model:
        raise SetupError("The demo runs on the local model: unset PERDURE_LLM__LOCAL_MODEL, which switches it off.")
    finished: list[bool] = []

    async def work(stop: asyncio.Event) -> None:
        await _demo(settings, stop)
        finished.append(True)

    run_until_stopped(work)
    if not finished:
        raise typer.Exit(1)


@dataclass(frozen=True)
class Stage:
    """Where the demo plays: a running API, and what stands behind it."""

    console: Console
    client: AsyncPerdureClient
    api_url: str
    endpoints: Endpoints
    namespace: str


async def _demo(settings: Settings, stop: asyncio.Event) -> None:
    console = make_console()
    async with AsyncExitStack() as stack:
        async with interruptible(stop):
            if await _play_on_running(console, settings):
                return
        with progress(console) as announce:
            system = await stack.enter_async_context(open_system(settings, stop=stop, announce=announce))
        async with interruptible(stop):
            await system.run(_play(console, system.settings, system.endpoints, system.api_url))
        console.print("\nStopping; the data stays. `make up` starts it again, and the links work.")


async def _play_on_running(console: Console, settings: Settings) -> bool:
    """Play on an API that runs already, if there is one that belongs to this data folder's database.

    Raises:
        SetupError: services run in the data folder, and no API beside them.
    """
    external = configured_database_url(settings) and settings.temporal.address
    running = DataFolder.at(settings.data_dir).running()
    url = api_address(settings)
    if not external and not running:
        return False
    if url is not None:
        token = await token_of(settings, await checked_database(settings), ADMIN_EMAIL)
        async with AsyncPerdureClient(url, token) as client:
            if await client.is_ready():
                console.print(f"Using the API that runs at {url}")
                await _play(console, settings, resolve_endpoints(settings), url)
                return True
    if running:
        raise SetupError(
            f"Services run in the data folder {settings.data_dir}, but no API of theirs answers at PERDURE_API__PORT: "
            "start `perdure api` and `perdure worker`, or stop the services."
        )
    return False


async def _play(console: Console, settings: Settings, endpoints: Endpoints, api_url: str) -> None:
    token = await token_of(settings, endpoints.database_url, ADMIN_EMAIL)
    async with AsyncPerdureClient(api_url, token) as client:
        stage = Stage(console, client, api_url, endpoints, settings.temporal.namespace)
        team = await client.create_agentflow(TEAM)
        console.print(f"\n[bold]{team.name}[/] works on: {TASK}")
        runs = [await _run(stage, team.id, {"message": TASK})]
        chat = await client.create_chatflow(CHAT)
        console.print(f"\n[bold]{chat.name}[/] with buffer memory")
        session: str | None = None
        for message in TURNS:
            console.print(f"[cyan]You[/] {message}")
            known: dict[str, JsonValue] = {"session_id": session} if session else {}
            answer = await _run(stage, chat.id, {"message": message, **known})
            session = answer.session_id
            runs.append(answer)
        _print_summary(stage, runs)


async def _run(stage: Stage, flow_id: UUID, input_data: dict[str, JsonValue]) -> Execution:
    """Run a flow to its end while its words appear.

    Raises:
        PerdureError: it did not complete.
    """
    started = await stage.client.execute_flow(flow_id, input_data)
    screen = RunScreen(stage.console)
    try:
        async with asyncio.timeout(_RUN_SECONDS), aclosing(stage.client.watch_execution(started.id)) as updates:
            async for update in updates:
                screen.show(update)
    except TimeoutError as error:
        raise PerdureError(
            f"The execution {started.id} is not over after {_RUN_SECONDS} s: `perdure doctor` says what is missing."
        ) from error
    finally:
        screen.close()
    execution = await stage.client.get_execution(started.id)
    if execution.status is not ExecutionStatus.COMPLETED:
        raise PerdureError(f"The execution {execution.id} {execution.status.value}: {execution.error_message}")
    return execution


def _print_summary(stage: Stage, runs: list[Execution]) -> None:
    stage.console.print()
    stage.console.print(steps_table(runs))
    if ui := stage.endpoints.temporal_ui_url:
        stage.console.print("\n[bold]The runs in Temporal[/]")
        for run in runs:
            print_link(stage.console, f"{ui}/namespaces/{stage.namespace}/workflows/{run.id}")
    stage.console.print("\n[bold]API docs[/]")
    print_link(stage.console, f"{stage.api_url}/docs")
