"""What a session remembers: whose turn it is, and the summary of what was said."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity

from activities.attempts import ref_of
from activities.embedding import embed
from perdure.domain.runs import (
    ConversationRef,
    FoldInput,
    FoldPlan,
    KeepSummaryInput,
    KeepTextInput,
    TurnInput,
    TurnPlace,
)
from perdure.memory import summary
from perdure.memory.cutting import turns_of
from perdure.storage import summaries, turn_vectors
from perdure.storage.engine import Sessions
from perdure.storage.transcripts import keep_text
from perdure.storage.turns import begin_turn


class MemoryActivities:
    """Short reads and writes, safe to repeat; used as local activities."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @property
    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker serves."""
        return [self.begin_turn, self.plan_fold, self.keep_summary, self.embed_turns]

    @activity.defn
    async def begin_turn(self, turn: TurnInput) -> TurnPlace:
        """Say whether a turn may begin, and mark those ahead that it cuts off."""
        async with self._sessions.begin() as session:
            return await begin_turn(session, turn)

    @activity.defn
    async def plan_fold(self, fold: FoldInput) -> FoldPlan | None:
        """See which turns are to be folded, and keep them and the summary before as a text. None: none are."""
        async with self._sessions.begin() as session:
            unfolded = await summaries.read_unfolded(session, fold)
            if unfolded is None:
                return None
            turns = summary.to_fold(turns_of(unfolded.messages), fold.memory)
            if not turns:
                return None
            ref = ref_of(fold.execution_id, "summary:task")
            await keep_text(session, KeepTextInput(ref=ref, text=summary.text_to_fold(unfolded.summary, turns)))
            return FoldPlan(
                session_key=unfolded.session_key,
                after=unfolded.folded,
                upto=turns[-1].last,
                last_execution_id=turns[-1].execution_id,
                ref=ref,
            )

    @activity.defn
    async def keep_summary(self, kept: KeepSummaryInput) -> None:
        """Put a summary in the place of the one it was made from; where that is gone (a clear), it is dropped."""
        async with self._sessions.begin() as session:
            await summaries.keep(session, kept)

    @activity.defn
    async def embed_turns(self, conversation: ConversationRef) -> int:
        """Embed the turns of a session that have no vector yet, earlier ones that were missed too; how many."""
        async with self._sessions() as session:
            turns = await turn_vectors.read_unembedded(session, conversation)
        if not turns:
            return 0
        vectors = await asyncio.to_thread(embed, [turn.text for turn in turns])
        async with self._sessions.begin() as session:
            await turn_vectors.keep(session, turns, vectors)
        return len(turns)
