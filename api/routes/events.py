"""`/api/events`: what happened, in order."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.deps import Caller, RuntimeDep
from api.problems import problems
from perdure.domain.events import Event
from perdure.event_store import AggregateFilter, read_events

router = APIRouter(prefix="/api/events", tags=["events"], responses=problems(401, 404, 422, 503))

AggregateQuery = Annotated[
    AggregateFilter | None,
    Query(description="What the id names; `Workflow` is an older name for flows and executions alike."),
]

AggregateId = Annotated[str, Path(description="A UUID; of a session its own id, which may hold slashes.")]


@router.get("/aggregate/{aggregate_id:path}", operation_id="listEvents")
async def list_events(
    aggregate_id: AggregateId,
    caller: Caller,
    runtime: RuntimeDep,
    aggregate_type: AggregateQuery = None,
    from_version: Annotated[int, Query(ge=0)] = 0,
) -> list[Event]:
    """All events of one aggregate from a version on, in order. Versions count 1, 2, 3 … without holes."""
    events = await read_events(runtime, aggregate_id, aggregate_type, user_id=caller.id)
    return [event for event in events if event.version >= from_version]


@router.get("/replay/{aggregate_id:path}", operation_id="replayEvents")
async def replay_events(
    aggregate_id: AggregateId,
    caller: Caller,
    runtime: RuntimeDep,
    aggregate_type: AggregateQuery = None,
    to_version: Annotated[int | None, Query(ge=1)] = None,
) -> list[Event]:
    """The events up to and including a version: the aggregate as it stood then, told by what led there."""
    events = await read_events(runtime, aggregate_id, aggregate_type, user_id=caller.id)
    return [event for event in events if to_version is None or event.version <= to_version]
