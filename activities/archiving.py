"""Keeping the histories of ended runs in the archive, before Temporal forgets them."""

import asyncio
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.api.history.v1 import History

from activities.heartbeat import heartbeating
from perdure.domain.housekeeping import ArchiveResult
from perdure.settings import ArchiveSettings
from perdure.storage.archive import KeptHistory, Unarchived, delete_archived, find_unarchived, keep_histories
from perdure.storage.engine import Sessions
from perdure.temporal.history import Records

AT_ONCE = 4
"""How many histories are fetched at the same time: the server and the database have other work to do."""


class ArchivingActivities:
    """Built once per worker with what they need."""

    def __init__(self, records: Records, sessions: Sessions, settings: ArchiveSettings) -> None:
        self._records = records
        self._sessions = sessions
        self._settings = settings

    @activity.defn
    async def archive(self) -> ArchiveResult:
        """Archive what has ended and is not archived as it ended; delete what is older than the archive is to keep."""
        async with heartbeating():
            archived = await self._archive_ended()
            deleted = await self._delete_old()
        return ArchiveResult(archived=archived, deleted=deleted)

    async def _archive_ended(self) -> int:
        archived = 0
        last: Unarchived | None = None
        ended_before = datetime.now(UTC) - timedelta(seconds=self._settings.after_seconds)
        while True:
            async with self._sessions() as session:
                page = await find_unarchived(session, ended_before=ended_before, after=last)
            if not page:
                return archived
            last = page[-1]
            for first in range(0, len(page), AT_ONCE):
                archived += sum(await asyncio.gather(*map(self._archive, page[first : first + AT_ONCE])))

    async def _archive(self, ended: Unarchived) -> bool:
        """Archive one. False where Temporal had forgotten it already: that is noted, and it is not looked for again."""
        runs = await self._records.runs(ended.execution_id)
        histories = [
            KeptHistory(run.run_id, len(run.history), History(events=run.history).SerializeToString()) for run in runs
        ]
        async with self._sessions.begin() as session:
            await keep_histories(session, ended, histories)
        return bool(histories)

    async def _delete_old(self) -> int:
        if self._settings.retention_days is None:
            return 0
        ended_before = datetime.now(UTC) - timedelta(days=self._settings.retention_days)
        deleted = 0
        while True:
            async with self._sessions.begin() as session:
                page = await delete_archived(session, ended_before=ended_before)
            if not page:
                return deleted
            deleted += page
