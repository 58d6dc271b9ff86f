"""What a fork takes along from the run that it goes on from: references to results, never the words themselves."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from perdure.domain.executions import ForkedFrom
from perdure.domain.flows import MemoryConfig

StepKind = Literal["model", "tool", "words"]
"""What a step left: a model's answer, a tool's output, or words that answer a tool call (a flow's, a refusal)."""


class PrefixStep(BaseModel):
    """One step that need not be done again. Just one of `run_id`, `output` and `error` says how it went.

    A flow that was called as a tool and failed has both words and an error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step_id: str
    kind: StepKind
    run_id: str | None = Field(default=None, description="Temporal's run that its words are kept under.")
    output: str | None = Field(default=None, description="The output itself: edited, or kept nowhere.")
    edited: bool = False
    error: str | None = Field(default=None, description="What it failed of; the run went on.")
    form: tuple[str, ...] = Field(default=(), description="Of a decision: the fields of the form that was filled in.")
    approved_task: str | None = Field(default=None, description="The task as people had edited it before it began.")


class ForkedTurn(BaseModel):
    """What of its session a forked chat turn may know. It reads it and leaves nothing there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session_id: str
    upto: int = Field(ge=0)
    memory: MemoryConfig | None = Field(default=None, description="The session's own, where it has one.")


class Fork(BaseModel):
    """The part of a run that another one has done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    forked_from: ForkedFrom
    prefix: tuple[PrefixStep, ...] = ()
    turn: ForkedTurn | None = None
