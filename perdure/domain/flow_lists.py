"""Lists of flows: what can be asked for, and one page of the answer."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator

from perdure.domain.flows import FlowType, FlowView


class FlowPage(BaseModel):
    """One page of a list of flows."""

    model_config = ConfigDict(frozen=True)

    flows: list[FlowView]
    total: int = Field(ge=0, description="Flows that match, on all pages.")
    page: int
    page_size: int


class SortBy(StrEnum):
    """What a list is ordered by. Names are ordered without regard to case."""

    NAME = "name"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    EXECUTION_COUNT = "execution_count"


class SortOrder(StrEnum):
    """Smallest first, or largest first."""

    ASC = "asc"
    DESC = "desc"


class Scope(StrEnum):
    """Whose flows a list shows."""

    OWN = "own"
    PUBLIC = "public"


class FlowsOfKindQuery(BaseModel):
    """Which flows of one kind to list, in which order, and which page of them."""

    model_config = ConfigDict(frozen=True)

    search: str | None = Field(
        default=None, max_length=200, description="Part of the name or the description, without regard to case."
    )
    category: str | None = Field(default=None, max_length=255)
    tags: list[str] = Field(default_factory=list[str], max_length=100, description="Any of these; repeat for more.")
    is_active: bool | None = None
    page: int = Field(default=1, ge=1, le=10_000_000, description="From 1.")
    page_size: int = Field(default=20, ge=1, le=100)
    sort_by: SortBy = SortBy.CREATED_AT
    sort_order: SortOrder = SortOrder.DESC
    scope: Scope = Field(default=Scope.OWN, description="`own`: the caller's flows; `public`: those that others share.")

    @field_validator("tags")
    @classmethod
    def _without_empty(cls, tags: list[str]) -> list[str]:
        """An empty filter is none: forms send `tags=` for a field nobody filled in."""
        return [tag for tag in tags if tag]


class FlowQuery(FlowsOfKindQuery):
    """Which flows to list, in which order, and which page of them."""

    flow_type: FlowType | None = None
