"""The life of a command that runs until it is told to stop: signals, start-up that can be cut short, logs."""

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


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

    asyncio.run(run())


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


def log_to_file(path: Path) -> None:
    """Send all logs to a file, INFO and above: the terminal belongs to the command."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    logging.basicConfig(filename=path, level=logging.INFO, format=_LOG_FORMAT, force=True)


def log_to_stderr() -> None:
    """Send all logs to stderr, INFO and above: how a service of its own reports."""
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, force=True)
