"""`/api/agent-builder/chatflow/sessions`: the conversations of the caller, and what they remember.

Session ids are the caller's own words and may hold slashes, so the routes that end in a word come first.
"""

import asyncio
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from temporalio.service import RPCError, RPCStatusCode

from api.bodies import StrictJsonRoute
from api.deps import Caller, OriginDep, ReaderDep, RuntimeDep
from api.problems import problems
from perdure.bootstrap import Runtime
from perdure.domain.chats import (
    ChatHistory,
    ChatSession,
    MemoryStrategies,
    MemoryStrategy,
    SessionExport,
    SessionList,
    to_markdown,
)
from perdure.domain.flows import MemoryConfig
from perdure.memory.strategies import STRATEGIES
from perdure.storage import sessions
from perdure.storage.engine import Single
from perdure.temporal.starting import run_handle

PREFIX = "/api/agent-builder/chatflow"
router = APIRouter(prefix=PREFIX, tags=["chat"], route_class=StrictJsonRoute)

SessionId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=255,
        description="As the turn that made it named it. One that ends like a path below, as in `/history`, has none.",
    ),
]
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=2**31)]


@router.get("/memory/strategies", operation_id="listMemoryStrategies", responses=problems(401))
async def list_memory_strategies(_caller: Caller) -> MemoryStrategies:
    """List the memory types, each with the settings of `memory_config` that it reads."""
    properties = MemoryConfig.model_json_schema()["properties"]
    return MemoryStrategies(
        strategies=[
            MemoryStrategy(
                type=kind.value, description=about, settings={name: properties[name] for name in ("type", *names)}
            )
            for kind, (about, names) in STRATEGIES.items()
        ]
    )


@router.get("/sessions", operation_id="listSessions", responses=problems(401, 422, 503))
async def list_sessions(
    caller: Caller, reader: ReaderDep, chatflow_id: UUID | None = None, limit: Limit = 20, offset: Offset = 0
) -> SessionList:
    """List the caller's sessions, the latest used first."""
    async with reader.connect() as connection:
        found, total = await sessions.list_sessions(
            connection, user_id=caller.id, flow_id=chatflow_id, limit=limit, offset=offset
        )
    return SessionList(sessions=found, total=total)


@router.get(
    "/sessions/{session_id:path}/history", operation_id="readSessionHistory", responses=problems(401, 404, 422, 503)
)
async def read_history(
    session_id: SessionId, caller: Caller, reader: ReaderDep, limit: Limit = 100, offset: Offset = 0
) -> ChatHistory:
    """Read a session's messages, oldest first."""
    async with reader.connect() as connection:
        session = await sessions.get_session(connection, session_id, user_id=caller.id)
        messages = await sessions.read_history(connection, session_id, user_id=caller.id, limit=limit, offset=offset)
    return ChatHistory(session_id=session_id, messages=messages, total=session.message_count)


@router.get(
    "/sessions/{session_id:path}/export",
    operation_id="exportSession",
    responses={
        200: {"model": SessionExport, "content": {"text/markdown": {"schema": {"type": "string"}}}},
        **problems(401, 404, 422, 503),
    },
)
async def export_session(
    session_id: SessionId,
    caller: Caller,
    reader: ReaderDep,
    format: Literal["json", "markdown"] = "json",  # noqa: A002 - the contract's name
) -> Response:
    """Read a session with all its messages, as JSON or as a text for people."""
    export = await _export(reader, session_id, caller.id)
    if format == "markdown":
        return Response(to_markdown(export), media_type="text/markdown; charset=utf-8")
    return Response(export.model_dump_json(), media_type="application/json")


@router.post("/sessions/{session_id:path}/clear", operation_id="clearSession", responses=problems(401, 404, 422, 503))
async def clear_session(session_id: SessionId, origin: OriginDep, runtime: RuntimeDep) -> ChatSession:
    """Forget all that was said in a session. A turn under way is cancelled and leaves nothing in it."""
    async with runtime.sessions.begin() as session:
        cleared, under_way = await sessions.clear(session, origin, session_id)
    await _cancel(runtime, under_way)
    return cleared


@router.put(
    "/sessions/{session_id:path}/memory",
    operation_id="changeSessionMemory",
    responses=problems(400, 401, 404, 413, 422, 503),
)
async def change_memory(
    session_id: SessionId, body: MemoryConfig, origin: OriginDep, runtime: RuntimeDep
) -> ChatSession:
    """Give one session a memory of its own, from its next turn on; the settings left out take their defaults."""
    async with runtime.sessions.begin() as session:
        return await sessions.change_memory(session, origin, session_id, body)


@router.get("/sessions/{session_id:path}", operation_id="getSession", responses=problems(401, 404, 422, 503))
async def get_session(session_id: SessionId, caller: Caller, reader: ReaderDep) -> ChatSession:
    """Read one session."""
    async with reader.connect() as connection:
        return await sessions.get_session(connection, session_id, user_id=caller.id)


@router.delete("/sessions/{session_id:path}", operation_id="deleteSession", responses=problems(401, 404, 422, 503))
async def delete_session(session_id: SessionId, origin: OriginDep, runtime: RuntimeDep) -> ChatSession:
    """Delete a session with its messages, and return it as it was.

    A turn under way is cancelled; even if it ends before that, it does not make the session anew.
    """
    async with runtime.sessions.begin() as session:
        was, under_way = await sessions.remove(session, origin, session_id)
    await _cancel(runtime, under_way)
    return was


async def _export(reader: Single, session_id: str, user_id: int) -> SessionExport:
    async with reader.connect() as connection:
        session = await sessions.get_session(connection, session_id, user_id=user_id)
        messages = await sessions.read_history(connection, session_id, user_id=user_id, limit=None, offset=0)
    return SessionExport(session=session, messages=messages)


async def _cancel(runtime: Runtime, executions: list[UUID]) -> None:
    """Stop turns that have nowhere to go any more. One that this does not reach writes nothing all the same."""

    async def cancel(execution_id: UUID) -> None:
        try:
            await run_handle(runtime.client, execution_id).cancel()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    await asyncio.gather(*(cancel(execution_id) for execution_id in executions))
