"""What travels on the live channel: the four kinds of frame, and how they are stored."""

from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Token(BaseModel):
    """A piece of what a model is writing."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["token"] = "token"
    node_id: str
    attempt: int = Field(description="From 1; a higher attempt's text replaces that of the lower ones.")
    index: int = Field(description="Counts a node's pieces from 0 within one attempt.")
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


class End(BaseModel):
    """The run is over and its end is recorded: the last frame of an execution."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["end"] = "end"
    status: str


LiveFrame = Token | StepStarted | AttemptFailed | End

_FRAMES: TypeAdapter[LiveFrame] = TypeAdapter(Annotated[LiveFrame, Field(discriminator="kind")])


def encode(frame: LiveFrame) -> str:
    """A frame's fields but its kind, as JSON that PostgreSQL takes.

    Models write what they like: `jsonb` refuses NUL, and half of a surrogate pair is not text.
    """
    fields = frame.__dict__.copy()
    del fields["kind"]
    try:
        data = orjson.dumps(fields)
    except TypeError:  # a lone surrogate
        whole = {name: _whole(value) for name, value in fields.items()}
        data = orjson.dumps(whole)
    return data.decode().replace("\\u0000", "")


def _whole(value: object) -> object:
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def decode(kind: str, data: str) -> LiveFrame:
    """The frame stored as `kind` and `data`.

    Raises:
        ValueError: this version knows no such kind, or not with these fields.
    """
    return _FRAMES.validate_python({**orjson.loads(data), "kind": kind})
