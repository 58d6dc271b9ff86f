"""The product as its users run it: its commands in processes of their own, called over HTTP.

The end-to-end tests and the bench share this.
"""

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from unittest.mock import patch

import aiohttp
from pydantic import JsonValue

from perdure.cli.accounts import token_of
from perdure.cli.configuration import load_settings
from perdure.cli.database import ADMIN_EMAIL, database_url
from perdure.settings import Settings
from perdure.storage import migrate

CHECKOUT = Path(__file__).resolve().parents[2]
READY_SECONDS = 90
STOP_SECONDS = 20
POLL_SECONDS = 0.05
API = "/api/agent-builder"

JsonObject = dict[str, JsonValue]


def free_port() -> int:
    """A port that nothing listens on at the moment.

    It lies below those that systems hand out by themselves, and is drawn: tests at the same time get others.
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Product:
    """Processes of one data folder: `async with Product(folder) as product: await product.start("up")`."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str] | None = None) -> None:
        self.api_port, self.temporal_port, self.ui_port = free_port(), free_port(), free_port()
        self.data_dir = data_dir
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PERDURE_", "OPENAI_"))},
            "PERDURE_DATA_DIR": str(data_dir),
            "PERDURE_API__PORT": str(self.api_port),
            "PERDURE_TEMPORAL__PORT": str(self.temporal_port),
            "PERDURE_TEMPORAL__UI_PORT": str(self.ui_port),
            "PERDURE_LLM__LOCAL_MODEL": "false",
            **(environment or {}),
        }
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self._http: aiohttp.ClientSession | None = None

    @property
    def temporal_address(self) -> str:
        """Where its Temporal server answers."""
        return f"127.0.0.1:{self.temporal_port}"

    @property
    def base_url(self) -> str:
        """Where its API answers."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def database_url(self) -> str:
        """Where its database is, once its services run."""
        return database_url(self.settings)

    @property
    def settings(self) -> Settings:
        """What its processes read from their environment."""
        with patch.dict(os.environ, self.environment, clear=True):
            return load_settings()

    async def start(
        self, *commands: str, name: str | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start `perdure COMMAND` for each and wait until all are ready; first the services that the others look for.

        A second process of one command needs a `name` of its own, to stop or kill it by.
        """
        started: list[tuple[str, asyncio.subprocess.Process, int]] = []
        for command in commands:
            own = {**self.environment, **(environment or {})}
            # Measuring coverage doubles the time that they take to start; other tests measure the same code.
            own.pop("COVERAGE_PROCESS_CONFIG", None)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "perdure",
                command,
                env=own,
                cwd=CHECKOUT,
                stdout=asyncio.subprocess.DEVNULL,
            )
            self.processes[name or command] = process
            started.append((command, process, int(own["PERDURE_API__PORT"])))
            if command == "services":
                await self._until_ready(*started.pop())
        await asyncio.gather(*(self._until_ready(*each) for each in started))

    async def stop(self, command: str) -> int:
        """Ask a process to end; its exit code."""
        process = self.processes.pop(command)
        process.terminate()
        return await asyncio.wait_for(process.wait(), STOP_SECONDS)

    async def kill(self, command: str) -> None:
        """End a process without a word: `kill -9`."""
        process = self.processes.pop(command)
        process.send_signal(signal.SIGKILL)
        await process.wait()

    async def command(self, *arguments: str) -> str:
        """What a `perdure` command prints; it must succeed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "perdure",
            *arguments,
            env=self.environment,
            cwd=CHECKOUT,
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"perdure {' '.join(arguments)} ended with {process.returncode}")
        return printed.decode().strip()

    async def migrate(self) -> None:
        """What `perdure migrate` does, without the seconds that a process takes to start."""
        await migrate.upgrade(self.database_url)

    async def token(self, email: str = ADMIN_EMAIL) -> str:
        """What `perdure token` prints, without the seconds that a process takes to start."""
        return await token_of(self.settings, self.database_url, email)

    async def log_in(self, email: str = ADMIN_EMAIL) -> None:
        """Carry a token of this user with every call from here on."""
        token = await self.token(email)
        if self._http is not None:
            await self._http.close()
        self._http = aiohttp.ClientSession(
            self.base_url,
            headers={"Authorization": f"Bearer {token}"},
            connector=aiohttp.TCPConnector(limit=0),
        )

    async def call(
        self, method: str, path: str, body: JsonValue = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, JsonValue]:
        """One call: its status and its body."""
        async with self.http.request(method, path, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def read(self, path: str) -> None:
        """One GET that must be a 200, its body read and dropped unparsed: what the bench times."""
        async with self.http.get(path) as response:
            await response.read()
            response.raise_for_status()

    async def get(self, path: str) -> JsonObject:
        """One GET that must be a 200."""
        return _object(path, *await self.call("GET", path))

    async def post(self, path: str, body: JsonValue = None, headers: Mapping[str, str] | None = None) -> JsonObject:
        """One POST that must be a 200."""
        return _object(path, *await self.call("POST", path, body, headers))

    async def ended(self, execution_id: JsonValue) -> JsonObject:
        """An execution once it has ended; the test's own time limit bounds the wait."""
        while True:
            execution = await self.get(f"{API}/executions/{execution_id}")
            if execution["status"] in {"completed", "failed", "cancelled"}:
                return execution
            await asyncio.sleep(POLL_SECONDS)

    async def running(self) -> list[str]:
        """The executions that have not ended, by the list."""
        found: list[str] = []
        for status in ("pending", "running"):
            executions = (await self.get(f"{API}/executions?status={status}&limit=100"))["executions"]
            if isinstance(executions, list):
                found += [str(each["id"]) for each in executions if isinstance(each, dict)]
        return found

    async def asked(self, execution_id: JsonValue) -> JsonObject:
        """The first approval that an execution asks for, once it does."""
        while True:
            approvals = (await self.get(f"{API}/executions/{execution_id}/approvals"))["approvals"]
            if isinstance(approvals, list) and approvals and isinstance(approvals[0], dict):
                return approvals[0]
            await asyncio.sleep(POLL_SECONDS)

    @property
    def http(self) -> aiohttp.ClientSession:
        """The session that carries the token."""
        if self._http is None:
            raise RuntimeError("log_in() comes first")
        return self._http

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()
        # The last started needs the ones before it, so it goes first.
        for command in reversed(list(self.processes)):
            await self.stop(command)

    async def _until_ready(self, command: str, process: asyncio.subprocess.Process, api_port: int) -> None:
        async with asyncio.timeout(READY_SECONDS):
            while not await self._is_ready(command, api_port):
                if process.returncode is not None:
                    raise RuntimeError(f"perdure {command} ended with {process.returncode} before it was ready")
                await asyncio.sleep(POLL_SECONDS)

    async def _is_ready(self, command: str, api_port: int) -> bool:
        if command == "worker":
            # A worker has no door to knock at; runs wait for it in Temporal.
            return True
        if command == "services":
            return (self.data_dir / "services.json").exists()
        async with aiohttp.ClientSession() as session:
            try:
                async with session.get(f"http://127.0.0.1:{api_port}/health/ready") as response:
                    return response.status == HTTP_OK
            except aiohttp.ClientConnectionError:
                return False


HTTP_OK = 200


def _object(path: str, status: int, body: JsonValue) -> JsonObject:
    if status != HTTP_OK or not isinstance(body, dict):
        raise RuntimeError(f"{path} answered {status}: {body}")
    return body
