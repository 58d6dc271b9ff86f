"""The agents of an agentflow one by one, and the order they would run in. Changes answer with the whole agentflow."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from pydantic import JsonValue

from api import examples
from api.bodies import StrictJsonRoute
from api.conditional import IfMatch
from api.deps import Caller, OriginDep, ReaderDep, RuntimeDep
from api.problems import problems
from api.routes.flows import PREFIX, IfMatchDep, answers_with, body_of, flow_answer
from perdure.bootstrap import Runtime
from perdure.domain.errors import NotFoundError
from perdure.domain.flow_edits import add_agent, change_agent, remove_agent
from perdure.domain.flows import Agentflow, AgentflowView, Chatflow, FlowCreate, FlowType
from perdure.domain.plans import ExecutionPlan, plan
from perdure.domain.users import Origin
from perdure.storage import flows

router = APIRouter(prefix=f"{PREFIX}/agentflows/{{flow_id}}", tags=["agents"], route_class=StrictJsonRoute)

AgentId = Annotated[str, Path(max_length=255)]


def _team(flow: Agentflow | Chatflow) -> Agentflow:
    if isinstance(flow, Agentflow):
        return flow
    raise NotFoundError("There is no such agentflow, or it is not yours: check its id.")


async def _change(
    request: Request, runtime: Runtime, origin: Origin, flow_id: UUID, condition: IfMatch, edit: flows.FlowEdit
) -> Response:
    async with runtime.sessions.begin() as session:
        view = await flows.change(
            session, origin, flow_id, flow_type=FlowType.AGENTFLOW, check=condition.check, edit=edit
        )
    return flow_answer(request, view)


@router.get(
    "/execution-plan",
    operation_id="getExecutionPlan",
    responses={200: {"content": {"application/json": {"example": examples.PLAN}}}, **problems(401, 404, 503)},
)
async def get_execution_plan(flow_id: UUID, caller: Caller, reader: ReaderDep) -> ExecutionPlan:
    """Say the stages that the agents would run in, without running them."""
    async with reader.connect() as connection:
        flow = await flows.get_flow(connection, flow_id, user_id=caller.id, flow_type=FlowType.AGENTFLOW)
    return plan(_team(flow))


@router.post(
    "/agents",
    operation_id="addAgent",
    response_model=AgentflowView,
    responses=answers_with(examples.AGENTFLOW, 400, 401, 403, 404, 409, 412, 413, 415, 422, 503),
    openapi_extra=body_of("AgentCreate", {"agent": {"value": examples.AGENT}}),
)
async def add_one(
    request: Request,
    flow_id: UUID,
    body: dict[str, JsonValue],
    origin: OriginDep,
    runtime: RuntimeDep,
    condition: IfMatchDep,
) -> Response:
    """Put one more agent at the end of the team."""

    def edit(flow: Agentflow | Chatflow) -> FlowCreate:
        return add_agent(_team(flow), body)

    return await _change(request, runtime, origin, flow_id, condition, edit)


@router.put(
    "/agents/{agent_id}",
    operation_id="updateAgent",
    response_model=AgentflowView,
    responses=answers_with(examples.AGENTFLOW, 400, 401, 403, 404, 412, 413, 415, 422, 503),
    openapi_extra=body_of("AgentUpdate", examples.AGENT_CHANGES),
)
async def change_one(
    request: Request,
    flow_id: UUID,
    agent_id: AgentId,
    body: dict[str, JsonValue],
    origin: OriginDep,
    runtime: RuntimeDep,
    condition: IfMatchDep,
) -> Response:
    """Change the fields of an agent that are given; the others, and its id, stay."""

    def edit(flow: Agentflow | Chatflow) -> FlowCreate:
        return change_agent(_team(flow), agent_id, body)

    return await _change(request, runtime, origin, flow_id, condition, edit)


@router.delete(
    "/agents/{agent_id}",
    operation_id="removeAgent",
    response_model=AgentflowView,
    responses=answers_with(examples.AGENTFLOW, 401, 403, 404, 409, 412, 503),
)
async def remove_one(
    request: Request,
    flow_id: UUID,
    agent_id: AgentId,
    origin: OriginDep,
    runtime: RuntimeDep,
    condition: IfMatchDep,
) -> Response:
    """Take an agent out of the team; 409 names those that depend on it."""

    def edit(flow: Agentflow | Chatflow) -> FlowCreate:
        return remove_agent(_team(flow), agent_id)

    return await _change(request, runtime, origin, flow_id, condition, edit)
