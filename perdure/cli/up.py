"""`perdure up`: everything in the foreground, then a short table."""

import asyncio
from contextlib import AsyncExitStack

from perdure.cli.configuration import load_settings
from perdure.cli.output import make_console, program, progress, table_of
from perdure.cli.process import run_until_stopped, until
from perdure.cli.system import System, open_system
from perdure.settings import Settings


def run_up() -> None:
    """Run everything until stopped."""
    settings = load_settings()
    run_until_stopped(lambda stop: _up(settings, stop))


async def _up(settings: Settings, stop: asyncio.Event) -> None:
    console = make_console()
    async with AsyncExitStack() as stack:
        with progress(console) as announce:
            system = await stack.enter_async_context(open_system(settings, stop=stop, announce=announce))
        console.print("Ready. Ctrl-C stops everything; the data stays.")
        console.print(table_of(_rows(system)))
        await system.run(until(stop))
        console.print("Stopping …")


def _rows(system: System) -> list[tuple[str, str]]:
    from perdure.cli.database import ADMIN_EMAIL

    rows = [("Console", f"{system.api_url}/"), ("API", system.api_url), ("Docs", f"{system.api_url}/docs")]
    if system.endpoints.temporal_ui_url:
        rows.append(("Temporal UI", system.endpoints.temporal_ui_url))
    kept = system.folder.admin_password
    return [
        *rows,
        ("User", f"{ADMIN_EMAIL}, password in {kept}" if kept.exists() else ADMIN_EMAIL),
        ("Token", f"{program()} token"),
        ("Logs", str(system.folder.log("perdure").parent)),
    ]
