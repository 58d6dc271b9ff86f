"""Reranking: found passages put in a better order by a model that reads them beside the query."""

from pydantic import BaseModel, ConfigDict, Field

MOST_RERANKED = 50
"""Passages that one call puts in order at most."""


class ModelUse(BaseModel):
    """A model's work inside a step that is not its own: the reranker's in a search."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(description="`provider:model`, or the name it has at the rerank endpoint.")
    calls: int = Field(ge=0)
    input_tokens: int | None = Field(default=None, description="None where the provider reported none.")
    output_tokens: int | None = None
    cost_usd: float | None = Field(default=None, description="None where the price or the usage is unknown, never 0.")


class Ranked(BaseModel):
    """The place that a passage got: its index among those handed in."""

    model_config = ConfigDict(frozen=True)

    index: int = Field(ge=0)
    score: float | None = Field(default=None, description="The reranker's, where it gives one: higher is better.")


class Reranked(BaseModel):
    """Passages in their new order, best first, and what that took."""

    model_config = ConfigDict(frozen=True)

    order: tuple[Ranked, ...]
    use: ModelUse
