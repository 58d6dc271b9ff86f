"""Versions of a flow: what each change made, what lies between two of them, and a flow as a file."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from perdure.domain.flow_edits import overlay, settable_fields
from perdure.domain.flows import Agentflow, AgentflowCreate, Chatflow, ChatflowCreate, FlowCreate

FORMAT = "perdure.flow"

_NOT_RESTORED = ("is_public", "is_active")
"""Who may see and run a flow is decided now, not by a version of last year."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class FlowVersion(_Part):
    """One version of a flow: a line of its history."""

    version: int
    name: str
    changed: list[str] = Field(description="The fields that this version changed; of the first one all.")
    user_id: int | None = Field(description="Who made it.")
    created_at: datetime


class FlowVersionPage(_Part):
    """A page of a flow's versions, newest first, and how many there are."""

    versions: list[FlowVersion]
    total: int


class FieldChange(_Part):
    """One difference between two versions."""

    path: list[str] = Field(description="Field names from the flow down; an agent is named by its id.")
    kind: Literal["added", "removed", "changed"]
    before: JsonValue
    after: JsonValue


class FlowVersionDiff(_Part):
    """What lies between two versions of a flow."""

    flow_id: UUID
    from_version: int
    to_version: int
    changes: list[FieldChange]


class FlowFile(_Part):
    """A flow as a file: all that its owner set, and nothing of where it was kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["perdure.flow"] = "perdure.flow"
    format_version: Literal[1] = 1
    exported_at: datetime | None = None
    flow: Annotated[AgentflowCreate | ChatflowCreate, Field(discriminator="flow_type")]


def restored(present: Agentflow | Chatflow, former: Agentflow | Chatflow) -> FlowCreate:
    """The fields of a former version, but for who may see and run the flow."""
    fields = settable_fields(former)
    return overlay(present, {**fields, **{name: settable_fields(present)[name] for name in _NOT_RESTORED}})


def runnable_as_now(former: Agentflow | Chatflow, present: Agentflow | Chatflow) -> Agentflow | Chatflow:
    """A former version as it may be run: whether at all is decided by the flow as it is now."""
    return former.model_copy(update={name: getattr(present, name) for name in _NOT_RESTORED})


def to_file(flow: Agentflow | Chatflow) -> FlowFile:
    """Write a flow as a file."""
    return FlowFile.model_validate({"exported_at": datetime.now(UTC), "flow": settable_fields(flow)})


def from_file(file: FlowFile) -> FlowCreate:
    """The new flow that a file makes. It is its importer's alone until they share it."""
    flow: AgentflowCreate | ChatflowCreate = file.flow
    return flow.model_copy(update={"is_public": False})


def differences(before: Agentflow | Chatflow, after: Agentflow | Chatflow) -> list[FieldChange]:
    """What changed from one version to the other, field by field.

    Agents are compared by id, so that one put in front does not change all behind it; their order is a field of its
    own. Other lists are compared as wholes.
    """
    return list(_between((), _by_agent(before), _by_agent(after)))


def _by_agent(flow: Agentflow | Chatflow) -> dict[str, JsonValue]:
    fields = settable_fields(flow)
    if isinstance(flow, Agentflow):
        fields["agents"] = {agent.id: agent.model_dump(mode="json") for agent in flow.agents}
        fields["agent_order"] = [agent.id for agent in flow.agents]
    return fields


def _between(
    path: tuple[str, ...], before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]
) -> Iterator[FieldChange]:
    for name in dict.fromkeys([*before, *after]):
        here = [*path, name]
        if name not in after:
            yield FieldChange(path=here, kind="removed", before=before[name], after=None)
        elif name not in before:
            yield FieldChange(path=here, kind="added", before=None, after=after[name])
        elif before[name] != after[name]:
            was, now = before[name], after[name]
            if isinstance(was, dict) and isinstance(now, dict):
                yield from _between((*path, name), was, now)
            else:
                yield FieldChange(path=here, kind="changed", before=was, after=now)
