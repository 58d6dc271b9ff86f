"""Starting a re-index."""

from uuid import UUID

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy

from perdure.domain.reindexing import ReindexInput
from perdure.temporal.client import TASK_QUEUE


def reindex_workflow_id(reindex_id: UUID) -> str:
    """The id of a re-index in Temporal."""
    return f"reindex-{reindex_id}"


async def start_reindex(client: Client, given: ReindexInput) -> None:
    """Start it; call this last in the transaction that notes it, for which its first step waits."""
    await client.start_workflow(
        "Reindex",
        given,
        id=reindex_workflow_id(given.reindex_id),
        task_queue=TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        static_summary="re-index of a knowledge base",
        static_details=f"Knowledge base {given.knowledgebase_id}",
    )
