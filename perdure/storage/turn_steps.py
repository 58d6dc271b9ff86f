"""The tool calls of a chat turn, put together from what its steps left; stored with its answer, never apart from it."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from perdure.domain.generation import PromptMessage, ToolCall
from perdure.domain.runs import ASSISTANT, RunEnding, assistant_step
from perdure.domain.tools import refusal_id, tool_step_id
from perdure.storage.tables import TranscriptRow
from perdure.storage.transcripts import ANSWER, Words


def has_tool_calls(ending: RunEnding) -> bool:
    """Whether a chat turn called tools, or wanted to."""
    return any(
        node.node_id == ASSISTANT and (node.id != ASSISTANT or _asked(node.output_data))
        for node in ending.node_executions
    )


def _asked(output: Mapping[str, object] | None) -> bool:
    return bool(output and output.get("tool_calls"))


async def read_turn_steps(session: AsyncSession, execution_id: UUID, run_id: str) -> list[PromptMessage]:
    """The calls of a turn and their results in the order in which its model saw them."""
    rows = await session.execute(
        select(TranscriptRow.step_id, TranscriptRow.role, TranscriptRow.content, TranscriptRow.result).where(
            TranscriptRow.execution_id == execution_id,
            TranscriptRow.run_id == run_id,
            TranscriptRow.sequence == ANSWER,
            TranscriptRow.step_id.startswith(ASSISTANT, autoescape=True),
        )
    )
    return steps_of({step_id: Words(role, content, result) for step_id, role, content, result in rows})


def steps_of(words: Mapping[str, Words]) -> list[PromptMessage]:
    """The messages between a turn's question and its answer.

    A call whose result is missing is left out, with the others that its model asked for at the same time: models refuse
    a conversation with a call that nobody answered.
    """
    told: list[PromptMessage] = []
    number = 1
    while (asked := words.get(assistant_step(number))) is not None:
        calls = calls_of(asked)
        results = [_result(words, assistant_step(number), place, call) for place, call in enumerate(calls, 1)]
        found = [result for result in results if result is not None]
        if not calls or len(found) < len(calls):
            break
        told += [PromptMessage(role="assistant", content=asked.content, tool_calls=calls), *found]
        number += 1
    return told


def calls_of(words: Words) -> tuple[ToolCall, ...]:
    """What a model's kept answer asked for."""
    calls = (words.result or {}).get("tool_calls")
    return tuple(ToolCall.model_validate(call) for call in calls) if isinstance(calls, list) else ()


def _result(words: Mapping[str, Words], step_id: str, number: int, call: ToolCall) -> PromptMessage | None:
    place = tool_step_id(step_id, number, call.name)
    said = words.get(place) or words.get(refusal_id(place))
    if said is None:
        return None
    return PromptMessage(role="tool", content=said.content, tool_call_id=call.id, tool_name=call.name)
