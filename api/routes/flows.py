"""Flows of both kinds by one set of routes: `/flows` for either, `/agentflows` and `/chatflows` for one."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import BaseModel, JsonValue

from api import examples
from api.bodies import StrictJsonRoute
from api.conditional import NOT_MODIFIED, IfMatch, json_answer
from api.deps import Caller, OriginDep, ReaderDep, RuntimeDep
from api.problems import problems
from perdure.bootstrap import Runtime
from perdure.domain.flow_edits import overlay
from perdure.domain.flow_lists import FlowPage, FlowQuery, FlowsOfKindQuery
from perdure.domain.flows import (
    AgentflowCreate,
    AgentflowView,
    ChatflowCreate,
    ChatflowView,
    FlowCreate,
    FlowType,
    FlowView,
)
from perdure.domain.users import Origin, User
from perdure.storage import flows
from perdure.storage.engine import Single
from perdure.storage.flow_lists import list_flows

PREFIX = "/api/agent-builder"
_TAGS_HEADER = {
    "ETag": {"description": "Version and contents, for `If-None-Match` and `If-Match`.", "schema": {"type": "string"}}
}

router = APIRouter(prefix=PREFIX, tags=["flows"], route_class=StrictJsonRoute)

IfMatchDep = Annotated[IfMatch, Depends()]


class DeletedFlow(BaseModel):
    """What was deleted."""

    success: Literal[True] = True
    id: UUID


@dataclass(frozen=True)
class Collection:
    """One of the paths that flows are found at."""

    path: str
    flow_type: FlowType | None
    singular: str
    plural: str
    view: Any
    example: dict[str, Any]
    changes: dict[str, Any]


FLOWS = Collection("/flows", None, "Flow", "Flows", FlowView, examples.AGENTFLOW, examples.FLOW_CHANGES)
AGENTFLOWS = Collection(
    "/agentflows",
    FlowType.AGENTFLOW,
    "Agentflow",
    "Agentflows",
    AgentflowView,
    examples.AGENTFLOW,
    examples.AGENTFLOW_CHANGES,
)
CHATFLOWS = Collection(
    "/chatflows",
    FlowType.CHATFLOW,
    "Chatflow",
    "Chatflows",
    ChatflowView,
    examples.CHATFLOW,
    examples.CHATFLOW_CHANGES,
)


def flow_answer(request: Request, view: AgentflowView | ChatflowView, *, made: bool = False) -> Response:
    """Answer with a flow and its tag."""
    location = f"{PREFIX}/{view.flow_type}s/{view.id}" if made else None
    return json_answer(request, view.__pydantic_serializer__.to_json(view), version=view.version, location=location)


def answers_with(example: dict[str, Any], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document an answer with its tag and an example, and the errors."""
    ok = {"headers": _TAGS_HEADER, "content": {"application/json": {"example": example}}}
    return {200: ok, **problems(*statuses)}


def body_of(schema: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Document a body that may leave out any field; its schema is made in `api.openapi`."""
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": changes}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


async def _create(request: Request, runtime: Runtime, origin: Origin, fields: FlowCreate) -> Response:
    async with runtime.sessions.begin() as session:
        view = await flows.create(session, origin, fields)
    return flow_answer(request, view, made=True)


@router.post(
    "/agentflows",
    operation_id="createAgentflow",
    response_model=AgentflowView,
    responses=answers_with(examples.AGENTFLOW, 400, 401, 413, 415, 422, 503),
)
async def create_agentflow(
    request: Request,
    body: Annotated[AgentflowCreate, Body(openapi_examples=examples.AGENTFLOW_BODIES)],
    origin: OriginDep,
    runtime: RuntimeDep,
) -> Response:
    """Make an agentflow. Only `name` is needed; the rest takes its defaults."""
    return await _create(request, runtime, origin, body)


@router.post(
    "/chatflows",
    operation_id="createChatflow",
    response_model=ChatflowView,
    responses=answers_with(examples.CHATFLOW, 400, 401, 413, 415, 422, 503),
)
async def create_chatflow(
    request: Request,
    body: Annotated[ChatflowCreate, Body(openapi_examples=examples.CHATFLOW_BODIES)],
    origin: OriginDep,
    runtime: RuntimeDep,
) -> Response:
    """Make a chatflow. Only `name` is needed; the rest takes its defaults."""
    return await _create(request, runtime, origin, body)


async def _page(request: Request, reader: Single, caller: User, query: FlowQuery) -> Response:
    async with reader.connect() as connection:
        page = await list_flows(connection, caller.id, query)
    return json_answer(request, page.__pydantic_serializer__.to_json(page))


@router.get(
    FLOWS.path,
    operation_id="listFlows",
    response_model=FlowPage,
    responses={**answers_with(examples.page(examples.AGENTFLOW), 400, 401, 422, 503), **NOT_MODIFIED},
)
async def list_all(
    request: Request, query: Annotated[FlowQuery, Query()], caller: Caller, reader: ReaderDep
) -> Response:
    """List the caller's flows of both kinds, or those that others share, page by page."""
    return await _page(request, reader, caller, query)


def _add_list(collection: Collection) -> None:
    @router.get(
        collection.path,
        operation_id=f"list{collection.plural}",
        response_model=FlowPage,
        responses={**answers_with(examples.page(collection.example), 400, 401, 422, 503), **NOT_MODIFIED},
    )
    async def list_page(
        request: Request, query: Annotated[FlowsOfKindQuery, Query()], caller: Caller, reader: ReaderDep
    ) -> Response:
        """List the caller's flows of one kind, or those that others share, page by page."""
        wanted = FlowQuery.model_validate({**query.model_dump(), "flow_type": collection.flow_type})
        return await _page(request, reader, caller, wanted)


def _add_read(collection: Collection) -> None:
    @router.get(
        f"{collection.path}/{{flow_id}}",
        operation_id=f"get{collection.singular}",
        response_model=collection.view,
        responses={**answers_with(collection.example, 401, 404, 503), **NOT_MODIFIED},
    )
    async def get_one(request: Request, flow_id: UUID, caller: Caller, reader: ReaderDep) -> Response:
        """Read one flow: an own one, or a public one."""
        async with reader.connect() as connection:
            view = await flows.get_view(connection, flow_id, user_id=caller.id, flow_type=collection.flow_type)
        return flow_answer(request, view)


def _add_change(collection: Collection) -> None:
    @router.put(
        f"{collection.path}/{{flow_id}}",
        operation_id=f"update{collection.singular}",
        response_model=collection.view,
        responses=answers_with(collection.example, 400, 401, 403, 404, 412, 413, 415, 422, 503),
        openapi_extra=body_of(f"{collection.singular}Update", collection.changes),
    )
    async def change_one(
        request: Request,
        flow_id: UUID,
        body: dict[str, JsonValue],
        origin: OriginDep,
        runtime: RuntimeDep,
        condition: IfMatchDep,
    ) -> Response:
        """Change the fields that are given, each as a whole; the others stay. What changes nothing makes no version."""
        async with runtime.sessions.begin() as session:
            view = await flows.change(
                session,
                origin,
                flow_id,
                flow_type=collection.flow_type,
                check=condition.check,
                edit=lambda flow: overlay(flow, body),
            )
        return flow_answer(request, view)


def _add_delete(collection: Collection) -> None:
    @router.delete(
        f"{collection.path}/{{flow_id}}",
        operation_id=f"delete{collection.singular}",
        responses=problems(401, 403, 404, 412, 503),
    )
    async def delete_one(flow_id: UUID, origin: OriginDep, runtime: RuntimeDep, condition: IfMatchDep) -> DeletedFlow:
        """Delete one of the caller's flows; its executions and events stay readable."""
        async with runtime.sessions.begin() as session:
            await flows.delete(session, origin, flow_id, flow_type=collection.flow_type, check=condition.check)
        return DeletedFlow(id=flow_id)


for _collection in (AGENTFLOWS, CHATFLOWS):
    _add_list(_collection)
for _collection in (FLOWS, AGENTFLOWS, CHATFLOWS):
    _add_read(_collection)
    _add_change(_collection)
    _add_delete(_collection)
