"""The event store: the events of an execution come from its record, those of all else from the database."""

from typing import Literal
from uuid import UUID

from perdure.bootstrap import Runtime
from perdure.domain.errors import NotFoundError
from perdure.domain.events import AggregateType, Event
from perdure.storage.events import read_flow_events, read_knowledge_base_events, read_session_events, read_user_events
from perdure.storage.executions import owns_execution

AggregateFilter = AggregateType | Literal["Workflow"]
"""Clients of the earlier system say `Workflow` for flows and executions alike."""

NO_AGGREGATE = "There is no such aggregate: check its id and aggregate_type."


async def read_events(
    runtime: Runtime, aggregate_id: str, aggregate_type: AggregateFilter | None, *, user_id: int
) -> list[Event]:
    """All events of one aggregate of this user's, in order.

    Sessions are looked for after all that has a UUID, since their ids are any text; users last: theirs are numbers.

    Raises NotFoundError when there is none of that type, or it is not theirs.
    """
    identity = as_uuid(aggregate_id)
    if identity is not None:
        events = await _read_by_uuid(runtime, identity, aggregate_type, user_id)
        if events:
            return events
    if aggregate_type in {None, "Session"}:
        async with runtime.sessions() as session:
            events = await read_session_events(session, aggregate_id, user_id=user_id)
        if events:
            return events
    if aggregate_type in {None, "User"} and aggregate_id == str(user_id):
        async with runtime.sessions() as session:
            events = await read_user_events(session, user_id)
        if events:
            return events
    raise NotFoundError(NO_AGGREGATE)


def as_uuid(text: str) -> UUID | None:
    """The UUID that a text writes, None where it writes none."""
    try:
        return UUID(text)
    except ValueError:
        return None


async def _read_by_uuid(
    runtime: Runtime, aggregate_id: UUID, aggregate_type: AggregateFilter | None, user_id: int
) -> list[Event]:
    if aggregate_type in {None, "Workflow", "Flow"}:
        async with runtime.sessions() as session:
            events = await read_flow_events(session, aggregate_id, user_id=user_id)
        if events:
            return events
    if aggregate_type in {None, "KnowledgeBase"}:
        async with runtime.sessions() as session:
            events = await read_knowledge_base_events(session, aggregate_id, user_id=user_id)
        if events:
            return events
    if aggregate_type in {None, "Workflow", "Execution"}:
        async with runtime.single.connect() as connection:
            owned = await owns_execution(connection, aggregate_id, user_id=user_id)
        if owned:
            return await _execution_events(runtime, aggregate_id, user_id)
    return []


async def _execution_events(runtime: Runtime, execution_id: UUID, user_id: int) -> list[Event]:
    history = await runtime.records.read(execution_id)
    if history is None:
        msg = "The events of this execution are no longer kept: its retention period is over."
        raise NotFoundError(msg)
    return [event.to_event(str(execution_id), user_id) for event in history.events]
