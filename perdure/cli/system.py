"""Everything `up` runs, in one process and its children: embedded services, migrations, API, worker.

API and worker share one process because its Temporal client can then hand a new execution to the worker beside it
without a round trip (eager start).
"""

import asyncio
import importlib
import logging
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from perdure.cli.output import Announce
from perdure.cli.process import engine_logs_to_python, interruptible, log_to_file, tune_for_serving
from perdure.domain.errors import SetupError
from perdure.embedded.data_folder import DataFolder
from perdure.embedded.endpoints import Endpoints
from perdure.embedded.part import dead_part, death
from perdure.embedded.ports import reachable
from perdure.embedded.services import Services, open_services
from perdure.settings import Settings

if TYPE_CHECKING:
    from perdure.bootstrap import Runtime

_log = logging.getLogger(__name__)

_DRAIN_SECONDS = 8.0
"""Running requests and activities get this long; what is not done then is taken up after the next start."""
_CANCEL_SECONDS = 1.0
_READY_SECONDS = 30.0
_POLL_SECONDS = 0.03
_EXIT_SECONDS = 0.3
"""A lost connection is noticed a moment before the exit of the process at its other end."""


@dataclass(frozen=True)
class System:
    """What runs and where it answers."""

    settings: Settings
    endpoints: Endpoints
    folder: DataFolder
    api_url: str
    """Without a slash at the end."""
    _services: Services
    _servers: tuple[asyncio.Task[None], ...]

    async def run(self, work: Awaitable[object]) -> None:
        """Wait for `work`, but no longer than everything runs.

        Raises:
            SetupError: something ended by itself first; `work` is cancelled then.
        """
        task = asyncio.ensure_future(work)
        watcher = asyncio.create_task(death(self._services.parts))
        try:
            await asyncio.wait({task, watcher, *self._servers}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            finished = task.done()
            task.cancel()
            watcher.cancel()
            await asyncio.wait({task, watcher})
        if not finished:
            await self._raise_end()
        await task

    async def _raise_end(self) -> None:
        await _raise_dead_part(self._services)
        for each in self._servers:
            if each.done():
                await each
        raise SetupError(f"The API or the worker ended by itself: see {self.folder.log('perdure')}.")


@asynccontextmanager
async def open_system(settings: Settings, *, stop: asyncio.Event, announce: Announce) -> AsyncGenerator[System]:
    """Start everything and wait until it answers; at the end of the block stop it all in the opposite order.

    Raises:
        PerdureError: something does not start. Nothing is left running then.
        InterruptedStartError: `stop` was set before all was ready.
    """
    async with AsyncExitStack() as stack:
        async with interruptible(stop):
            services = await stack.enter_async_context(
                open_services(settings, announce=announce, everything=True, meanwhile=_load_rooms)
            )
            log_to_file(services.folder.log("perdure"))
            try:
                system = await _start(stack, services, announce)
            except Exception:
                # Whatever broke, broke because of a part that died, if one did: that is what the user has to know.
                await _raise_dead_part(services)
                raise
        yield system


def _load_rooms() -> None:
    """Import what takes a second or two: FastAPI, the Temporal SDK, the model clients."""
    for room in ("perdure.bootstrap", "perdure.cli.accounts", "api.server", "worker"):
        importlib.import_module(room)
    engine_logs_to_python()


async def _start(stack: AsyncExitStack, services: Services, announce: Announce) -> System:
    from perdure.bootstrap import open_runtime
    from perdure.cli.accounts import ensure_admin
    from perdure.storage import migrate

    announce("Bringing the database's tables up to date")
    await migrate.upgrade(services.endpoints.database_url)
    runtime = await stack.enter_async_context(open_runtime(services.settings, services.endpoints))
    await ensure_admin(runtime, services.folder)
    announce("Starting the API and the worker")
    servers = await stack.enter_async_context(_serving(runtime))
    system = System(
        settings=services.settings,
        endpoints=services.endpoints,
        folder=services.folder,
        api_url=f"http://{reachable(services.settings.api.host)}:{services.settings.api.port}",
        _services=services,
        _servers=servers,
    )
    await system.run(_until_ready(system.api_url, runtime))
    tune_for_serving()
    return system


@asynccontextmanager
async def _serving(runtime: "Runtime") -> AsyncGenerator[tuple[asyncio.Task[None], ...]]:
    """Run the API and the worker; at the end let both finish what they are doing, within bounds."""
    import worker
    from api import server

    # With a Temporal of its own, this is the only worker there is.
    alone = runtime.settings.temporal.address is None
    stop = asyncio.Event()
    servers = (
        asyncio.create_task(server.run(runtime, stop), name="API"),
        asyncio.create_task(worker.run(runtime, stop, alone=alone), name="worker"),
    )
    try:
        yield servers
    finally:
        stop.set()
        _, late = await asyncio.wait(servers, timeout=_DRAIN_SECONDS)
        for task in late:
            _log.warning("the %s did not finish within %.0f s and is cut short", task.get_name(), _DRAIN_SECONDS)
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_CANCEL_SECONDS)
        for task in servers:
            if task.done() and not task.cancelled() and (error := task.exception()):
                _log.error("the %s ended with an error", task.get_name(), exc_info=error)


async def _until_ready(api_url: str, runtime: "Runtime") -> None:
    """Ask until the API and what it depends on answer, and new runs have a worker."""
    try:
        async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as session:
            while not await _api_is_ready(session, api_url) or not await _worker_is_ready(runtime):  # noqa: ASYNC110
                # Neither of them can tell: one is asked over HTTP, of the other Temporal knows.
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        folder = DataFolder.at(runtime.settings.data_dir)
        raise SetupError(
            f"The API and the worker are not ready after {_READY_SECONDS:.0f} s: see {folder.log('perdure')}."
        ) from error


async def _api_is_ready(session: aiohttp.ClientSession, api_url: str) -> bool:
    try:
        async with session.get(f"{api_url}/health/ready") as answer:
            return answer.ok
    except aiohttp.ClientConnectionError:
        return False


async def _worker_is_ready(runtime: "Runtime") -> bool:
    from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest
    from temporalio.service import RPCError, RPCStatusCode

    from perdure.temporal.deployment import deployment_version

    if not runtime.settings.worker.make_current:
        return True
    mine = deployment_version(runtime.settings.worker)
    try:
        described = await runtime.client.workflow_service.describe_worker_deployment(
            DescribeWorkerDeploymentRequest(namespace=runtime.client.namespace, deployment_name=mine.deployment_name)
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    current = described.worker_deployment_info.routing_config.current_deployment_version
    return current.build_id == mine.build_id


async def _raise_dead_part(services: Services) -> None:
    if dead_part(services.parts) is None:
        await asyncio.sleep(_EXIT_SECONDS)
    if error := dead_part(services.parts):
        raise error
