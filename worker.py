"""A worker of the deployment: it runs workflows and their activities until it is told to stop.

`python worker.py` is `perdure worker`.
"""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig, WorkflowRunner

from activities.archiving import ArchivingActivities
from activities.documents import DocumentActivities
from activities.edge import EdgeInterceptor
from activities.generate import GenerateActivities
from activities.heartbeat import hasten
from activities.housekeeping import HousekeepingActivities
from activities.memory import MemoryActivities
from activities.patience import PatientDatabase
from activities.records import RecordActivities
from activities.reindexing import ReindexActivities
from activities.reuse import ReuseActivities
from activities.subflows import SubflowActivities
from activities.telling import TellingInterceptor
from activities.tools import ToolActivities
from perdure.bootstrap import Runtime
from perdure.knowledge_tool import knowledge_search
from perdure.live import LiveWriter
from perdure.temporal.client import TASK_QUEUE
from perdure.temporal.deployment import adopt_pinned_runs, deployment_version, make_current
from perdure.temporal.namespace import keep_history
from perdure.temporal.schedules import ensure_schedules
from perdure.tools import Toolbox
from workflows import WORKFLOWS
from workflows.sandbox import production_runner

HEARTBEAT_THROTTLE = timedelta(milliseconds=100)
"""How often heartbeats may go to the server; how often they do is said in `activities.heartbeat`."""

GRACEFUL_SECONDS = timedelta(seconds=5)
"""How long model calls in flight may go on when the worker stops; then another worker takes their steps."""


async def run(runtime: Runtime, stop: asyncio.Event, *, alone: bool = False) -> None:
    """Serve until `stop` is set, then let go of what is in flight and return.

    Args:
        runtime: what the worker works on; `endpoints.local_model_url` where the embedded model is served.
        stop: set it to end the worker.
        alone: no other worker serves this Temporal (`up`): runs pinned to other builds are taken along.
    """
    settings = runtime.settings
    if settings.temporal.address is None:
        await keep_history(runtime.client)
    deployed = deployment_version(settings.worker)
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(LiveWriter(runtime.endpoints.database_url))
        toolbox = await stack.enter_async_context(Toolbox(settings.tools, search=knowledge_search(runtime)))
        serving = build_worker(runtime, toolbox, live, deployed)
        await stack.enter_async_context(serving)
        if settings.worker.make_current:
            await make_current(runtime.client, deployed)
        if alone:
            await adopt_pinned_runs(runtime.client, deployed)
        await ensure_schedules(runtime.client)
        await stop.wait()


def build_worker(
    runtime: Runtime,
    toolbox: Toolbox,
    live: LiveWriter,
    deployed: WorkerDeploymentVersion | None,
    *,
    runner: WorkflowRunner | None = None,
) -> Worker:
    """Build a worker over the runtime's client. Tests leave it unversioned and give it the checking runner."""
    runtime.live.on_cancel(hasten)
    generating = GenerateActivities(runtime.llm.models, toolbox, runtime.single, live)
    calling = ToolActivities(toolbox, runtime.single, live)
    subflows = SubflowActivities(runtime.sessions)
    recording = RecordActivities(runtime.client, runtime.sessions, runtime.single)
    remembering = MemoryActivities(runtime.sessions)
    patient = PatientDatabase(runtime.sessions, runtime.single)
    documents = DocumentActivities(patient, runtime.llm.embeddings)
    reindexing = ReindexActivities(patient, runtime.llm.embeddings)
    housekeeping = HousekeepingActivities(runtime.records, runtime.sessions)
    archiving = ArchivingActivities(runtime.records, runtime.sessions, runtime.settings.archive)
    return Worker(
        runtime.client,
        task_queue=TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=[
            generating.generate,
            calling.call_tool,
            subflows.prepare,
            recording.record_ending,
            recording.keep_text,
            recording.keep_words,
            recording.note,
            ReuseActivities(runtime.sessions).reuse,
            *remembering.all,
            housekeeping.reconcile,
            archiving.archive,
            *documents.all,
            *reindexing.all,
        ],
        workflow_runner=runner or production_runner(),
        # What the SDK calls its debug mode: workflow code runs on this loop instead of in threads (decision 7).
        debug_mode=runner is None,
        # The first is the outermost: what it tells of failures are the edge's words.
        interceptors=[TellingInterceptor(live), EdgeInterceptor()],
        max_concurrent_activities=runtime.settings.worker.max_concurrent_steps,
        max_eager_activity_reservations_per_workflow_task=20,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        default_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=GRACEFUL_SECONDS,
        deployment_config=_deployment(deployed),
    )


def _deployment(deployed: WorkerDeploymentVersion | None) -> WorkerDeploymentConfig | None:
    if deployed is None:
        return None
    return WorkerDeploymentConfig(
        version=deployed,
        use_worker_versioning=True,
        # A run stays with the code that it started on; a newer build gets new runs.
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


if __name__ == "__main__":
    from perdure.cli import run_worker

    run_worker()
