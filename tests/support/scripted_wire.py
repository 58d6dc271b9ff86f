"""What a test tells the scripted model, and what the scripted model tells the test."""

from typing import TypedDict, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter


class TextPart(TypedDict):
    """One part of a message whose content is a list."""

    text: str


class ChatMessage(TypedDict):
    """One message of a chat completions body."""

    role: str
    content: str | list[TextPart] | None


class StreamOptions(TypedDict, total=False):
    """What a caller may ask of a stream."""

    include_usage: bool


class ChatBody(TypedDict, total=False):
    """The part of a chat completions body that the scripted model looks at."""

    model: str
    messages: list[ChatMessage]
    stream: bool
    stream_options: StreamOptions | None


class Behaviour(BaseModel):
    """How to answer one request. The first behaviour that matches and is not used up is taken."""

    model_config = ConfigDict(frozen=True)

    user: str | None = Field(default=None, description="Regular expression found in the last user message.")
    system: str | None = Field(default=None, description="Regular expression found in the system prompt.")
    times: int | None = Field(default=1, description="How many requests it answers; None: all that match.")
    text: str | None = Field(default=None, description="The answer; None: the default one with the prompt's hash.")
    delay_ms: float = Field(default=0, description="Wait before the first byte.")
    token_delay_ms: float = Field(default=0, description="Wait before each token.")
    status: int = 200
    headers: dict[str, str] = {}
    body: JsonValue = Field(default=None, description="Body of an answer whose status is not 200.")
    drop_after_tokens: int | None = Field(default=None, description="Cut the connection after that many tokens.")
    hang_after_tokens: int | None = Field(default=None, description="Send nothing more after that many tokens.")
    stream_error: JsonValue = Field(default=None, description="An `error` object sent in the stream after the tokens.")
    usage: bool = Field(default=True, description="Whether token counts are reported.")
    finish_reason: str | None = "stop"


class RecordedRequest(BaseModel):
    """One request as it came in. Times are seconds since the epoch, on the model's clock."""

    model_config = ConfigDict(frozen=True)

    index: int
    arrived_at: float
    finished_at: float | None
    disconnected_at: float | None
    body: dict[str, JsonValue]
    headers: dict[str, str]

    @property
    def _chat(self) -> ChatBody:
        return cast("ChatBody", self.body)

    @property
    def last_user_message(self) -> str:
        """The text of the last message whose role is `user`."""
        return last_content(self._chat, "user")

    @property
    def system_prompt(self) -> str:
        """The text of the last system (or developer) message, empty if there is none."""
        return last_content(self._chat, "system") or last_content(self._chat, "developer")


class RecordedRequests(BaseModel):
    """`GET /requests`: how many there were since the last reset, and the latest of them, oldest first."""

    model_config = ConfigDict(frozen=True)

    total: int
    requests: tuple[RecordedRequest, ...]


BEHAVIOURS = TypeAdapter(list[Behaviour])


def last_content(body: ChatBody, role: str) -> str:
    """The text of the last message of that role in a chat completions body; empty if there is none."""
    for message in reversed(body.get("messages", [])):
        if message["role"] == role:
            content = message["content"]
            return content if isinstance(content, str) else "".join(part["text"] for part in content or [])
    return ""
