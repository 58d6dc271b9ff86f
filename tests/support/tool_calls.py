"""Calls of tools as a run makes them."""

from uuid import UUID

from pydantic import JsonValue

from perdure.domain.generation import ToolCall
from perdure.domain.tools import ToolContext

CONTEXT = ToolContext(user_id=1, execution_id=UUID(int=7), step_id="a1", idempotency_key="run-7/a1/call-1")


def call(name: str, /, **arguments: JsonValue) -> ToolCall:
    """A model's call of the tool of this name."""
    return ToolCall(id="call-1", name=name, arguments=arguments)
