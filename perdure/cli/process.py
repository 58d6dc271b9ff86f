"""The life of a command that runs until it is told to stop: signals, start-up that can be cut short, logs."""

import asyncio
import gc
import importlib.util
import logging
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TypeVar

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_YOUNG_OBJECTS = 20_000
_SWITCH_SECONDS = 0.0005
_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LOG_BYTES = 10 * 1024 * 1024
_OLD_LOGS = 5
AGAIN_SECONDS = 1.0
"""After how long what goes on in spite of Ctrl-C is cancelled once more."""

Result = TypeVar("Result")


class InterruptedStartError(Exception):
    """A stop was asked for before everything ran. What had been started is stopped as this passes."""


def run_until_stopped(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `work` with an event that SIGINT, SIGTERM and SIGHUP set; being stopped is a good end at any moment."""

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, stop.set)
        try:
            await work(stop)
        except InterruptedStartError:
            return

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run())


async def cancelled_by_interrupt(work: Coroutine[None, None, Result]) -> Result:
    """Do work that Ctrl-C cancels, once a second until it ends.

    asyncio does so once, and libraries below may take that for a cancellation of their own: of the connection attempts
    that have lost, for one.

    Raises:
        KeyboardInterrupt: it was cancelled and said nothing else.
    """
    task = asyncio.create_task(work)
    interrupted = asyncio.Event()
    watcher = asyncio.create_task(interrupted.wait())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupted.set)
    try:
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=AGAIN_SECONDS)
        return task.result()
    except asyncio.CancelledError:
        if interrupted.is_set():
            raise KeyboardInterrupt from None
        raise
    finally:
        watcher.cancel()
        loop.remove_signal_handler(signal.SIGINT)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Pick uvloop where it exists (not on Windows): its loop and transports cost less processor time."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


async def until(stop: asyncio.Event) -> None:
    """Wait for the request to stop."""
    await stop.wait()


@asynccontextmanager
async def interruptible(stop: asyncio.Event) -> AsyncGenerator[None]:
    """Cut the block short when `stop` is set.

    Raises:
        InterruptedStartError: it was.
    """
    scope = asyncio.timeout(None)

    async def watch() -> None:
        await stop.wait()
        scope.reschedule(asyncio.get_running_loop().time())

    try:
        async with scope:
            watcher = asyncio.create_task(watch())
            try:
                yield
            finally:
                watcher.cancel()
    except TimeoutError:
        if not scope.expired():
            raise
        raise InterruptedStartError from None


def tune_for_serving() -> None:
    """Set the interpreter up for a server, once everything is imported and before the first call.

    What is alive by now stays for good: the collector need not walk over it again and again. Our loop shares the
    interpreter with the threads that run workflow code: a shorter interval than the usual 5 ms lets them alternate
    sooner.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)
    sys.setswitchinterval(_SWITCH_SECONDS)


def log_to_file(path: Path) -> None:
    """Send all logs to a file, INFO and above: the terminal belongs to the command.

    A file of 10 MB becomes `NAME.1`, and so on up to `NAME.5`, which the next one replaces.
    """
    # Where the disk is full, Python would print every line it cannot log, with a traceback, on the terminal.
    logging.raiseExceptions = False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _log_to(RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=_OLD_LOGS, encoding="utf-8"))


def log_to_stderr() -> None:
    """Send all logs to stderr, INFO and above: how a service of its own reports."""
    _log_to(logging.StreamHandler())


def _log_to(handler: logging.Handler) -> None:
    logging.basicConfig(handlers=[handler], level=logging.INFO, format=_LOG_FORMAT, force=True)
    # Says which of its own extensions it loads, at each look at the tables.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)


def engine_logs_to_python() -> None:
    """Send what the Temporal SDK's native core says to our logs; by itself it prints on stdout.

    Call it before the first client connects: a client stays with the runtime it was made on.
    """
    from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

    forwarding = LogForwardingConfig(logger=logging.getLogger("temporalio.core"))
    levels = TelemetryFilter(core_level="WARN", other_level="ERROR")
    telemetry = TelemetryConfig(logging=LoggingConfig(filter=levels, forwarding=forwarding))
    Runtime.set_default(Runtime(telemetry=telemetry))
