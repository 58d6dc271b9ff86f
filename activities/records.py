"""Short writes of a run, safe to repeat."""

from temporalio import activity
from temporalio.client import Client

from perdure.domain.notes import AnyNote
from perdure.domain.runs import KeepTextInput, KeepWordsInput, NoteInput, RunEnding
from perdure.storage.approvals import concerns, keep_note
from perdure.storage.engine import Sessions, Single
from perdure.storage.transcripts import keep_own_words, keep_text
from perdure.temporal.settling import end_at_once, end_run


class RecordActivities:
    """What a run writes about itself; used as local activities."""

    def __init__(self, client: Client, sessions: Sessions, single: Single) -> None:
        self._client = client
        self._sessions = sessions
        self._single = single

    @activity.defn
    async def record_ending(self, ending: RunEnding) -> None:
        """Settle the run's row, its flow's activity, its chat turn and its live channel in one transaction.

        Then call the turn that waits for this one, and start the fold that is due.
        """
        if not await end_at_once(self._single, ending):
            await end_run(self._client, self._sessions, ending)

    @activity.defn
    async def keep_text(self, kept: KeepTextInput) -> None:
        """Keep a long text that steps refer to."""
        async with self._sessions.begin() as session:
            await keep_text(session, kept)

    @activity.defn
    async def keep_words(self, kept: KeepWordsInput) -> None:
        """Keep what the workflow itself answers to a tool call."""
        async with self._sessions.begin() as session:
            await keep_own_words(session, kept)

    @activity.defn
    async def note(self, noted: NoteInput) -> AnyNote:
        """Put down a note: as the result of a local activity it stands in the run's history.

        What it says of an approval goes into the table that people's lists are read from.
        """
        if concerns(noted):
            async with self._sessions.begin() as session:
                await keep_note(session, noted, activity.info().workflow_run_id or "")
        return noted.note
