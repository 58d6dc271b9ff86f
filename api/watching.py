"""What the two doors to a running execution share: who may watch it, from where on, and how its frames are written."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from starlette.requests import HTTPConnection

from perdure.bootstrap import Runtime
from perdure.domain.errors import BadRequestError, NotFoundError
from perdure.storage.executions import NO_EXECUTION, owns_execution
from perdure.watching import BadPlaceError, Frame, Place, Watching

TOO_SLOW = "You read more slowly than the run goes on: connect again with the id of the last frame."


async def get_watching(connection: HTTPConnection) -> Watching:
    """Give this process's watched runs."""
    watching: Watching = connection.app.state.watching
    return watching


WatchingDep = Annotated[Watching, Depends(get_watching)]


async def check_owner(runtime: Runtime, execution_id: UUID, *, user_id: int) -> None:
    """Raise NotFoundError unless this user started that execution."""
    async with runtime.single.connect() as connection:
        if not await owns_execution(connection, execution_id, user_id=user_id):
            raise NotFoundError(NO_EXECUTION)


def place_of(last_event_id: str | None, from_version: int) -> Place:
    """Where a watcher stands that names its last frame, or the first event that it wants.

    Raises:
        BadRequestError: this is the id of no frame.
    """
    if not last_event_id:
        return Place(max(from_version - 1, 0))
    try:
        return Place.parse(last_event_id)
    except BadPlaceError:
        msg = "Last-Event-ID is no id of this stream: send the id of the last frame as it came, or none."
        raise BadRequestError(msg) from None


def as_sent_event(frame: Frame, place: str) -> bytes:
    """Write a frame as a server-sent event. JSON holds no line break, so its data is one line."""
    return b"event: %b\ndata: %b\nid: %b\n\n" % (frame.type.encode(), frame.data, place.encode())


def as_message(frame: Frame, place: str) -> str:
    """Write a frame as a message of a WebSocket."""
    return f'{{"type":"{frame.type}","data":{frame.data.decode()},"id":"{place}"}}'
