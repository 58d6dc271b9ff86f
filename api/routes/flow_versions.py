"""What a flow was: its versions, what lies between them, going back to one; and flows as files."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from api import examples
from api.bodies import StrictJsonRoute
from api.deps import Caller, OriginDep, ReaderDep, RuntimeDep
from api.problems import problems
from api.routes.flows import PREFIX, IfMatchDep, answers_with, flow_answer
from perdure.domain.flow_versions import (
    FlowFile,
    FlowVersionDiff,
    FlowVersionPage,
    differences,
    from_file,
    restored,
    to_file,
)
from perdure.domain.flows import Flow, FlowView
from perdure.storage import flows
from perdure.storage.flow_versions import list_versions, read_version

router = APIRouter(prefix=PREFIX, tags=["flows"], route_class=StrictJsonRoute)

Version = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/flows/{flow_id}/versions", operation_id="listFlowVersions", responses=problems(401, 403, 404, 422, 503))
async def list_page(
    flow_id: UUID,
    caller: Caller,
    reader: ReaderDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> FlowVersionPage:
    """List the versions of one of the caller's flows, newest first: when, by whom, and which fields changed."""
    async with reader.connect() as connection:
        return await list_versions(connection, flow_id, user_id=caller.id, limit=limit, offset=offset)


@router.get(
    "/flows/{flow_id}/versions/{version}",
    operation_id="getFlowVersion",
    response_model=Flow,
    responses=problems(401, 403, 404, 422, 503),
)
async def read_one(flow_id: UUID, version: Version, caller: Caller, reader: ReaderDep) -> Response:
    """Read a flow as it was at a version."""
    async with reader.connect() as connection:
        flow = await read_version(connection, flow_id, version, user_id=caller.id)
    return Response(flow.model_dump_json(), media_type="application/json")


@router.get(
    "/flows/{flow_id}/versions/{version}/diff/{other}",
    operation_id="diffFlowVersions",
    responses=problems(401, 403, 404, 422, 503),
)
async def diff(flow_id: UUID, version: Version, other: Version, caller: Caller, reader: ReaderDep) -> FlowVersionDiff:
    """Compare two versions of a flow, field by field; agents are compared by their ids."""
    async with reader.connect() as connection:
        before = await read_version(connection, flow_id, version, user_id=caller.id)
        after = await read_version(connection, flow_id, other, user_id=caller.id)
    return FlowVersionDiff(flow_id=flow_id, from_version=version, to_version=other, changes=differences(before, after))


@router.post(
    "/flows/{flow_id}/versions/{version}/restore",
    operation_id="restoreFlowVersion",
    response_model=FlowView,
    responses=answers_with(examples.AGENTFLOW, 401, 403, 404, 412, 422, 503),
)
async def restore(
    request: Request, flow_id: UUID, version: Version, origin: OriginDep, runtime: RuntimeDep, condition: IfMatchDep
) -> Response:
    """Make a new version that is as a former one was; who may see and run the flow stays as it is."""
    async with runtime.sessions.begin() as session:
        former = await read_version(session, flow_id, version, user_id=origin.user_id)
        view = await flows.change(
            session,
            origin,
            flow_id,
            flow_type=None,
            check=condition.check,
            edit=lambda present: restored(present, former),
        )
    return flow_answer(request, view)


@router.get(
    "/flows/{flow_id}/export",
    operation_id="exportFlow",
    response_model=FlowFile,
    responses=problems(401, 403, 404, 422, 503),
)
async def export_file(
    flow_id: UUID,
    caller: Caller,
    reader: ReaderDep,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Unset: the flow as it is.")] = None,
) -> Response:
    """Write a flow as a JSON file that `POST /flows/import` reads, here or elsewhere."""
    async with reader.connect() as connection:
        flow = (
            await flows.get_flow(connection, flow_id, user_id=caller.id)
            if version is None
            else await read_version(connection, flow_id, version, user_id=caller.id)
        )
    name = quote(f"{flow.name}.json", safe="")
    return Response(
        to_file(flow).model_dump_json(indent=2),
        media_type="application/json",
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
    )


@router.post(
    "/flows/import",
    operation_id="importFlow",
    response_model=FlowView,
    responses=answers_with(examples.AGENTFLOW, 400, 401, 413, 415, 422, 503),
)
async def import_file(request: Request, body: FlowFile, origin: OriginDep, runtime: RuntimeDep) -> Response:
    """Make a new flow of the caller's from a file that `export` wrote. It is private until it is shared."""
    async with runtime.sessions.begin() as session:
        view = await flows.create(session, origin, from_file(body))
    return flow_answer(request, view, made=True)
