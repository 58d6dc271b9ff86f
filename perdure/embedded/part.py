"""A part of what runs here: one child process that is started, watched and stopped."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, ClassVar, TypeAlias

from perdure.domain.errors import SetupError
from perdure.embedded.data_folder import DataFolder

_POLL_SECONDS = 0.03
_WATCH_SECONDS = 0.1
_FULL_BYTES = 16 * 1024 * 1024

StopStep: TypeAlias = tuple[signal.Signals, float]


class Part(ABC):
    """One child process. `start` returns when it answers; `stop` may be called in any state, more than once."""

    title: ClassVar[str]
    """What people call it in the middle of a sentence."""
    log_name: ClassVar[str]
    stop_steps: ClassVar[Sequence[StopStep]]
    """Signals in the order they are tried, each with the seconds it is given. SIGKILL follows by itself."""
    ready_seconds: ClassVar[float] = 60.0

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        self.log_path = folder.log(self.log_name)
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    async def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            SetupError: it does not; the caller stops the part.
        """

    async def stop(self) -> None:
        """End the process: politely first, surely at last."""
        if self._process is None:
            return
        for signal_number, seconds in self.stop_steps:
            if self._process.poll() is not None:
                break
            self._process.send_signal(signal_number)
            await self._wait_exit(seconds)
        if self._process.poll() is None:
            self._process.kill()
            await self._wait_exit(5.0)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None

    def dead(self) -> SetupError | None:
        """Return the sentence about a process that ended though nobody stopped it; None while all is well."""
        if self._process is None or self._process.poll() is None:
            return None
        return self._failure("stopped unexpectedly")

    # Popen rather than asyncio's processes: those need a child watcher of the event loop in use (uvloop knows no
    # `user=`), and polling three processes ten times a second costs nothing.
    def _spawn(
        self,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: int | None = None,
        group: int | None = None,
        piped: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start the process with its output in the log file, and with pipes to and from it where `piped`.

        It gets a session of its own, so that a Ctrl-C in the terminal reaches us alone and the order of stopping
        holds.
        """
        with self._open_log() as log:
            try:
                self._process = subprocess.Popen(
                    [str(argument) for argument in arguments],
                    stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if piped else log,
                    stderr=log,
                    env=None if environment is None else {**os.environ, **environment},
                    cwd=cwd,
                    user=user,
                    group=group,
                    extra_groups=None if user is None else [],
                    start_new_session=True,
                )
            except OSError as error:
                raise SetupError(
                    f"{self._title_first} cannot be started ({error.strerror}): install the locked requirements again."
                ) from error
        return self._process

    async def _until_ready(self, probe: Callable[[], Awaitable[bool]]) -> None:
        """Ask `probe` until it says yes, the process ends or the time is up."""
        deadline = time.monotonic() + self.ready_seconds
        while not await probe():
            if self._process is None or self._process.poll() is not None:
                raise self._failure("did not start")
            if time.monotonic() > deadline:
                raise self._failure(f"did not answer within {self.ready_seconds:.0f} s")
            await asyncio.sleep(_POLL_SECONDS)

    @property
    def _title_first(self) -> str:
        """The title as a sentence begins with it."""
        return self.title[0].upper() + self.title[1:]

    def _failure(self, what: str) -> SetupError:
        """Say in one sentence what happened to this part and where to look."""
        code = None if self._process is None else self._process.poll()
        how = "" if code is None else f" (killed by signal {-code})" if code < 0 else f" (exit code {code})"
        if shutil.disk_usage(self.folder.path).free < _FULL_BYTES:
            why = f"the disk of PERDURE_DATA_DIR ({self.folder.path}) is full"
        else:
            why = f"its log is {self.log_path}, in the folder PERDURE_DATA_DIR names"
        return SetupError(f"{self._title_first} {what}{how}: {why}.")

    async def _wait_exit(self, seconds: float) -> None:
        """Wait until the process has ended, or so long."""
        deadline = time.monotonic() + seconds
        while self._process is not None and self._process.poll() is None:
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(_POLL_SECONDS)

    def _open_log(self) -> IO[bytes]:
        """Open the log for appending; what an earlier start wrote is kept once, as `.old`."""
        try:
            self.log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.log_path.exists() and self.log_path.stat().st_size > _FULL_BYTES:
                self.log_path.replace(self.log_path.with_suffix(".log.old"))
            return self.log_path.open("ab")
        except OSError as error:
            raise SetupError(
                f"{self.log_path} cannot be written ({error.strerror}): set PERDURE_DATA_DIR to another folder."
            ) from error


def dead_part(parts: Sequence[Part]) -> SetupError | None:
    """Return the sentence about a part that ended by itself; None while all is well."""
    return next((error for part in parts if (error := part.dead())), None)


async def death(parts: Sequence[Part]) -> None:
    """Wait until one of the parts ends by itself."""
    while dead_part(parts) is None:  # noqa: ASYNC110 - see `Part._spawn`
        await asyncio.sleep(_WATCH_SECONDS)


async def run_beside(parts: Sequence[Part], stop: asyncio.Event, work: Awaitable[None]) -> None:
    """Wait for `work`, which ends when `stop` is set, and set that when one of the parts ends by itself.

    Raises:
        SetupError: one did.
    """
    watcher = asyncio.create_task(death(parts))
    watcher.add_done_callback(lambda _: stop.set())
    try:
        await work
    finally:
        ended, _ = await asyncio.wait({watcher}, timeout=0)
        watcher.cancel()
    if ended and (error := dead_part(parts)):
        raise error
