"""Housekeeping on a schedule: the list of executions is made to agree with Temporal."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.housekeeping import HousekeepingActivities
    from perdure.domain.housekeeping import ReconcileResult


@workflow.defn(name="Reconcile")
class ReconcileWorkflow:
    """One pass; the schedule starts the next."""

    @workflow.run
    async def run(self) -> ReconcileResult:
        """Settle, adopt, delete; what a pass does not finish the next one does."""
        return await workflow.execute_activity_method(
            HousekeepingActivities.reconcile,
            summary="make the list of executions agree with Temporal",
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
