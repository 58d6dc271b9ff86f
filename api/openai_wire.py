"""What OpenAI's clients send to `/v1/chat/completions` and read from it."""

import time
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.openai_errors import RefusedParameterError
from perdure.domain.chats import ToldMessage
from perdure.domain.executions import Execution

_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})


class _Sent(BaseModel):
    # Clients send fields of their own and ones that OpenAI adds; what would change the answer is refused by name.
    model_config = ConfigDict(frozen=True, extra="ignore")


class ContentPart(_Sent):
    """A part of a message; texts alone are read."""

    type: str
    text: str | None = None


class SentMessage(_Sent):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    tool_calls: list[JsonValue] | None = None


class StreamOptions(_Sent):
    """What a stream shall hold besides the answer."""

    include_usage: bool | None = None


class ResponseFormat(_Sent):
    """The shape of the answer; a flow answers in text."""

    type: str


class CompletionRequest(_Sent):
    """A chat completion. The flow decides on its models and their settings: `temperature` and the like are ignored."""

    model: str = Field(min_length=1, max_length=255, description="A flow's id, or its name where it is the only one.")
    messages: list[SentMessage] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = Field(
        default=None, max_length=255, description="The session of a chatflow: its memory counts, not earlier messages."
    )
    n: int | None = None
    tools: list[JsonValue] | None = None
    functions: list[JsonValue] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: ResponseFormat | None = None
    modalities: list[str] | None = None
    audio: JsonValue = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream shall tell what was used."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def refuse_unsupported(self) -> None:
        """Raise RefusedParameterError for what a flow cannot do."""
        asked = {
            "n": self.n not in {None, 1},
            "tools": bool(self.tools),
            "functions": bool(self.functions),
            "logprobs": bool(self.logprobs),
            "top_logprobs": bool(self.top_logprobs),
            "response_format": self.response_format is not None and self.response_format.type != "text",
            "modalities": self.modalities not in (None, ["text"]),
            "audio": self.audio is not None,
        }
        for name, wanted in asked.items():
            if wanted:
                detail = f"'{name}' is not supported: a flow gives one answer in text, with the tools it has itself."
                raise RefusedParameterError(name, detail)

    def conversation(self) -> tuple[str, list[ToldMessage]]:
        """What is to be answered, and the messages before it.

        Raises:
            RefusedParameterError: the last message is not the user's, or one holds what is no text.
        """
        *before, last = self.messages
        place = len(before)
        text = _text(last, place)
        if last.role != "user" or not text.strip():
            raise RefusedParameterError(
                f"messages.{place}", "The last message must be the user's, with a text.", "invalid_value"
            )
        return text, [_told(message, number) for number, message in enumerate(before)]


def _told(message: SentMessage, place: int) -> ToldMessage:
    match message.role:
        case "user" | "assistant" if not message.tool_calls:
            return ToldMessage(role=message.role, content=_text(message, place))
        case "system" | "developer":
            return ToldMessage(role="system", content=_text(message, place))
        case _:
            raise RefusedParameterError(
                f"messages.{place}", "Calls of a client's tools are not supported: a flow has its own.", "invalid_value"
            )


def _text(message: SentMessage, place: int) -> str:
    if not isinstance(message.content, list):
        return message.content or ""
    for number, part in enumerate(message.content):
        if part.type not in _TEXT_PARTS:
            raise RefusedParameterError(
                f"messages.{place}.content.{number}", "Only texts are read here: leave out images, sounds and files."
            )
    return "\n".join(part.text or "" for part in message.content)


def as_task(text: str, before: Sequence[ToldMessage]) -> str:
    """A conversation as the task of a team, which has no memory of its own."""
    if not before:
        return text
    instructions = [message.content for message in before if message.role == "system"]
    said = [f"{message.role.capitalize()}: {message.content}" for message in before if message.role != "system"]
    parts = [*instructions]
    if said:
        parts += ["## The conversation so far", *said, "## What to answer now"]
    return "\n\n".join([*parts, text])


class _Answered(BaseModel):
    model_config = ConfigDict(frozen=True)


class Usage(_Answered):
    """Tokens over all model calls of the run, as the providers counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, execution: Execution) -> "Usage | None":
        """Add up a run's steps; None where no provider counted."""
        if not execution.metrics.llm_tokens:
            return None
        outputs = [node.output_data or {} for node in execution.node_executions]
        prompt, completion = (
            sum(int(str(output.get(name) or 0)) for output in outputs) for name in ("input_tokens", "output_tokens")
        )
        return cls(prompt_tokens=prompt, completion_tokens=completion, total_tokens=execution.metrics.llm_tokens)


class AnswerMessage(_Answered):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


FinishReason = Literal["stop", "length"]


class Choice(_Answered):
    """The one answer there is."""

    index: int = 0
    message: AnswerMessage
    logprobs: None = None
    finish_reason: FinishReason


class Completion(_Answered):
    """A whole answer."""

    id: str = Field(description="`chatcmpl-` and the id of the execution.")
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(description="Seconds since 1970.")
    model: str
    choices: list[Choice]
    usage: Usage | None

    @classmethod
    def of(cls, execution: Execution, model: str) -> "Completion":
        """Say a completed run."""
        choice = Choice(message=AnswerMessage(content=text_of(execution)), finish_reason=finish_reason_of(execution))
        return cls(
            id=completion_id(execution.id),
            created=int(execution.started_at.timestamp()),
            model=model,
            choices=[choice],
            usage=Usage.of(execution),
        )


class Model(_Answered):
    """A flow that the caller may run."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="Seconds since 1970.")
    owned_by: str
    name: str = Field(description="Ours: the flow's name.")
    flow_type: str = Field(description="Ours: `agentflow` or `chatflow`.")


class ModelList(_Answered):
    """A page of models: the caller's own, then those that others share."""

    object: Literal["list"] = "list"
    data: list[Model]
    has_more: bool = Field(description="Whether `page` + 1 holds more.")


def completion_id(execution_id: UUID) -> str:
    """The id of a completion."""
    return f"chatcmpl-{execution_id}"


def text_of(execution: Execution) -> str:
    """The answer of a completed run."""
    response = (execution.output_data or {}).get("response")
    return response if isinstance(response, str) else ""


def finish_reason_of(execution: Execution) -> FinishReason:
    """Why the answer ended."""
    outputs = [node.output_data for node in execution.node_executions if node.output_data]
    return "length" if outputs and outputs[-1].get("finish_reason") == "length" else "stop"


class Chunks:
    """The frames of one streamed answer."""

    def __init__(self, execution_id: UUID, model: str, *, with_usage: bool) -> None:
        self._head: dict[str, JsonValue] = {
            "id": completion_id(execution_id),
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        # A stream that ends with the usage says null before it, as OpenAI's does.
        self._usage: dict[str, JsonValue] = {"usage": None} if with_usage else {}

    def delta(self, delta: dict[str, JsonValue], finish_reason: FinishReason | None = None) -> dict[str, JsonValue]:
        """A piece of the answer."""
        choice: dict[str, JsonValue] = {
            "index": 0,
            "delta": delta,
            "logprobs": None,
            "finish_reason": finish_reason,
        }
        return {**self._head, "choices": [choice], **self._usage}

    def usage(self, usage: Usage | None) -> dict[str, JsonValue]:
        """What the answer took: the last frame, without a choice."""
        return {**self._head, "choices": [], "usage": usage.model_dump() if usage else None}
