"""`/api/events`: what happened, in order, and how things stood at any instant."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, JsonValue

from api.deps import Caller, RuntimeDep
from api.problems import problems
from perdure.domain.errors import UnprocessableError
from perdure.domain.events import Event
from perdure.domain.states import AnyState
from perdure.domain.vocabulary import event_schema
from perdure.event_states import read_state, with_children
from perdure.event_store import AggregateFilter, read_events

router = APIRouter(prefix="/api/events", tags=["events"], responses=problems(401, 404, 422, 503))

AggregateQuery = Annotated[
    AggregateFilter | None,
    Query(description="What the id names; `Workflow` is an older name for flows and executions alike."),
]

AggregateId = Annotated[str, Path(description="A UUID, a user's number; of a session its own id, slashes included.")]
Limit = Annotated[
    int | None,
    Query(ge=1, le=10_000, description='At most so many events; `Link: rel="next"` names the next page. Without: all.'),
]
FromVersion = Annotated[int, Query(ge=0, le=2**31)]
ToVersion = Annotated[int | None, Query(ge=1, le=2**31)]


@router.get("/schema", operation_id="getEventSchema")
async def get_event_schema(_caller: Caller) -> dict[str, JsonValue]:
    """The JSON Schema of every event that there is."""
    return event_schema()


@router.get("/aggregate/{aggregate_id:path}", operation_id="listEvents")
async def list_events(
    *,
    aggregate_id: AggregateId,
    caller: Caller,
    runtime: RuntimeDep,
    request: Request,
    response: Response,
    aggregate_type: AggregateQuery = None,
    from_version: FromVersion = 0,
    limit: Limit = None,
    include_children: Annotated[
        bool, Query(description="Whether the events of runs that this one called follow the steps that called them.")
    ] = False,
) -> list[Event]:
    """All events of one aggregate from a version on, in order. Versions count 1, 2, 3 … without holes."""
    events = await read_events(runtime, aggregate_id, aggregate_type, user_id=caller.id)
    page = _page(request, response, [event for event in events if event.version >= from_version], limit)
    return await with_children(runtime, page, user_id=caller.id) if include_children else page


@router.get("/replay/{aggregate_id:path}", operation_id="replayEvents")
async def replay_events(
    *,
    aggregate_id: AggregateId,
    caller: Caller,
    runtime: RuntimeDep,
    request: Request,
    response: Response,
    aggregate_type: AggregateQuery = None,
    from_version: FromVersion = 0,
    to_version: ToVersion = None,
    limit: Limit = None,
) -> list[Event]:
    """The events up to and including a version: the aggregate as it stood then, told by what led there."""
    events = await read_events(runtime, aggregate_id, aggregate_type, user_id=caller.id)
    wanted = [event for event in events if to_version is None or event.version <= to_version]
    return _page(request, response, [event for event in wanted if event.version >= from_version], limit)


@router.get("/state/{aggregate_id:path}", operation_id="getState")
async def get_state(
    aggregate_id: AggregateId,
    caller: Caller,
    runtime: RuntimeDep,
    aggregate_type: AggregateQuery = None,
    to_version: ToVersion = None,
    at: Annotated[AwareDatetime | None, Query(description="An instant, RFC 3339 with its offset.")] = None,
) -> AnyState:
    """The aggregate as it stood after a version or at an instant; without either, as it stands."""
    if to_version is not None and at is not None:
        msg = "Ask by `to_version` or by `at`, not by both."
        raise UnprocessableError(msg)
    return await read_state(runtime, aggregate_id, aggregate_type, user_id=caller.id, to_version=to_version, at=at)


def _page(request: Request, response: Response, events: list[Event], limit: int | None) -> list[Event]:
    if limit is None or len(events) <= limit:
        return events
    following = request.url.include_query_params(from_version=events[limit].version)
    response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return events[:limit]
