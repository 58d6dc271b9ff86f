"""The plots: deterministic code that Temporal replays."""

from workflows.agentflow import AgentflowWorkflow
from workflows.archiving import ArchiveWorkflow
from workflows.chatflow import ChatflowWorkflow
from workflows.ingestion import IngestionWorkflow
from workflows.reconcile import ReconcileWorkflow
from workflows.reindexing import ReindexWorkflow
from workflows.summary import SummaryWorkflow

WORKFLOWS = [
    AgentflowWorkflow,
    ArchiveWorkflow,
    ChatflowWorkflow,
    IngestionWorkflow,
    ReconcileWorkflow,
    ReindexWorkflow,
    SummaryWorkflow,
]
"""Every workflow a worker serves and a replay knows."""
