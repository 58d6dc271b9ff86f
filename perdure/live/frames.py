"""What travels on the live channel: the kinds of frame, and how they are stored."""

import json
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter


class Token(BaseModel):
    """The next words of what a model is writing: one token of the model's, or several that came close together."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["token"] = "token"
    node_id: str
    attempt: int = Field(description="From 1; a higher attempt's text replaces that of the lower ones.")
    index: int = Field(description="Counts a node's frames from 0 within one attempt.")
    text: str


class StepStarted(BaseModel):
    """A worker has begun an attempt at a step."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["step_started"] = "step_started"
    node_id: str
    attempt: int = Field(description="From 1; from 1 again when an operator sends the run back to before the step.")
    run_id: str | None = Field(default=None, description="The run in Temporal's sense that the attempt belongs to.")


class AttemptFailed(BaseModel):
    """An attempt failed; whether another follows, the run's events tell."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["attempt_failed"] = "attempt_failed"
    node_id: str
    attempt: int
    error: str = Field(description="A sentence without secrets.")


class ToolCalled(BaseModel):
    """A chat's model asks for a tool call."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["tool_called"] = "tool_called"
    node_id: str = Field(description="The call's step.")
    name: str
    arguments: dict[str, JsonValue]


class ToolReturned(BaseModel):
    """A tool has given its output."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["tool_returned"] = "tool_returned"
    node_id: str = Field(description="The call's step.")
    name: str
    is_error: bool


class SourcesFound(BaseModel):
    """A search of knowledge bases has come to its end."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["sources"] = "sources"
    node_id: str
    sources: list[JsonValue]


class End(BaseModel):
    """The run is over and its end is recorded: the last frame of an execution."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["end"] = "end"
    status: str


LiveFrame = Token | StepStarted | AttemptFailed | ToolCalled | ToolReturned | SourcesFound | End

_FRAMES: TypeAdapter[LiveFrame] = TypeAdapter(Annotated[LiveFrame, Field(discriminator="kind")])


def encode(frame: LiveFrame) -> str:
    """A frame's fields but its kind, as JSON that PostgreSQL takes.

    Models write what they like: `jsonb` refuses NUL, and half of a surrogate pair is not text.
    """
    fields = frame.__dict__.copy()
    del fields["kind"]
    try:
        data = orjson.dumps(fields)
    except TypeError:  # a lone surrogate, an integer of more than 64 bits
        data = json.dumps(fields, ensure_ascii=False).encode(errors="replace")
    return data.decode().replace("\\u0000", "")


def decode(kind: str, data: str) -> LiveFrame:
    """The frame stored as `kind` and `data`.

    Raises:
        ValueError: this version knows no such kind, or not with these fields.
    """
    return _FRAMES.validate_python({**orjson.loads(data), "kind": kind})
