"""Getting another flow ready to run as a tool."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

from temporalio import activity

from perdure.domain.errors import ConflictError, NotFoundError
from perdure.domain.flows import Agentflow, Chatflow, FlowType
from perdure.domain.runs import ConversationRef, RunInput, SubflowInput, SubflowPlan
from perdure.runnable import check_runnable
from perdure.storage.chats import open_session
from perdure.storage.engine import Sessions
from perdure.storage.executions import insert_started, note_start
from perdure.storage.flows import get_flow

DEEPEST = 5
"""Runs that may stand above one another: a flow that calls itself must come to an end."""

_CHILDREN = UUID("0c1f0a52-7c3f-4a39-8f2c-7f2b8d0f7a11")
"""The name space of the ids of runs that are called as tools."""


class SubflowActivities:
    """Built once per worker; used as a local activity."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @activity.defn
    async def prepare(self, asked: SubflowInput) -> SubflowPlan:
        """Read the flow as it is now and list its run; safe to repeat. What cannot run is a refusal for the model."""
        if asked.parent.depth > DEEPEST:
            return SubflowPlan(run=None, refusal=f"Flows may call flows {DEEPEST} deep; this would be one more.")
        message = asked.call.arguments.get("message")
        if not isinstance(message, str) or not message.strip():
            return SubflowPlan(run=None, refusal="The arguments do not fit: give the task as a text, `message`.")
        try:
            async with self._sessions.begin() as session:
                flow = await get_flow(session, asked.tool.flow_id, user_id=asked.user_id)
                check_runnable(flow)
                run_id = activity.info().workflow_run_id
                execution_id = uuid5(_CHILDREN, f"{run_id}:{asked.parent.step_id}")
                # A session of its own: nobody else's turn can stand in its way.
                if flow.flow_type is FlowType.CHATFLOW:
                    await open_session(session, user_id=asked.user_id, session_id=str(execution_id), flow_id=flow.id)
                    conversation = ConversationRef(user_id=asked.user_id, session_id=str(execution_id), upto=0)
                else:
                    conversation = None
                run = RunInput(
                    execution_id=execution_id,
                    flow=_undrawn(flow),
                    user_id=asked.user_id,
                    input_data={"message": message},
                    conversation=conversation,
                    default_model=asked.default_model,
                    parent=asked.parent,
                    started_at=datetime.now(UTC),
                )
                if await insert_started(session, run.header):
                    await note_start(session, run.header)
        except (NotFoundError, ConflictError) as error:
            return SubflowPlan(run=None, refusal=error.detail)
        return SubflowPlan(run=run)


def _undrawn(flow: Agentflow | Chatflow) -> Agentflow | Chatflow:
    return flow.model_copy(update={"graph_definition": None})
