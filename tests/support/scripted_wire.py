"""What a test tells the scripted model, and what the scripted model tells the test."""

from typing import Any, NotRequired, TypedDict, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, model_validator


class TextPart(TypedDict):
    """One part of a message whose content is a list."""

    text: str


class CalledFunction(TypedDict):
    """What a call calls; the arguments are JSON text."""

    name: str
    arguments: str


class MessageToolCall(TypedDict):
    """A tool call in an assistant's message."""

    id: str
    type: str
    function: CalledFunction


class ChatMessage(TypedDict):
    """One message of a chat completions body."""

    role: str
    content: NotRequired[str | list[TextPart] | None]
    tool_calls: NotRequired[list[MessageToolCall]]
    tool_call_id: NotRequired[str]


class OfferedFunction(TypedDict):
    """A function as it is offered to the model."""

    name: str
    description: NotRequired[str]
    parameters: NotRequired[dict[str, JsonValue]]
    strict: NotRequired[bool]


class OfferedTool(TypedDict):
    """One of the tools of a chat completions body."""

    type: str
    function: OfferedFunction


class StreamOptions(TypedDict, total=False):
    """What a caller may ask of a stream."""

    include_usage: bool


class ChatBody(TypedDict, total=False):
    """The part of a chat completions body that the scripted model looks at."""

    model: str
    messages: list[ChatMessage]
    tools: list[OfferedTool]
    response_format: dict[str, JsonValue]
    stream: bool
    stream_options: StreamOptions | None


class ScriptedCall(BaseModel):
    """A tool call that the model answers with."""

    model_config = ConfigDict(frozen=True)

    name: str
    arguments: dict[str, JsonValue] | str = Field(default={}, description="Text is sent as it stands, JSON or not.")
    id: str | None = Field(default=None, description="None: one that no other call has.")


class Behaviour(BaseModel):
    """How to answer one request. The first behaviour that matches and is not used up is taken."""

    model_config = ConfigDict(frozen=True)

    user: str | None = Field(default=None, description="Regular expression found in the last user message.")
    system: str | None = Field(default=None, description="Regular expression found in the system prompt.")
    last: str | None = Field(default=None, description="Regular expression found in the last message, whoever's.")
    tool: str | None = Field(default=None, description="Regular expression found in the last tool result.")
    times: int | None = Field(default=1, description="How many requests it answers; None: all that match.")
    text: str | None = Field(
        default=None, description="The answer; None: the default one with the prompt's hash, or none beside tool calls."
    )
    tool_calls: tuple[ScriptedCall, ...] = Field(default=(), description="Sent after the text.")
    delay_ms: float = Field(default=0, description="Wait before the first byte.")
    token_delay_ms: float = Field(
        default=0, description="Wait before each token: a word, a call's name, or a piece of its arguments."
    )
    status: int = 200
    headers: dict[str, str] = {}
    body: JsonValue = Field(default=None, description="Body of an answer whose status is not 200.")
    drop_after_tokens: int | None = Field(default=None, description="Cut the connection after that many tokens.")
    hang_after_tokens: int | None = Field(default=None, description="Send nothing more after that many tokens.")
    stream_error: JsonValue = Field(default=None, description="An `error` object sent in the stream after the tokens.")
    usage: bool = Field(default=True, description="Whether token counts are reported.")
    finish_reason: str | None = Field(default="stop", description="With tool calls `tool_calls`, unless it is given.")

    @model_validator(mode="before")
    @classmethod
    def _finish(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {"finish_reason": "tool_calls", **given} if given.get("tool_calls") else given


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
    def messages(self) -> list[ChatMessage]:
        """The conversation as it came, tool calls and results included."""
        return self._chat.get("messages", [])

    @property
    def tools(self) -> list[OfferedTool]:
        """The tools the model was offered."""
        return self._chat.get("tools", [])

    @property
    def response_format(self) -> dict[str, JsonValue] | None:
        """What the answer was to be, None for text."""
        return self._chat.get("response_format")

    @property
    def last_message(self) -> str:
        """The text of the last message, whoever's."""
        return text_of(self.messages[-1])

    @property
    def last_user_message(self) -> str:
        """The text of the last message whose role is `user`."""
        return last_content(self._chat, "user")

    @property
    def system_prompt(self) -> str:
        """The text of the system (or developer) messages, empty if there are none."""
        return system_text(self._chat)


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
            return text_of(message)
    return ""


def system_text(body: ChatBody) -> str:
    """The system (or developer) messages of a chat completions body, an empty line between them."""
    return "\n\n".join(
        text_of(message) for message in body.get("messages", []) if message["role"] in {"system", "developer"}
    )


def text_of(message: ChatMessage) -> str:
    """The text of a message; empty where it has none, as beside tool calls."""
    content = message.get("content")
    return content if isinstance(content, str) else "".join(part["text"] for part in content or [])
