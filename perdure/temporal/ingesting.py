"""Starting the ingestion of a document."""

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy

from perdure.domain.knowledge import IngestionInput
from perdure.temporal.client import TASK_QUEUE


def ingestion_id(ingestion: IngestionInput) -> str:
    """The id of a document's ingestion in Temporal."""
    return f"ingestion-{ingestion.document_id}"


async def start_ingestion(client: Client, ingestion: IngestionInput) -> None:
    """Start it; call this last in the transaction that inserts the document, for which its first step waits."""
    await client.start_workflow(
        "Ingestion",
        ingestion,
        id=ingestion_id(ingestion),
        task_queue=TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        static_summary="ingestion of a document",
        static_details=f"Document {ingestion.document_id} of knowledge base {ingestion.knowledgebase_id}",
    )
