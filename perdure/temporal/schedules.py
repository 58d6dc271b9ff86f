"""The schedules that every deployment has."""

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)

from perdure.temporal.client import TASK_QUEUE

RECONCILE_ID = "perdure-reconcile"
RECONCILE_EVERY = timedelta(minutes=1)
ARCHIVE_ID = "perdure-archive"
ARCHIVE_EVERY = timedelta(minutes=10)


async def ensure_schedules(client: Client) -> None:
    """Create those schedules that are missing. Safe to repeat, by several processes at once."""
    await _ensure(client, RECONCILE_ID, "Reconcile", RECONCILE_EVERY, "Perdure's housekeeping")
    await _ensure(client, ARCHIVE_ID, "Archive", ARCHIVE_EVERY, "Perdure's archive of ended runs")


async def _ensure(client: Client, schedule_id: str, workflow: str, every: timedelta, summary: str) -> None:
    try:
        await client.create_schedule(
            schedule_id,
            Schedule(
                action=ScheduleActionStartWorkflow(
                    workflow, id=schedule_id, task_queue=TASK_QUEUE, static_summary=summary
                ),
                spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
                policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(seconds=10)),
            ),
        )
    except ScheduleAlreadyRunningError:
        return
