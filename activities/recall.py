"""Reading what a turn may remember, and choosing of it what there is room for."""

import asyncio
from collections.abc import Sequence
from functools import partial

from activities.attempts import Attempts
from activities.embedding import embed, likest
from perdure.domain.flows import MemoryConfig, MemoryType
from perdure.domain.generation import PromptMessage
from perdure.domain.memories import Past, PastTurn, RecalledTurn, Recollection
from perdure.domain.runs import ConversationRef, GenerateInput
from perdure.llm.windows import context_window
from perdure.memory import MEMORIES, RECALLING, SUMMARIZING
from perdure.memory.budget import memory_budget
from perdure.memory.summary import UNBOUNDED
from perdure.storage import turn_vectors
from perdure.storage.chats import read_turns
from perdure.storage.summaries import read_summary

MESSAGES_WHILE_FOLDING = 200
"""How many messages beyond the threshold are read: folds may be late by as many."""


class Remembering:
    """A conversation's memory as a model call uses it."""

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts

    async def recall(self, step: GenerateInput, prompt: str, since: Sequence[PromptMessage]) -> Recollection | None:
        """What the step's model is reminded of, beside its prompt and what was said since.

        None where it is a first turn's or asks for no memory.
        """
        conversation = step.conversation
        if conversation is None or not step.max_messages:
            return None
        config = step.memory or MemoryConfig(type=MemoryType.BUFFER, max_messages=step.max_messages)
        past = await self._past(conversation, config, prompt) if conversation.upto else Past()
        return MEMORIES[config.type](past, config, _budget(step, prompt, since) if step.memory else UNBOUNDED)

    async def _past(self, conversation: ConversationRef, config: MemoryConfig, prompt: str) -> Past:
        is_summarizing = config.type in SUMMARIZING
        limit = max(config.max_messages, config.summary_threshold + MESSAGES_WHILE_FOLDING if is_summarizing else 0)
        turns: list[PastTurn] = await self._attempts.within_reach(partial(read_turns, limit=limit), conversation)
        folded, summary = await self._attempts.within_reach(read_summary, conversation) if is_summarizing else (0, "")
        recalled = await self._recalled(conversation, config, prompt) if config.type in RECALLING else ()
        return Past(turns=tuple(turns), summary=summary, folded=folded, recalled=recalled)

    async def _recalled(
        self, conversation: ConversationRef, config: MemoryConfig, prompt: str
    ) -> tuple[RecalledTurn, ...]:
        kept = await self._attempts.within_reach(turn_vectors.read_vectors, conversation)
        if not kept:
            return ()
        (wanted,) = await asyncio.to_thread(embed, [prompt])
        # Some of the likest are shown anyway, being among the newest.
        best = likest(wanted, kept, config.vector_top_k + config.max_messages)
        read = partial(turn_vectors.read_turns_at, sequences=list(best))
        turns = await self._attempts.within_reach(read, conversation)
        found = [RecalledTurn(turn=turn, score=best[turn.first]) for turn in turns]
        return tuple(sorted(found, key=lambda each: -each.score))


def _budget(step: GenerateInput, prompt: str, since: Sequence[PromptMessage]) -> int:
    tools = "".join(tool.model_dump_json() for tool in (*step.tools, *step.own_tools))
    around = f"{step.system_prompt}{prompt}{tools}{''.join(each.model_dump_json() for each in since)}"
    return memory_budget(context_window(step.model), around=around, max_tokens=step.max_tokens)
