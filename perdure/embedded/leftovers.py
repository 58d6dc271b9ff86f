"""What a killed `up` or `services` left running in this data folder, and how it is cleared away.

PostgreSQL and Temporal outlive a parent that is killed. They are recognised by their command lines, which name files of
this very data folder, never by a program's name or a process number alone: other folders' servers, and a number that
was used again, are safe (psutil compares a process's start time before it signals it). The local model needs none of
this: it ends by itself.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from perdure.domain.errors import SetupError
from perdure.embedded.data_folder import DataFolder

_POLL_SECONDS = 0.03
_POLITE_SECONDS = 8.0
_FIRM_SECONDS = 3.0


async def clear_leftovers(folder: DataFolder, announce: Callable[[str], None]) -> None:
    """Stop what an earlier start left behind. Call it while holding the folder: no one else's servers are here then.

    Raises:
        SetupError: something does not end.
    """
    servers = list(_servers(folder))
    if servers:
        announce("Stopping what an earlier start left running")
        # INT is PostgreSQL's fast stop, with a checkpoint; for Temporal it is the same as TERM.
        await _end(servers, signal.SIGINT)
    # Sessions end when their server does; a new server cannot start beside one that is slow to notice.
    await _end(list(_sessions(folder.postgres)), signal.SIGQUIT)
    _drop_misleading_pid_file(folder.postgres)
    folder.clear_running()


def _servers(folder: DataFolder) -> Iterator[psutil.Process]:
    """Find programs of ours that have a file of the folder among their arguments."""
    files = {
        "postgres": {str(folder.postgres)},
        "initdb": {str(folder.postgres_in_making)},
        "temporal": {str(folder.temporal_file)},
    }
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if words and not files.get(Path(words[0]).name, set[str]()).isdisjoint(words[1:]):
            yield process


def _sessions(cluster: Path) -> Iterator[psutil.Process]:
    """Find a server's own processes. Titles have replaced their command lines; the folder they work in tells them."""
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and Path(process.cwd()) == cluster:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


async def _end(processes: Sequence[psutil.Process], polite: signal.Signals) -> None:
    waiting = list(processes)
    for number, seconds in ((polite, _POLITE_SECONDS), (signal.SIGKILL, _FIRM_SECONDS)):
        for process in waiting:
            _signal(process, number)
        deadline = time.monotonic() + seconds
        while waiting and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
            waiting = [process for process in waiting if _runs(process)]
        if not waiting:
            return
    raise SetupError(
        f"Process {waiting[0].pid} still uses the data folder: stop it, or set PERDURE_DATA_DIR to another folder."
    )


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied as error:
        raise SetupError(
            f"Process {process.pid} of another user uses the data folder: stop it, or set PERDURE_DATA_DIR to another "
            "folder."
        ) from error


def _runs(process: psutil.Process) -> bool:
    """Tell whether it still works; one that has ended and waits for its parent to notice does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _drop_misleading_pid_file(cluster: Path) -> None:
    """Remove a `postmaster.pid` whose number now belongs to another program, as happens after a restart of the machine.

    PostgreSQL would refuse to start beside it. Where the number is free, or is a PostgreSQL's, PostgreSQL itself knows
    best, and the file stays.
    """
    file = cluster / "postmaster.pid"
    try:
        number = int(file.read_text().splitlines()[0])
        name = psutil.Process(number).name()
    except (FileNotFoundError, NotADirectoryError, ValueError, IndexError, psutil.NoSuchProcess):
        return
    if name != "postgres":
        file.unlink()
