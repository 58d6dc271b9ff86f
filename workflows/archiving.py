"""The archive on a schedule: what Temporal will forget is kept."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.archiving import ArchivingActivities
    from perdure.domain.housekeeping import ArchiveResult


@workflow.defn(name="Archive")
class ArchiveWorkflow:
    """One pass; the schedule starts the next."""

    @workflow.run
    async def run(self) -> ArchiveResult:
        """Archive and delete; what a pass does not finish the next one does."""
        return await workflow.execute_activity_method(
            ArchivingActivities.archive,
            summary="keep the histories of ended runs",
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
