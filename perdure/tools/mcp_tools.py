"""`mcp`: the tools of MCP servers, which are set up for the worker and named by flows."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import orjson
from mcp import MCPError
from mcp_types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    Tool,
)
from pydantic import JsonValue

from perdure.domain.generation import ToolCall, ToolSpec
from perdure.domain.tools import McpTool, ToolContext, ToolOutput
from perdure.settings import McpServerSettings
from perdure.tools.errors import no_such_server
from perdure.tools.mcp_session import McpSession
from perdure.tools.mcp_transport import redacted


class McpServers:
    """A session for each server that is set up; nothing is started before its first use."""

    def __init__(self, servers: Mapping[str, McpServerSettings]) -> None:
        self._sessions = {name: McpSession(name, server) for name, server in servers.items()}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await asyncio.gather(*(session.aclose() for session in self._sessions.values()))

    async def specs(self, tool: McpTool) -> list[ToolSpec]:
        """What models are told of the server's tools, or of those that the flow names.

        Raises:
            BadToolError: the worker has no such server.
            ToolCallError: the server cannot be reached or asked.
        """
        offered = await self._session(tool).tools()
        return [_spec(name, each) for name, each in offered.items() if not tool.tools or each.name in tool.tools]

    async def call(self, tool: McpTool, call: ToolCall, context: ToolContext) -> ToolOutput:
        """Call the tool that a model means by the name it was told; the arguments have been checked.

        Raises:
            BadToolError: the worker has no such server.
            ToolCallError: the way to the server failed.
        """
        session = self._session(tool)
        inner = (await session.tools()).get(call.name)
        if inner is None:
            return ToolOutput(content=f"There is no tool {call.name} any more.", is_error=True)
        result = await session.call(inner.name, call.arguments, context.idempotency_key)
        facts: JsonValue = {"server": tool.server, "tool": inner.name}
        if isinstance(result, MCPError):
            return ToolOutput(content=redacted(result.message, session.server), is_error=True, data=facts)
        return ToolOutput(content=_text(result), is_error=result.is_error, data=facts)

    def _session(self, tool: McpTool) -> McpSession:
        session = self._sessions.get(tool.server)
        if session is None:
            raise no_such_server(tool.server)
        return session


def _spec(name: str, tool: Tool) -> ToolSpec:
    return ToolSpec(
        name=name, description=tool.description or tool.title or tool.name, parameters={**tool.input_schema}
    )


def _text(result: CallToolResult) -> str:
    if not result.content and result.structured_content is not None:
        return orjson.dumps(result.structured_content).decode()
    return "\n".join(_block(block) for block in result.content)


def _block(block: ContentBlock) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent() | AudioContent():
            return f"[{len(block.data) * 3 // 4} bytes of {block.mime_type}: not text, left out]"
        case ResourceLink():
            return f"[{block.name}: {block.uri}]"
        case EmbeddedResource(resource=TextResourceContents(text=text)):
            return text
        case EmbeddedResource():
            return f"[{block.resource.uri}: not text, left out]"
