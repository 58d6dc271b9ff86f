"""The audit log: who did what, when and from where; and whether anybody touched it."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

NOBODY = 0
"""The tenant of what belongs to no user, such as a login with an address that there is not."""

_calling: ContextVar[Mapping[str, JsonValue] | None] = ContextVar("calling", default=None)


@contextmanager
def calling(origin: Mapping[str, JsonValue]) -> Generator[None]:
    """Say from where what is done in the block is asked for: beside the work, so that no history is filled with it."""
    token = _calling.set(origin)
    try:
        yield
    finally:
        _calling.reset(token)


def called_from() -> dict[str, JsonValue] | None:
    """From where what is done now was asked for. None in a worker, which is asked by nobody but the engine."""
    origin = _calling.get()
    return None if origin is None else dict(origin)


@dataclass(frozen=True)
class Deed:
    """Something that is to stand in the log and that no table's change records by itself."""

    event_type: str
    aggregate_type: str
    aggregate_id: str
    tenant_id: int
    """In whose log it stands."""
    user_id: int | None
    """Who did it."""
    data: Mapping[str, JsonValue]


@dataclass(frozen=True)
class AuditQuery:
    """Which entries of one tenant's log; what is None or empty does not filter."""

    tenant_id: int
    user_id: int | None = None
    aggregate_types: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ()
    from_date: datetime | None = None
    to_date: datetime | None = None
    """Before this instant."""


class AuditEvent(BaseModel):
    """One entry of the log: an event with what was before it."""

    model_config = ConfigDict(frozen=True)

    id: int = Field(description="Unique; later entries mostly have higher ones.")
    aggregate_id: str
    aggregate_type: str
    event_type: str
    event_data: dict[str, JsonValue] = Field(description="What is so since; of a flow the flow after the change.")
    before: dict[str, JsonValue] | None = Field(description="What was so before, where it was something else.")
    user_id: int | None = Field(description="Who did it; null: the product itself, or nobody who is known.")
    metadata: dict[str, JsonValue] = Field(description="From where: `source`, `ip`, `user_agent`.")
    timestamp: datetime
    version: int | None = Field(description="Of the aggregate; null for executions and logins.")


class AuditPage(BaseModel):
    """Entries, newest first, and how many match in all."""

    model_config = ConfigDict(frozen=True)

    events: list[AuditEvent]
    total_count: int


class AuditProblem(BaseModel):
    """A place where the log is not what it was when it was sealed."""

    model_config = ConfigDict(frozen=True)

    position: int | None = Field(description="In the chain, from 1; null for an entry that stands in no chain.")
    id: int | None = Field(description="Of the entry, where it is known.")
    problem: Literal["altered", "removed", "reordered", "inserted", "cut off"]
    sentence: str


class AuditVerdict(BaseModel):
    """Whether the log is what it was when it was sealed."""

    model_config = ConfigDict(frozen=True)

    valid: bool
    entries: int = Field(description="How many are sealed: the last place of the chain.")
    head: str | None = Field(description="The hash of the last link, hexadecimal; keep it elsewhere to compare.")
    problems: list[AuditProblem] = Field(description="The first hundred.")


class AuditLink(BaseModel):
    """A line of the export: an entry with its link of the chain."""

    model_config = ConfigDict(frozen=True)

    position: int
    entry: str = Field(description="The entry as it was hashed: JSON text, to be hashed as UTF-8 as it stands.")
    row_hash: str = Field(description="SHA-256 of `entry`, hexadecimal.")
    hash: str = Field(description="SHA-256 of the link before (nothing, for the first one) and `row_hash`, as bytes.")
