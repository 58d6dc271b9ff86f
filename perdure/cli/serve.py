"""The commands that run one process of a larger whole: `services`, `api`, `worker`; and `migrate` before them."""

import asyncio
import sys
from contextlib import AsyncExitStack

from perdure.cli.configuration import load_settings
from perdure.cli.process import (
    engine_logs_to_python,
    interruptible,
    log_to_stderr,
    run_until_stopped,
    tune_for_serving,
    until,
)
from perdure.domain.errors import SetupError
from perdure.embedded.data_folder import DataFolder
from perdure.embedded.endpoints import Endpoints, resolve_endpoints
from perdure.embedded.part import run_beside
from perdure.settings import Settings


def run_services() -> None:
    """Run the embedded PostgreSQL and Temporal until stopped."""
    settings = load_settings()
    if settings.database.url and settings.temporal.address:
        raise SetupError(
            "There is nothing to start: PERDURE_DATABASE__URL and PERDURE_TEMPORAL__ADDRESS name servers of your own."
        )
    run_until_stopped(lambda stop: _services(settings, stop))


def run_api() -> None:
    """Run the API until stopped."""
    settings = load_settings()
    log_to_stderr()
    endpoints = resolve_endpoints(settings)
    engine_logs_to_python()
    run_until_stopped(lambda stop: _api(settings, endpoints, stop))


def run_worker() -> None:
    """Run a worker until stopped."""
    settings = load_settings()
    log_to_stderr()
    endpoints = resolve_endpoints(settings)
    engine_logs_to_python()
    run_until_stopped(lambda stop: _worker(settings, endpoints, stop))


def run_migrate() -> None:
    """Bring the database's tables up to date."""
    settings = load_settings()

    async def run() -> None:
        from perdure.cli.database import database_url, reach
        from perdure.storage import migrate

        url = database_url(settings)
        await reach(url)
        await migrate.upgrade(url)

    asyncio.run(run())
    sys.stdout.write("The database's tables are up to date.\n")


async def _services(settings: Settings, stop: asyncio.Event) -> None:

    from perdure.cli.output import make_console, progress, table_of
    from perdure.embedded.services import open_services

    console = make_console()
    async with AsyncExitStack() as stack:
        with progress(console) as announce:
            async with interruptible(stop):
                services = await stack.enter_async_context(open_services(settings, announce=announce))
        running = services.folder.running()
        rows = [("Data folder", str(services.folder.path))]
        if running and running.database_url:
            rows.append(("PostgreSQL", running.database_url.replace("+asyncpg", "")))
        if running and running.temporal_address:
            rows += [("Temporal", running.temporal_address), ("Temporal UI", running.temporal_ui_url or "")]
        console.print("Ready. `perdure migrate`, `perdure api` and `perdure worker` find these; Ctrl-C stops them.")
        console.print(table_of(rows))
        await run_beside(services.parts, stop, until(stop))
        console.print("Stopping")


async def _api(settings: Settings, endpoints: Endpoints, stop: asyncio.Event) -> None:
    from api import server
    from perdure.bootstrap import open_runtime
    from perdure.cli.database import checked_database

    async with AsyncExitStack() as stack:
        async with interruptible(stop):
            await checked_database(settings)
            runtime = await stack.enter_async_context(open_runtime(settings, endpoints))
        tune_for_serving()
        await server.run(runtime, stop)


async def _worker(settings: Settings, endpoints: Endpoints, stop: asyncio.Event) -> None:
    import worker
    from perdure.bootstrap import open_runtime
    from perdure.cli.database import checked_database
    from perdure.embedded.local_model import LocalModel

    async with AsyncExitStack() as stack:
        model = None
        async with interruptible(stop):
            await checked_database(settings)
            if settings.llm.local_model:
                folder = DataFolder.at(settings.data_dir)
                folder.prepare()
                model = await stack.enter_async_context(LocalModel(folder))
                endpoints = endpoints.model_copy(update={"local_model_url": model.base_url})
            runtime = await stack.enter_async_context(open_runtime(settings, endpoints))
        tune_for_serving()
        await run_beside([model] if model else [], stop, worker.run(runtime, stop))
