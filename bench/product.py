"""The product under measurement: `perdure up` in a process of its own, called over HTTP as its users do."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from pydantic import JsonValue

CHECKOUT = Path(__file__).resolve().parents[1]
READY_SECONDS = 60


def free_port() -> int:
    """A port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Product:
    """`perdure up` with a data folder of its own: `async with Product(folder, env) as product`."""

    def __init__(self, data_dir: Path, environment: dict[str, str]) -> None:
        self.api_port, self.temporal_port = free_port(), free_port()
        self._environment = {
            **os.environ,
            **environment,
            "PERDURE_DATA_DIR": str(data_dir),
            "PERDURE_API__PORT": str(self.api_port),
            "PERDURE_TEMPORAL__PORT": str(self.temporal_port),
            "PERDURE_TEMPORAL__UI_PORT": str(free_port()),
            "PERDURE_LLM__LOCAL_MODEL": "false",
        }
        self._process: asyncio.subprocess.Process | None = None
        self._http: aiohttp.ClientSession | None = None

    @property
    def temporal_address(self) -> str:
        """Where its Temporal server answers."""
        return f"127.0.0.1:{self.temporal_port}"

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "perdure", "up", env=self._environment, cwd=CHECKOUT, stdout=asyncio.subprocess.DEVNULL
        )
        base = f"http://127.0.0.1:{self.api_port}"
        async with aiohttp.ClientSession() as probe, asyncio.timeout(READY_SECONDS):
            while not await _ready(probe, f"{base}/health/ready"):
                await asyncio.sleep(0.1)
        token = await self.output_of("token")
        self._http = aiohttp.ClientSession(
            base,
            headers={"Authorization": f"Bearer {token}"},
            connector=aiohttp.TCPConnector(limit=0),
        )
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()

    async def output_of(self, *command: str) -> str:
        """What a `perdure` command prints."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "perdure",
            *command,
            env=self._environment,
            cwd=CHECKOUT,
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        return printed.decode().strip()

    async def get(self, path: str) -> None:
        """One GET that must be a 200; the body is read and dropped."""
        async with self.http.get(path) as response:
            await response.read()
            response.raise_for_status()

    async def post(self, path: str, body: JsonValue) -> dict[str, JsonValue]:
        """One POST that must be a 200."""
        async with self.http.post(path, json=body) as response:
            response.raise_for_status()
            answer: dict[str, JsonValue] = await response.json()
            return answer

    @property
    def http(self) -> aiohttp.ClientSession:
        """The session that carries the token."""
        if self._http is None:
            msg = "Use `async with Product(...)`."
            raise RuntimeError(msg)
        return self._http


async def _ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False
