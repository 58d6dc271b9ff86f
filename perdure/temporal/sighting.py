"""Looking at a run in the engine: what of it is pending, and who serves its queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import EventType, PendingActivityState, TaskQueueType, WorkflowTaskFailedCause
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from perdure.domain.explanations import SeenWorker
from perdure.domain.pictures import PendingStep, PendingTask, Queue
from perdure.record.reading import failure_sentence
from perdure.temporal.starting import run_handle

_NEWEST_EVENTS = 100
"""Among so many the last decision's end is found: after it come results and messages that wait for the next."""

_OTHER_ENDS = frozenset({EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT})

_STARTED = frozenset(
    {
        PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
        PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED,
    }
)


@dataclass(frozen=True)
class Sighting:
    """What the engine says of a run that has not ended."""

    task: PendingTask | None
    steps: tuple[PendingStep, ...]
    queue: Queue


async def look_at(client: Client, execution_id: object) -> Sighting | None:
    """Look at a run. None when Temporal knows none (any more)."""
    try:
        description = (await run_handle(client, execution_id).describe()).raw_description
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return Sighting(
        task=await _task(client, description),
        steps=tuple(_step(each) for each in description.pending_activities),
        queue=await _queue(client, description),
    )


async def _task(client: Client, description: DescribeWorkflowExecutionResponse) -> PendingTask | None:
    if not description.HasField("pending_workflow_task"):
        return None
    task = description.pending_workflow_task
    return PendingTask(
        attempt=max(task.attempt, 1),
        scheduled_at=_at(task, "original_scheduled_time") or _at(task, "scheduled_time") or datetime.now(UTC),
        started_at=_at(task, "started_time"),
        trouble=await _trouble(client, description) if task.attempt > 1 else None,
    )


async def _trouble(client: Client, description: DescribeWorkflowExecutionResponse) -> str | None:
    """What the last decision failed of; None where it did not fail but its worker was lost."""
    newest = await client.workflow_service.get_workflow_execution_history_reverse(
        GetWorkflowExecutionHistoryReverseRequest(
            namespace=client.namespace,
            execution=description.workflow_execution_info.execution,
            maximum_page_size=_NEWEST_EVENTS,
        )
    )
    for event in newest.history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            failed = event.workflow_task_failed_event_attributes
            return failed.failure.message or WorkflowTaskFailedCause.Name(failed.cause)
        if event.event_type in _OTHER_ENDS:
            return None
    return None


def _step(step: PendingActivityInfo) -> PendingStep:
    return PendingStep(
        step_id=step.activity_id,
        is_started=step.state in _STARTED,
        attempt=max(step.attempt, 1),
        scheduled_at=_at(step, "scheduled_time"),
        started_at=_at(step, "last_started_time"),
        heartbeat_at=_at(step, "last_heartbeat_time"),
        next_attempt_at=_at(step, "next_attempt_schedule_time"),
        last_error=failure_sentence(step.last_failure) if step.HasField("last_failure") else None,
        worker=step.last_worker_identity or None,
    )


async def _queue(client: Client, description: DescribeWorkflowExecutionResponse) -> Queue:
    """The queue of a run, and of its workers those that may take it."""
    name = description.workflow_execution_info.task_queue
    versioning = description.workflow_execution_info.versioning_info
    pinned = versioning.versioning_override.pinned.version
    version = pinned if pinned.build_id else versioning.deployment_version
    build_id = version.build_id or None
    found = [
        await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=name),
                task_queue_type=kind,
                report_stats=True,
            )
        )
        for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
    ]
    return Queue(
        name=name,
        build_id=build_id,
        backlog=sum(each.stats.approximate_backlog_count for each in found),
        workers=_workers([poller for each in found for poller in each.pollers], version),
    )


def _workers(pollers: Sequence[PollerInfo], version: WorkerDeploymentVersion) -> tuple[SeenWorker, ...]:
    """Each worker once, by when it last asked. A worker asks for decisions and for calls by itself."""
    seen: dict[str, SeenWorker] = {}
    for poller in pollers:
        theirs = poller.deployment_options
        is_able = not version.build_id or (theirs.deployment_name, theirs.build_id) == (
            version.deployment_name,
            version.build_id,
        )
        at = _at(poller, "last_access_time")
        if not is_able or at is None:
            continue
        known = seen.get(poller.identity)
        if known is None or known.last_seen_at < at:
            seen[poller.identity] = SeenWorker(
                identity=poller.identity, build_id=theirs.build_id or None, last_seen_at=at
            )
    return tuple(sorted(seen.values(), key=lambda worker: worker.identity))


def _at(message: Message, field: str) -> datetime | None:
    """A time of a message, None where it was not set."""
    if not message.HasField(field):
        return None
    time = getattr(message, field)
    return time.ToDatetime(tzinfo=UTC) if isinstance(time, Timestamp) else None
