"""Starting a run's workflow: its id, its names and what it can be found by in the Temporal Web UI."""

from collections.abc import Sequence

from temporalio.client import Client, WorkflowHandle
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from perdure.domain.flows import FlowType
from perdure.domain.runs import RunInput
from perdure.temporal.client import TASK_QUEUE

FLOW = SearchAttributeKey.for_keyword("PerdureFlow")
FLOW_NAME = SearchAttributeKey.for_keyword("PerdureFlowName")
KIND = SearchAttributeKey.for_keyword("PerdureKind")
USER = SearchAttributeKey.for_int("PerdureUser")
SESSION = SearchAttributeKey.for_keyword("PerdureSession")
TAGS = SearchAttributeKey.for_keyword_list("PerdureTags")
SEARCH_ATTRIBUTES = (FLOW, FLOW_NAME, KIND, USER, SESSION, TAGS)

WORKFLOW_TYPES = {FlowType.AGENTFLOW: "Agentflow", FlowType.CHATFLOW: "Chatflow"}
"""The workflow of each kind of flow."""


async def start_run(client: Client, run: RunInput) -> None:
    """Start the workflow of a run. Repeating it for the same execution is harmless.

    A worker in this process gets the first task with the answer (eager start); any other polls for it.
    """
    try:
        await client.start_workflow(
            WORKFLOW_TYPES[run.flow.flow_type],
            run,
            id=str(run.execution_id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=_search_attributes(run),
            static_summary=f"{run.flow.flow_type.value}: {run.flow.name}"[:200],
            static_details=_details(run),
            request_eager_start=True,
        )
    except WorkflowAlreadyStartedError:
        # An earlier call with the same idempotency key started it and died before it could commit.
        return


def run_handle(client: Client, execution_id: object) -> WorkflowHandle[object, object]:
    """The workflow of an execution: its id is the execution's."""
    return client.get_workflow_handle(str(execution_id))


def _search_attributes(run: RunInput) -> TypedSearchAttributes:
    pairs: list[SearchAttributePair[str] | SearchAttributePair[int] | SearchAttributePair[Sequence[str]]] = [
        SearchAttributePair(FLOW, str(run.flow.id)),
        SearchAttributePair(FLOW_NAME, run.flow.name),
        SearchAttributePair(KIND, run.flow.flow_type.value),
        SearchAttributePair(USER, run.user_id),
    ]
    if run.conversation is not None:
        pairs.append(SearchAttributePair(SESSION, run.conversation.session_id))
    if run.flow.tags:
        pairs.append(SearchAttributePair(TAGS, run.flow.tags))
    return TypedSearchAttributes(pairs)


def _details(run: RunInput) -> str:
    description = f"\n\n{run.flow.description}" if run.flow.description else ""
    return f"**{run.flow.name}**, version {run.flow.version}, run by user {run.user_id}{description}"[:2000]
