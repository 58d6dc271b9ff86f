"""`perdure run`, `watch` and `cancel`: runs from the terminal, over the API."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from uuid import UUID

import typer
from pydantic import JsonValue
from rich.console import Console

from perdure.cli.accounts import token_of
from perdure.cli.addresses import api_address
from perdure.cli.configuration import load_settings
from perdure.cli.database import ADMIN_EMAIL, checked_database
from perdure.cli.output import make_console, program
from perdure.cli.process import cancelled_by_interrupt
from perdure.cli.run_screen import RunScreen, summary
from perdure.client import ApiError, AsyncPerdureClient
from perdure.domain.errors import NotFoundError, SetupError
from perdure.domain.executions import Execution, ExecutionStatus

INTERRUPTED = 130
_NOT_FOUND = 404


def run_flow(flow: str, message: str, session: str | None, url: str | None, token: str | None) -> None:
    """Start a run and show it; exit with 0 only if it completes."""

    async def start_and_show() -> None:
        async with _client(url, token) as client:
            flow_id = await _find_flow(client, flow)
            input_data: dict[str, JsonValue] = {"message": message, **({"session_id": session} if session else {})}
            console = make_console()
            execution = await client.execute_flow(flow_id, input_data)
            console.print(f"{execution.flow_name}: execution {execution.id}", markup=False, soft_wrap=True)
            await _show(client, console, execution.id)

    asyncio.run(cancelled_by_interrupt(start_and_show()))


def run_watch(execution_id: UUID, url: str | None, token: str | None) -> None:
    """Show a run from its first step on; exit with 0 only if it completes, or has."""

    async def watch() -> None:
        async with _client(url, token) as client:
            await _show(client, make_console(), execution_id)

    asyncio.run(cancelled_by_interrupt(watch()))


def run_cancel(execution_id: UUID, url: str | None, token: str | None) -> None:
    """Stop a run."""

    async def cancel() -> None:
        async with _client(url, token) as client:
            execution = await client.cancel_execution(execution_id)
        sys.stdout.write(f"The execution is {execution.status.value}.\n")

    asyncio.run(cancel())


async def _show(client: AsyncPerdureClient, console: Console, execution_id: UUID) -> None:
    screen = RunScreen(console)
    try:
        async with aclosing(client.watch_execution(execution_id)) as updates:
            async for update in updates:
                screen.show(update)
        execution = await client.get_execution(execution_id)
    except asyncio.CancelledError:
        # Ctrl-C: one that were raised wherever the code stands could be lost in a finalizer.
        screen.close()
        sys.stderr.write(
            f"The run goes on. See it with `{program()} watch {execution_id}`, "
            f"stop it with `{program()} cancel {execution_id}`.\n"
        )
        raise typer.Exit(INTERRUPTED) from None
    finally:
        screen.close()
    _finish(console, execution)


def _finish(console: Console, execution: Execution) -> None:
    console.print(summary(execution), soft_wrap=True)
    if execution.status is not ExecutionStatus.COMPLETED:
        raise typer.Exit(1)


async def _find_flow(client: AsyncPerdureClient, flow: str) -> UUID:
    """Find a flow by its id or its name: one's own, else one that others share.

    Raises:
        NotFoundError: there is none of that name, or more than one.
    """
    try:
        return (await client.get_flow(UUID(flow))).id
    except ValueError:
        pass  # a name
    except ApiError as error:
        if error.answered != _NOT_FOUND:
            raise
    for scope in ("own", "public"):
        page = await client.get_flows(search=flow, scope=scope, page_size=100)
        found = [each for each in page.flows if each.name == flow]
        if len(found) == 1:
            return found[0].id
        if found:
            listed = ", ".join(str(each.id) for each in found)
            raise NotFoundError(f"Several flows are named '{flow}': give the id of one ({listed}).")
    raise NotFoundError(f"There is no flow with this id or name: '{flow}'.")


@asynccontextmanager
async def _client(url: str | None, token: str | None) -> AsyncGenerator[AsyncPerdureClient]:
    """Open a client of the API that the options name, else of the one on this machine."""
    settings = load_settings()
    if url and not token:
        raise SetupError("Give a token for the API at --url: set PERDURE_TOKEN.")
    address = url or api_address(settings)
    if address is None:
        raise SetupError("No API runs in this data folder: start `perdure up`, or name one with --url.")
    used = token or await token_of(settings, await checked_database(settings), ADMIN_EMAIL)
    async with AsyncPerdureClient(address, used) as client:
        yield client
