"""A chat as its window sends and shows it: turns, and the sessions that they make."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from perdure.domain.flows import MemoryConfig
from perdure.domain.generation import PromptMessage, ToolCall

SESSION_CREATED = "SessionCreated"
SESSION_CLEARED = "SessionCleared"
SESSION_DELETED = "SessionDeleted"
SESSION_MEMORY_CHANGED = "SessionMemoryChanged"
SESSION_SUMMARIZED = "SessionSummarized"

INTERRUPTED = "[interrupted]"
"""What a model is shown at the end of an answer that the next message cut off."""


class ChatRequest(BaseModel):
    """One message of the user."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    message: str = Field(min_length=1, max_length=1_000_000, pattern=r"\S")
    session_id: str | None = Field(default=None, min_length=1, max_length=255, description="None: a new session.")


class ChatUsage(BaseModel):
    """Tokens of one turn, as the provider counted them; null where it counted none."""

    model_config = ConfigDict(frozen=True)

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None


class ToolCallMade(BaseModel):
    """A tool call of a turn; its output is that of the execution's step."""

    model_config = ConfigDict(frozen=True)

    step_id: str
    name: str
    arguments: dict[str, JsonValue]
    is_error: bool = Field(description="Whether the model was told of a failure or a refusal.")


class ChatAnswer(BaseModel):
    """How a turn ended. `success` false: `response` is null and `error_message` says why."""

    model_config = ConfigDict(frozen=True)

    success: bool
    response: str | None
    error_message: str | None = None
    session_id: str
    message_count: int = Field(description="Messages of the session after this turn.")
    usage: ChatUsage
    execution_id: UUID
    sources: list[dict[str, JsonValue]]
    tool_calls: list[ToolCallMade] = Field(
        default_factory=list[ToolCallMade], description="What was called before the answer, in order."
    )


class ToldMessage(BaseModel):
    """A message of a conversation that its caller keeps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str


_TOLD = TypeAdapter(tuple[ToldMessage, ...])


def told_messages(input_data: Mapping[str, JsonValue]) -> tuple[ToldMessage, ...] | None:
    """The conversation before this turn, where the input brings it as `messages`; None where a session holds it.

    Raises:
        ValidationError: it is not a list of messages.
    """
    told = input_data.get("messages")
    return None if told is None else _TOLD.validate_python(told)


class SessionSummary(BaseModel):
    """The older messages of a session in short, and what making it has used so far; null where a part is not known."""

    model_config = ConfigDict(frozen=True)

    content: str
    upto: int = Field(description="How many of the session's first messages it holds.")
    model: str
    folds: int = Field(description="How often it was rewritten.")
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None


class ChatSession(BaseModel):
    """One conversation of the caller's with one chatflow."""

    model_config = ConfigDict(frozen=True)

    id: str
    chatflow_id: UUID
    chatflow_name: str
    message_count: int
    memory_config: MemoryConfig = Field(description="What its next turn is reminded of.")
    has_own_memory: bool = Field(description="Whether that is the session's own; otherwise it is the chatflow's.")
    summary: SessionSummary | None = None
    created_at: datetime
    updated_at: datetime


class SessionList(BaseModel):
    """A page of sessions, the latest used first; `total` of all that match."""

    model_config = ConfigDict(frozen=True)

    sessions: list[ChatSession]
    total: int


class ToolUse(BaseModel):
    """A tool call that an answer was made from, and what came of it as the model was shown it."""

    model_config = ConfigDict(frozen=True)

    name: str
    arguments: dict[str, JsonValue]
    output: str


def tool_uses(steps: Iterable[PromptMessage]) -> list[ToolUse]:
    """Pair the calls of a turn's steps with their results, in order."""
    uses: list[ToolUse] = []
    calls: list[ToolCall] = []
    for step in steps:
        if step.role == "assistant":
            calls = list(step.tool_calls)
        elif calls:
            call = calls.pop(0)
            uses.append(ToolUse(name=call.name, arguments=call.arguments, output=step.content))
    return uses


class ChatMessage(BaseModel):
    """One message of a session."""

    model_config = ConfigDict(frozen=True)

    sequence: int = Field(description="1, 2, 3 … within the session.")
    role: Literal["user", "assistant"]
    content: str
    execution_id: UUID = Field(description="The turn that it belongs to.")
    created_at: datetime
    interrupted: bool = Field(description="Whether the next message cut this answer off.")
    tool_calls: list[ToolUse] = Field(
        default_factory=list[ToolUse], description="What was called before this answer, in order."
    )


class ChatHistory(BaseModel):
    """A page of a session's messages, oldest first; `total` of all."""

    model_config = ConfigDict(frozen=True)

    session_id: str
    messages: list[ChatMessage]
    total: int


class SessionExport(BaseModel):
    """A session with all its messages."""

    model_config = ConfigDict(frozen=True)

    session: ChatSession
    messages: list[ChatMessage]


def to_markdown(export: SessionExport) -> str:
    """A session as a text for people."""
    session = export.session
    head = f"# {session.chatflow_name}\n\nSession `{session.id}`, {session.message_count} messages\n"
    return head + "".join(
        f"\n## {message.role.capitalize()}, {message.created_at:%Y-%m-%d %H:%M:%S} UTC\n\n"
        + "".join(map(_use_in_markdown, message.tool_calls))
        + f"{message.content}\n"
        + ("\n*Interrupted*\n" if message.interrupted else "")
        for message in export.messages
    )


def _use_in_markdown(use: ToolUse) -> str:
    arguments = json.dumps(use.arguments, ensure_ascii=False)
    # Indented, a block of code whatever stands in it: fences could be closed by the output itself.
    lines = "\n".join(f"    {line}" for line in (arguments, *use.output.splitlines()))
    return f"*Called {use.name}*\n\n{lines}\n\n"


class MemoryStrategy(BaseModel):
    """One memory type: what it does, and its settings with their defaults and limits."""

    model_config = ConfigDict(frozen=True)

    type: str
    description: str
    settings: dict[str, JsonValue]


class MemoryStrategies(BaseModel):
    """The memory types that there are."""

    model_config = ConfigDict(frozen=True)

    strategies: list[MemoryStrategy]
