"""The data folder: where everything of one installation lives, and who may use it at a time."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from perdure.domain.errors import SetupError

_NEEDED_BYTES = 128 * 1024 * 1024
"""A new PostgreSQL cluster takes 45 MB and its log grows in files of 16 MB."""

_SAME_START_SECONDS = 2.0
"""Two readings of one process's start time may differ by this much: the clock is set meanwhile."""


class RunningServices(BaseModel):
    """What `up` or `services` wrote down while it runs: who it is, and where what it embeds answers.

    External services are not repeated here: their addresses are settings, and may hold a password.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float
    """Seconds since the epoch, as the operating system tells it: a process number alone may have been used again."""
    database_url: str | None = None
    temporal_address: str | None = None
    temporal_ui_url: str | None = None
    local_model_url: str | None = None
    api_url: str | None = None

    def is_alive(self) -> bool:
        """Tell whether the process that wrote this still runs."""
        try:
            started = psutil.Process(self.pid).create_time()
        except psutil.NoSuchProcess:
            return False
        return abs(started - self.started) < _SAME_START_SECONDS


@dataclass(frozen=True)
class DataFolder:
    """The folder that `PERDURE_DATA_DIR` names. `path` is absolute."""

    path: Path

    @classmethod
    def at(cls, data_dir: Path) -> Self:
        """Resolve a setting's value: a relative one counts from the current directory."""
        return cls(data_dir.expanduser().resolve())

    @property
    def postgres(self) -> Path:
        """The PostgreSQL cluster."""
        return self.path / "postgres"

    @property
    def postgres_in_making(self) -> Path:
        """The PostgreSQL cluster until it is whole."""
        return self.path / "postgres.new"

    @property
    def temporal_file(self) -> Path:
        """Temporal's SQLite file."""
        return self.path / "temporal.db"

    @property
    def admin_password(self) -> Path:
        """The first user's password, readable by the owner alone."""
        return self.path / "admin-password"

    def log(self, name: str) -> Path:
        """Name the log file of one part."""
        return self.path / "logs" / f"{name}.log"

    def prepare(self) -> None:
        """Make the folder where it is missing, and see that it can be written and has room.

        Raises:
            SetupError: it cannot be made or written, or its disk is full.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.path / "logs").mkdir(mode=0o700, exist_ok=True)
            free = shutil.disk_usage(self.path).free
            probe = self.path / f".probe-{os.getpid()}"
            probe.write_bytes(b"perdure")
            probe.unlink()
        except OSError as error:
            raise SetupError(
                f"The data folder {self.path} cannot be written ({error.strerror}): set PERDURE_DATA_DIR to another."
            ) from error
        if free < _NEEDED_BYTES:
            raise SetupError(
                f"The disk of the data folder {self.path} is full ({free // 2**20} MB free, {_NEEDED_BYTES // 2**20} "
                "needed): make room, or set PERDURE_DATA_DIR to a folder on another disk."
            )

    @contextmanager
    def claimed(self) -> Generator[None]:
        """Hold the folder for this process alone. The system lets go of it when the process ends, however it ends.

        Raises:
            SetupError: another process holds it.
        """
        lock = FileLock(self.path / "lock", timeout=0, mode=0o600)
        try:
            lock.acquire()
        except Timeout as error:
            running = self.running()
            owner = f" (process {running.pid})" if running else ""
            raise SetupError(
                f"The data folder {self.path} is in use by another `perdure up` or `perdure services`{owner}: stop it, "
                "or set PERDURE_DATA_DIR to another folder."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def running(self) -> RunningServices | None:
        """Read what the running `up` or `services` wrote down; None when none runs, whatever an old file says."""
        try:
            running = RunningServices.model_validate_json(self._running_file.read_bytes())
        except (FileNotFoundError, PermissionError, ValidationError):
            return None
        return running if running.is_alive() else None

    def write_running(self, running: RunningServices) -> None:
        """Let `api`, `worker` and the other commands find what runs."""
        write_private(self._running_file, running.model_dump_json(indent=2))

    def clear_running(self) -> None:
        """Forget what ran."""
        self._running_file.unlink(missing_ok=True)

    @property
    def _running_file(self) -> Path:
        return self.path / "services.json"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
