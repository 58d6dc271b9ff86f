"""An OpenAI-compatible model that says what it is told to, in a process of its own.

`python -m tests.support.scripted_model --port 0` prints its port as the first line and serves `/v1/chat/completions`
(streamed and whole), `/v1/models`, and for the test that drives it `POST /script`, `POST /reset`, `GET /requests`.
With nothing scripted it answers at once with a few words that name a hash of the prompt. Tests use `ScriptedModel`.
"""

import argparse
import asyncio
import io
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from tests.support.scripted_embeddings import (
    EMBEDDING_BEHAVIOURS,
    EMBEDDING_CALLS,
    EmbeddingBehaviour,
    EmbeddingCall,
)
from tests.support.scripted_reranking import RERANK_BEHAVIOURS, RERANK_CALLS, RerankBehaviour, RerankCall
from tests.support.scripted_wire import BEHAVIOURS, Behaviour, RecordedRequest, RecordedRequests, ScriptedCall

__all__ = ["Behaviour", "RecordedRequest", "RecordedRequests", "ScriptedCall", "ScriptedModel"]


CHECKOUT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.01
STOP_SECONDS = 5


class ScriptedModel:
    """A scripted model in a process of its own: `async with ScriptedModel() as model: ... model.base_url`."""

    def __init__(self, *, port: int = 0, latency_ms: float = 0) -> None:
        self._port = port
        self._latency_ms = latency_ms
        self._process: asyncio.subprocess.Process | None = None
        self._http: aiohttp.ClientSession | None = None

    @property
    def base_url(self) -> str:
        """What goes into `OPENAI_BASE_URL`."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def start(self) -> Self:
        """Start the process and wait until it listens."""
        command = [sys.executable, "-m", "tests.support.scripted_model", "--until-stdin-closes"]
        command += ["--port", str(self._port), "--latency-ms", str(self._latency_ms)]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=CHECKOUT,
        )
        if self._process.stdout is None:
            raise RuntimeError("the scripted model has no output")
        line = await self._process.stdout.readline()
        if not line.strip().isdigit():
            raise RuntimeError(f"the scripted model did not start: {line!r}")
        self._port = int(line)
        self._http = aiohttp.ClientSession(f"http://127.0.0.1:{self._port}")
        return self

    async def stop(self) -> None:
        """End the process; a second call does nothing."""
        if self._http is not None:
            await self._http.close()
            self._http = None
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()
                try:
                    await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
                except TimeoutError:
                    # The signal can come while the server swallows interrupts; nothing is kept, so nothing is lost.
                    self._process.kill()
                    await self._process.wait()
            self._process = None

    async def script(self, *behaviours: Behaviour) -> None:
        """Append behaviours; earlier ones are tried first."""
        content = BEHAVIOURS.dump_json(list(behaviours))
        async with self._session.post("/script", data=io.BytesIO(content)) as response:
            response.raise_for_status()

    async def script_embeddings(self, *behaviours: EmbeddingBehaviour) -> None:
        """Say how the next calls for embeddings are answered."""
        content = EMBEDDING_BEHAVIOURS.dump_json(list(behaviours))
        async with self._session.post("/embeddings/script", data=io.BytesIO(content)) as response:
            response.raise_for_status()

    async def script_reranking(self, *behaviours: RerankBehaviour) -> None:
        """Say how the next calls of the rerank endpoint are answered."""
        content = RERANK_BEHAVIOURS.dump_json(list(behaviours))
        async with self._session.post("/rerank/script", data=io.BytesIO(content)) as response:
            response.raise_for_status()

    async def rerank_calls(self) -> list[RerankCall]:
        """The calls of the rerank endpoint since the last reset, oldest first."""
        async with self._session.get("/rerank") as response:
            response.raise_for_status()
            return RERANK_CALLS.validate_json(await response.read())

    async def embedding_calls(self) -> list[EmbeddingCall]:
        """The calls for embeddings since the last reset, oldest first."""
        async with self._session.get("/embeddings") as response:
            response.raise_for_status()
            return EMBEDDING_CALLS.validate_json(await response.read())

    async def wait_for_embedding_calls(self, count: int, *, seconds: float = 10) -> list[EmbeddingCall]:
        """Wait until at least `count` calls for embeddings have come in; TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds):
            while True:
                calls = await self.embedding_calls()
                if len(calls) >= count:
                    return calls
                await asyncio.sleep(POLL_SECONDS)

    async def reset(self) -> None:
        """Forget the script and the requests."""
        async with self._session.post("/reset") as response:
            response.raise_for_status()

    async def recorded(self) -> RecordedRequests:
        """The number of requests since the last reset and the latest of them."""
        async with self._session.get("/requests") as response:
            response.raise_for_status()
            return RecordedRequests.model_validate_json(await response.read())

    async def requests(self) -> tuple[RecordedRequest, ...]:
        """The requests since the last reset, oldest first."""
        return (await self.recorded()).requests

    async def wait_for_requests(self, count: int, *, seconds: float = 10) -> tuple[RecordedRequest, ...]:
        """Wait until at least `count` requests have come in; TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds):
            while True:
                requests = await self.requests()
                if len(requests) >= count:
                    return requests
                await asyncio.sleep(POLL_SECONDS)

    async def wait_for_disconnect(self, index: int = 0, *, seconds: float = 10) -> RecordedRequest:
        """Wait until the caller of request `index` has hung up; TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds):
            while True:
                requests = await self.requests()
                if len(requests) > index and requests[index].disconnected_at is not None:
                    return requests[index]
                await asyncio.sleep(POLL_SECONDS)

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise RuntimeError("the scripted model is not running")
        return self._http

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.stop()


def main() -> None:
    """Serve until a signal (or the end of standard input) comes."""
    # Only the model's own process needs the server, not the tests that import the handle.
    from tests.support.scripted_server import serve  # noqa: PLC0415

    parser = argparse.ArgumentParser(description="A scripted OpenAI-compatible model.")
    parser.add_argument("--port", type=int, default=0, help="0: any free port; the first line printed is the port")
    parser.add_argument(
        "--latency-ms", type=float, default=0, help="wait of the unscripted answer before its first byte"
    )
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input does")
    arguments = parser.parse_args()
    # SIGTERM ends it as Ctrl-C does, through the server's own clean-up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments.port, arguments.latency_ms, until_stdin_closes=arguments.until_stdin_closes))


if __name__ == "__main__":
    main()
