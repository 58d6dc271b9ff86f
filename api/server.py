"""The API as a process's work: listen, serve until told to stop, let calls under way finish."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn

from api.app import create_app
from perdure.bootstrap import Runtime
from perdure.domain.errors import SetupError
from perdure.settings import ApiSettings

_log = logging.getLogger(__name__)

DRAIN_SECONDS = 4
"""Calls under way get so long to finish; with what uvicorn takes itself, stopping stays under five seconds."""

_BACKLOG = 2048
_MESSAGE_BYTES = 16 * 1024


class _Server(uvicorn.Server):
    """Leaves signals to the process that runs it."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def run(runtime: Runtime, stop: asyncio.Event, *, on_bound: Callable[[str, int], None] | None = None) -> None:
    """Serve the API until `stop` is set, then finish the calls under way and return.

    `on_bound` is told host and port before the first call is taken; with port 0 the system chooses one.

    Raises:
        SetupError: the port is in use, or the host is none of this machine's.
    """
    listener = _bind(runtime.settings.api)
    host, port = listener.getsockname()[:2]
    app = create_app(runtime)
    server = _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="websockets-sansio",
            # Whoever watches sends nothing; deflating every token would cost memory and time for each watcher.
            ws_max_size=_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            # Tokens of event streams stand in the query: no line of a log may hold it.
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    # uvicorn logs addresses at INFO, with their queries where a WebSocket opens.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True
    if on_bound is not None:
        on_bound(host, port)
    _log.info("The API listens on %s port %d", host, port)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
    stopping = asyncio.create_task(stop.wait(), name="API stop")
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        # Event streams last as long as what they tell of: they end now.
        app.state.stopping.set()
        server.should_exit = True
        await serving
    finally:
        stopping.cancel()
        if not serving.done():
            serving.cancel()
        listener.close()


def _bind(settings: ApiSettings) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise SetupError(f"There is no host '{settings.host}' here: set PERDURE_API__HOST.") from error
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise SetupError(_unbindable(settings, error)) from error
    return listener


def _unbindable(settings: ApiSettings, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {settings.port} is in use: stop what uses it, or set PERDURE_API__PORT to another."
    if error.errno == errno.EACCES:
        return f"Port {settings.port} may not be used by this user: set PERDURE_API__PORT to one above 1023."
    return f"{settings.host} is no address of this machine: set PERDURE_API__HOST to one."
