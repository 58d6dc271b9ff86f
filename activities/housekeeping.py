"""What makes the list of executions agree with Temporal again, and removes what nobody can ask for any more."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from temporalio import activity

from activities.heartbeat import heartbeating
from activities.knowledge_upkeep import empty_deleted, fail_lost_documents, fail_lost_reindexes
from perdure.domain.housekeeping import ReconcileResult
from perdure.live import purge
from perdure.storage.audit import seal_all
from perdure.storage.engine import Sessions
from perdure.storage.executions import adopt, missing_rows, open_executions, reopen
from perdure.storage.payloads import delete_payloads, owners_before
from perdure.temporal.history import Records
from perdure.temporal.naming import WORKFLOW_TYPES
from perdure.temporal.settling import describe_open, is_known, settle_from_history, started_header

GRACE = timedelta(seconds=30)
"""Younger runs are left alone: their start or their end may be on its way to the database."""

LOOK_BACK = timedelta(hours=1)
"""How far back runs without a row are looked for; every pass looks, so an hour covers an outage of the schedule."""

LIVE_FRAMES_AFTER_END = timedelta(minutes=5)
"""How long the words of an ended run stay on the live channel for those who are still reading them."""


PAYLOADS_AT_LEAST = timedelta(days=1)
"""Temporal's shortest retention: no history is forgotten earlier, so younger payloads are not even looked at."""


class HousekeepingActivities:
    """Built once per worker with what they need."""

    def __init__(
        self,
        records: Records,
        sessions: Sessions,
        *,
        grace: timedelta = GRACE,
        payloads_at_least: timedelta = PAYLOADS_AT_LEAST,
    ) -> None:
        self._records = records
        self._client = records.client
        self._sessions = sessions
        self._grace = grace
        self._payloads_at_least = payloads_at_least

    @activity.defn
    async def reconcile(self) -> ReconcileResult:
        """Settle runs that ended without a chance to write; list runs whose starter died; delete what is over."""
        async with heartbeating():
            settled = await self._settle_ended()
            adopted = await self._adopt_unlisted()
            async with self._sessions.begin() as session:
                await purge(session, LIVE_FRAMES_AFTER_END)
            deleted = await self._delete_forgotten_payloads()
            documents = await fail_lost_documents(self._client, self._sessions, self._grace)
            reindexes = await fail_lost_reindexes(self._client, self._sessions, self._grace)
            emptied = await empty_deleted(self._sessions)
            sealed = await seal_all(self._sessions)
        return ReconcileResult(
            settled=settled,
            adopted=adopted,
            payloads_deleted=deleted,
            documents_failed=documents,
            reindexes_failed=reindexes,
            knowledge_bases_emptied=emptied,
            audit_entries_sealed=sealed,
        )

    async def _settle_ended(self) -> int:
        settled = 0
        after: UUID | None = None
        while True:
            async with self._sessions() as session:
                page = await open_executions(session, started_before=datetime.now(UTC) - self._grace, after=after)
            if not page:
                return settled
            after = page[-1]
            running = await describe_open(self._client, page)
            for execution_id in page:
                if execution_id not in running:
                    settled += await settle_from_history(self._records, self._sessions, execution_id)

    async def _delete_forgotten_payloads(self) -> int:
        deleted = 0
        after = ""
        while True:
            async with self._sessions() as session:
                owners = await owners_before(session, datetime.now(UTC) - self._payloads_at_least, after=after)
            if not owners:
                return deleted
            after = owners[-1]
            forgotten = [owner for owner in owners if not await is_known(self._client, owner)]
            if forgotten:
                async with self._sessions.begin() as session:
                    deleted += await delete_payloads(session, forgotten)

    async def _adopt_unlisted(self) -> int:
        now = datetime.now(UTC)
        kinds = ", ".join(f"'{name}'" for name in WORKFLOW_TYPES.values())
        query = (
            f"WorkflowType IN ({kinds}) AND ExecutionStatus = 'Running'"
            f" AND StartTime > '{(now - LOOK_BACK).isoformat()}' AND StartTime < '{(now - self._grace).isoformat()}'"
        )
        running = {UUID(run.id): run.run_id async for run in self._client.list_workflows(query)}
        adopted = 0
        async with self._sessions() as session:
            unlisted = await missing_rows(session, list(running))
        for execution_id in unlisted:
            header = await started_header(self._records, execution_id)
            if header is not None:
                async with self._sessions.begin() as session:
                    await adopt(session, header)
                adopted += 1
        for execution_id, run_id in running.items():
            async with self._sessions.begin() as session:
                adopted += await reopen(session, execution_id, run_id)
        return adopted
