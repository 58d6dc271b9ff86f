"""All tools behind one door: what models are told of them, and the call."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiohttp.abc import AbstractResolver
from pydantic import JsonValue

from perdure.domain.generation import ToolCall, ToolSpec
from perdure.domain.tools import (
    BadToolError,
    HttpRequestTool,
    KnowledgeSearchTool,
    McpTool,
    PythonTool,
    RunFlowTool,
    Tool,
    ToolContext,
    ToolOutput,
)
from perdure.settings import ToolSettings
from perdure.tools.arguments import problem_with
from perdure.tools.errors import no_such_server
from perdure.tools.http_request import HttpRequests, http_spec
from perdure.tools.output import cut
from perdure.tools.python_code import PythonSandbox, python_spec

if TYPE_CHECKING:
    from perdure.tools.mcp_tools import McpServers

KnowledgeSearch = Callable[[KnowledgeSearchTool, str, ToolContext], Awaitable[ToolOutput]]
"""Finds passages for a query; it lives in another room and is handed in."""


class Toolbox:
    """The tools of a worker process: `async with Toolbox(settings.tools) as toolbox: …`. Starts nothing before its use.

    Args:
        settings: limits, MCP servers.
        search: carries out `knowledge_search`; None where there is none.
        resolver: finds the addresses of names for `http_request`; unset, the system's.
    """

    def __init__(
        self, settings: ToolSettings, *, search: KnowledgeSearch | None = None, resolver: AbstractResolver | None = None
    ) -> None:
        self._settings = settings
        self._search = search
        self._http = HttpRequests(settings, resolver=resolver)
        self._mcp = _mcp_servers(settings)
        self._python = PythonSandbox()
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self._http)
        await self._open.enter_async_context(self._python)
        if self._mcp is not None:
            await self._open.enter_async_context(self._mcp)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def specs(self, tools: Sequence[Tool]) -> list[ToolSpec]:
        """What models are told of these tools, in their order; an MCP server's are several.

        Raises:
            BadToolError: the flow names an MCP server that the worker does not have.
            ToolCallError: an MCP server cannot be reached or asked.
        """
        return [spec for tool in tools for spec in await self._specs(tool)]

    async def call(self, tool: Tool, call: ToolCall, context: ToolContext) -> ToolOutput:
        """Carry out a model's call of this tool. What the model may react to is an output with `is_error`.

        Raises:
            BadToolError: the flow's words for the tool fit nothing here; a flow as a tool is run by the workflow.
            ToolCallError: the call failed on the way; says whether to try again.
        """
        spec = next((spec for spec in await self._specs(tool) if spec.name == call.name), None)
        if spec is None:
            return ToolOutput(content=f"There is no tool {call.name}.", is_error=True)
        problem = problem_with(call, spec)
        if problem is not None:
            return ToolOutput(content=problem, is_error=True)
        match tool:
            case HttpRequestTool():
                return await self._http.call(tool, call.arguments, context)
            case McpTool():
                return await self._servers(tool).call(tool, call, context)
            case PythonTool():
                return await self._python.call(tool, str(call.arguments["code"]))
            case KnowledgeSearchTool():
                if self._search is None:
                    raise BadToolError(f"Tool '{tool.name}' has no knowledge bases to search on this worker.")
                return await self._search(tool, str(call.arguments["query"]), context)
            case RunFlowTool():
                raise BadToolError(f"Tool '{tool.name}' is a flow, which only a workflow can run.")

    def cut(self, output: ToolOutput) -> ToolOutput:
        """The output as a model is shown it: no longer than `PERDURE_TOOLS__OUTPUT_CHARACTERS`."""
        return output.model_copy(update={"content": cut(output.content, self._settings.output_characters)})

    def _servers(self, tool: McpTool) -> "McpServers":
        if self._mcp is None:
            raise no_such_server(tool.server)
        return self._mcp

    async def _specs(self, tool: Tool) -> list[ToolSpec]:
        match tool:
            case McpTool():
                return await self._servers(tool).specs(tool)
            case HttpRequestTool():
                return [http_spec(tool)]
            case PythonTool():
                return [python_spec(tool)]
            case KnowledgeSearchTool():
                return [
                    ToolSpec(
                        name=tool.name,
                        description="Searches the knowledge bases and returns the passages that fit best.",
                        parameters=_one_text("query", "What to look for, in a sentence or some words."),
                    )
                ]
            case RunFlowTool():
                return [
                    ToolSpec(
                        name=tool.name,
                        description=tool.description or "Hands a task to another flow and returns its answer.",
                        parameters=_one_text("message", "The task, with all that is needed to do it."),
                    )
                ]


def _mcp_servers(settings: ToolSettings) -> "McpServers | None":
    if not settings.mcp_servers:
        return None
    from perdure.tools.mcp_tools import McpServers  # noqa: PLC0415 - the SDK takes a second that few workers need

    return McpServers(settings.mcp_servers)


def _one_text(name: str, description: str) -> dict[str, JsonValue]:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "minLength": 1, "description": description}},
        "required": [name],
        "additionalProperties": False,
    }
