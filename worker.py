"""A worker of the deployment: it runs workflows and their activities until it is told to stop.

`python worker.py` is `perdure worker`.
"""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

from temporalio.worker import Worker, WorkerDeploymentConfig
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion

from activities.generate import GenerateActivities
from activities.housekeeping import HousekeepingActivities
from activities.records import RecordActivities
from perdure.bootstrap import Runtime
from perdure.embedded.local_model import LocalModel
from perdure.live import LiveWriter
from perdure.llm import Models
from perdure.temporal.client import TASK_QUEUE
from perdure.temporal.deployment import deployment_version
from workflows import WORKFLOWS
from workflows.sandbox import workflow_runner

HEARTBEAT_THROTTLE = timedelta(milliseconds=500)
"""How often heartbeats go to the server, and so how soon a cancellation comes back; the default is up to a minute."""

GRACEFUL_SECONDS = timedelta(seconds=5)
"""How long model calls in flight may go on when the worker stops; then another worker takes their steps."""


def build_worker(
    runtime: Runtime, models: Models, live: LiveWriter, deployed: WorkerDeploymentVersion | None
) -> Worker:
    """Build a worker over the runtime's client. Without a deployment it is unversioned, as tests want it."""
    generating = GenerateActivities(models, runtime.sessions, live)
    recording = RecordActivities(runtime.sessions)
    housekeeping = HousekeepingActivities(runtime.client, runtime.sessions)
    return Worker(
        runtime.client,
        task_queue=TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=[generating.generate, recording.record_ending, recording.keep_text, housekeeping.reconcile],
        workflow_runner=workflow_runner(),
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
