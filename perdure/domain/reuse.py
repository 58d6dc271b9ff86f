"""One reused step as it passes between workflow and activity, and as it stands in history."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from perdure.domain.events import StepCompleted, StepReused, StepScheduled
from perdure.domain.forks import PrefixStep
from perdure.domain.generation import ModelRef, ToolCall
from perdure.domain.ledger import output_of
from perdure.domain.runs import CallToolResult, GenerateResult, StepRef


class ReuseInput(BaseModel):
    """A step whose result is to be taken from another run instead of being worked out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ref: StepRef = Field(description="Where the words shall be kept for this run.")
    source: UUID = Field(description="The run that has the result.")
    step: PrefixStep
    asked: StepScheduled
    model: ModelRef | None = Field(default=None, description="Of a model's answer: who would have been asked.")
    call: ToolCall | None = Field(default=None, description="Of a tool's output: the call that it answers.")


class Reused(BaseModel):
    """The result, kept for this run too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: UUID
    asked: StepScheduled
    edited: bool = False
    error: str | None = None
    generated: GenerateResult | None = None
    called: CallToolResult | None = None
    words: str | None = None

    @property
    def event(self) -> StepReused:
        """What the run's record says of it."""
        output: dict[str, JsonValue] | None = {"text": self.words} if self.words is not None else None
        if self.generated is not None:
            output = output_of(StepCompleted.of(self.generated))
        elif self.called is not None:
            output = output_of(StepCompleted.of_tool(self.called))
        return StepReused(
            **self.asked.model_dump(exclude={"type"}),
            from_execution_id=str(self.source),
            edited=self.edited,
            output=output,
            error=self.error,
        )
