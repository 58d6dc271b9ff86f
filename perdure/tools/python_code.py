"""`python`: a model's own calculations, in Monty's sandbox.

Monty is an interpreter of its own for a large part of Python, in a process of its own: code in it has no sockets, no
files, no environment and no packages, because the interpreter has none to give. Time and memory are limited within it,
and the process is killed where that does not help. Each call has a fresh process, some milliseconds old.
"""

import asyncio
from types import TracebackType
from typing import Self

import orjson
from pydantic import JsonValue
from pydantic_monty import (
    AsyncMonty,
    CollectString,
    MontyCrashedError,
    MontyError,
    MontyRuntimeError,
    MontySyntaxError,
    ResourceLimits,
)

from perdure.domain.generation import ToolSpec
from perdure.domain.tools import PythonTool, ToolOutput
from perdure.tools.errors import ToolCallError

MEMORY_BYTES = 128 * 1024 * 1024
PRINTED_BYTES = 1024 * 1024
LONGEST_CALL_SECONDS = 65
"""Beyond the longest time that a flow may give it: a process that answers no more is killed then."""
WAIT_FOR_A_PROCESS_SECONDS = 30
SLEEP_SECONDS = 1
"""There are as many processes as cores: code that only sleeps must not keep them from others."""

_PARAMETERS: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"code": {"type": "string", "description": "Python. Print what you want to see."}},
    "required": ["code"],
    "additionalProperties": False,
}


def python_spec(tool: PythonTool) -> ToolSpec:
    """What a model is told of it."""
    return ToolSpec(
        name=tool.name,
        description=(
            "Runs Python code and returns what it printed and the value of its last expression. Only a part of the "
            "standard library (math, json, re, datetime and a few more); no network, no files, no packages. Nothing is "
            f"kept between calls. It may take {tool.timeout_seconds:g} s."
        ),
        parameters=_PARAMETERS,
    )


class PythonSandbox:
    """Runs code in sandboxed processes, which are started at the first call."""

    def __init__(self) -> None:
        self._pool: AsyncMonty | None = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._pool is not None:
            await self._pool.__aexit__(None, None, None)
            self._pool = None

    async def call(self, tool: PythonTool, code: str) -> ToolOutput:
        """Run the code; what it raises, and limits that it reaches, are outputs that the model may react to.

        Raises:
            ToolCallError: no process was free in 30 s, or none could be started; retryable.
        """
        printed = CollectString(PRINTED_BYTES)
        limits = ResourceLimits(
            max_feed_duration_secs=tool.timeout_seconds,
            max_total_sleep_secs=SLEEP_SECONDS,
            max_memory=MEMORY_BYTES,
        )
        try:
            pool = await self._opened()
            async with pool.checkout(limits=limits) as session:
                value: object = await session.feed_run(code, print_callback=printed)
        except MontyError as error:
            return ToolOutput(content=_joined(printed.output, _said(error, tool)), is_error=True)
        except (TimeoutError, OSError):
            failure = ToolCallError(f"Tool {tool.name}: no sandbox was free for it in time.", retryable=True)
        else:
            return ToolOutput(content=_joined(printed.output, _written(value)) or "[no output]")
        raise failure

    async def _opened(self) -> AsyncMonty:
        async with self._opening:
            if self._pool is None:
                pool = AsyncMonty(
                    request_timeout=LONGEST_CALL_SECONDS,
                    checkout_timeout=WAIT_FOR_A_PROCESS_SECONDS,
                    max_checkouts_per_worker=1,
                )
                self._pool = await pool.__aenter__()
            return self._pool


def _joined(printed: str, rest: str) -> str:
    return "\n".join(part for part in (printed.rstrip("\n"), rest) if part)


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:
        return repr(value)


def _said(error: MontyError, tool: PythonTool) -> str:
    if isinstance(error, MontyCrashedError):
        if error.timed_out:
            return f"The code took longer than {tool.timeout_seconds:g} s and was stopped."
        return "The code brought its interpreter down and was stopped."
    if isinstance(error, MontyRuntimeError | MontySyntaxError):
        return error.display()
    return str(error)
