"""Starts, watches and stops the parts together. `up` and `services` hold one of these open while they run."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import psutil

from perdure.embedded.data_folder import DataFolder, RunningServices
from perdure.embedded.endpoints import Endpoints, configured_database_url, configured_ui_url
from perdure.embedded.leftovers import clear_leftovers
from perdure.embedded.local_model import LocalModel
from perdure.embedded.part import Part
from perdure.embedded.ports import LOOPBACK, claim_port, reachable
from perdure.embedded.postgres import EmbeddedPostgres
from perdure.embedded.temporal_server import EmbeddedTemporal
from perdure.settings import Settings

Announce = Callable[[str], None]
"""Called with one line about what is being done."""


@dataclass(frozen=True)
class Services:
    """What runs: where it answers, and the settings with the ports that were picked for 0."""

    settings: Settings
    folder: DataFolder
    endpoints: Endpoints
    parts: Sequence[Part]


@asynccontextmanager
async def open_services(
    settings: Settings, *, announce: Announce, everything: bool = False, meanwhile: Callable[[], None] | None = None
) -> AsyncGenerator[Services]:
    """Claim the data folder and run the embedded parts that the settings ask for until the block ends.

    Args:
        settings: what names an address in them is used as it is, not started.
        announce: told what is being done.
        everything: for `up`: the local model too, and the API's port checked before anything starts.
        meanwhile: called once while the parts start. It may block: what takes long to import is imported here.

    Raises:
        SetupError: the folder is in use, a port is taken, or a part does not start. Nothing is left running then.
    """
    folder = DataFolder.at(settings.data_dir)
    folder.prepare()
    with folder.claimed():
        await clear_leftovers(folder, announce)
        settings = _with_ports(settings, api=everything)
        postgres = EmbeddedPostgres(folder, announce) if settings.database.url is None else None
        temporal = _temporal(settings, folder)
        model = LocalModel(folder) if everything and settings.llm.local_model else None
        # In the order of starting; they are stopped in the opposite one.
        parts: list[Part] = [part for part in (postgres, temporal, model) if part is not None]
        async with AsyncExitStack() as stack:
            for part in parts:
                stack.push_async_callback(part.stop)
            if parts:
                announce(f"Starting {', '.join(part.title for part in parts)}")
            await _start_all(parts, meanwhile)
            running = RunningServices(
                pid=os.getpid(),
                started=psutil.Process().create_time(),
                database_url=postgres and postgres.database_url,
                temporal_address=temporal and temporal.address,
                temporal_ui_url=temporal and temporal.ui_url,
                local_model_url=model and model.base_url,
                api_url=f"http://{reachable(settings.api.host)}:{settings.api.port}" if everything else None,
            )
            folder.write_running(running)
            stack.callback(folder.clear_running)
            yield Services(settings=settings, folder=folder, endpoints=_endpoints(settings, running), parts=parts)


async def _start_all(parts: Sequence[Part], meanwhile: Callable[[], None] | None) -> None:
    """Start the parts at the same time; the first that fails ends the attempt."""
    starts = [asyncio.create_task(part.start()) for part in parts]
    try:
        if meanwhile:
            await asyncio.sleep(0)  # lets each of them start its process
            meanwhile()
        await asyncio.gather(*starts)
    finally:
        for start in starts:
            start.cancel()
        await asyncio.gather(*starts, return_exceptions=True)


def _with_ports(settings: Settings, *, api: bool) -> Settings:
    """Return the settings with free ports where they say 0; every port is checked before anything is started."""
    changes: dict[str, object] = {}
    if settings.temporal.address is None:
        port = claim_port(LOOPBACK, settings.temporal.port, "PERDURE_TEMPORAL__PORT")
        ui_port = claim_port(LOOPBACK, settings.temporal.ui_port, "PERDURE_TEMPORAL__UI_PORT")
        changes["temporal"] = settings.temporal.model_copy(update={"port": port, "ui_port": ui_port})
    if api:
        port = claim_port(settings.api.host, settings.api.port, "PERDURE_API__PORT")
        changes["api"] = settings.api.model_copy(update={"port": port})
    return settings.model_copy(update=changes)


def _temporal(settings: Settings, folder: DataFolder) -> EmbeddedTemporal | None:
    if settings.temporal.address is not None:
        return None
    temporal = settings.temporal
    return EmbeddedTemporal(folder, port=temporal.port, ui_port=temporal.ui_port, namespace=temporal.namespace)


def _endpoints(settings: Settings, running: RunningServices) -> Endpoints:
    database_url = configured_database_url(settings) or running.database_url
    temporal_address = settings.temporal.address or running.temporal_address
    if database_url is None or temporal_address is None:
        # What no setting names is embedded, so both are known here.
        raise AssertionError
    return Endpoints(
        database_url=database_url,
        temporal_address=temporal_address,
        temporal_ui_url=configured_ui_url(settings) or running.temporal_ui_url,
        local_model_url=running.local_model_url,
    )
