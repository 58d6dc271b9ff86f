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


async def ensure_schedules(client: Client) -> None:
    """Create the reconciling schedule where it is missing. Safe to repeat, by several processes at once."""
    try:
        await client.create_schedule(
            RECONCILE_ID,
            Schedule(
                action=ScheduleActionStartWorkflow(
                    "Reconcile", id=RECONCILE_ID, task_queue=TASK_QUEUE, static_summary="Perdure's housekeeping"
                ),
                spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=RECONCILE_EVERY)]),
                policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(seconds=10)),
            ),
        )
    except ScheduleAlreadyRunningError:
        return
