"""Placeholder until the tools' room is merged."""

from collections.abc import Sequence

from perdure.domain.generation import ToolCall, ToolSpec
from perdure.domain.tools import Tool, ToolContext, ToolOutput


class ToolCallError(Exception):
    """A tool call that failed."""

    def __init__(self, detail: str, *, retryable: bool) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retryable = retryable
        self.kind = "tool"
        self.retry_after_seconds: float | None = None


class Toolbox:
    """Calls tools."""

    async def specs(self, tools: Sequence[Tool]) -> list[ToolSpec]:
        """What models are told."""
        del tools
        return []

    async def call(self, tool: Tool, call: ToolCall, context: ToolContext) -> ToolOutput:
        """Call one."""
        del tool, context
        return ToolOutput(content=f"called {call.name}")

    def cut(self, content: str) -> str:
        """What a model is shown."""
        return content
