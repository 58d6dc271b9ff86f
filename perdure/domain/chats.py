"""A chat turn as the chat window sends and shows it."""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter


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
