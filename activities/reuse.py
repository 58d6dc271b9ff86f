"""Taking a step's result from the run that had done it."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from perdure.domain.generation import ToolCall
from perdure.domain.reuse import Reused, ReuseInput
from perdure.domain.runs import CallToolResult, GenerateResult, KeepWordsInput, StepRef
from perdure.domain.tools import ToolOutput
from perdure.storage.engine import Sessions
from perdure.storage.reuse import copy_words
from perdure.storage.transcripts import (
    KeptOutput,
    keep_answer,
    keep_output,
    keep_own_words,
    kept_answer,
    kept_output,
    read_words,
)


class ReuseActivities:
    """Built once per worker; used as a local activity."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @activity.defn
    async def reuse(self, asked: ReuseInput) -> Reused:
        """Keep another run's result, or what somebody put in its place, as this run's; return it. Safe to repeat.

        Nothing is called. Raises NotFoundError when the other run's words are gone.
        """
        step = asked.step
        reused = Reused(source=asked.source, asked=asked.asked, edited=step.edited, error=step.error)
        if step.run_id is None and step.output is None:
            return reused
        async with self._sessions.begin() as session:
            connection = await session.connection()
            if step.run_id is not None:
                source = StepRef(execution_id=asked.source, run_id=step.run_id, step_id=step.step_id)
                await copy_words(connection, source, asked.ref)
            elif step.kind == "model":
                await keep_answer(connection, _answer(asked))
            elif step.kind == "tool":
                await keep_output(connection, _output(asked))
            else:
                kept = KeepWordsInput(
                    ref=asked.ref, call_id=_call(asked).id, tool_name=_call(asked).name, text=step.output or ""
                )
                await keep_own_words(session, kept)
            return await _read(connection, asked, reused)


async def _read(connection: AsyncConnection, asked: ReuseInput, reused: Reused) -> Reused:
    words = (await read_words(connection, [asked.ref]))[asked.ref]
    match asked.step.kind:
        case "model":
            return reused.model_copy(update={"generated": await kept_answer(connection, asked.ref)})
        case "tool":
            return reused.model_copy(update={"called": await kept_output(connection, asked.ref)})
        case "words":
            return reused.model_copy(update={"words": words.content})


def _answer(asked: ReuseInput) -> GenerateResult:
    if asked.model is None:
        raise ValueError("a model's answer names its model")
    now = datetime.now(UTC)
    return GenerateResult(
        text=asked.step.output or "",
        model=asked.model,
        usage=None,
        cost_usd=None,
        finish_reason="edited",
        attempt=1,
        started_at=now,
        completed_at=now,
        ref=asked.ref,
    )


def _output(asked: ReuseInput) -> KeptOutput:
    now, text = datetime.now(UTC), asked.step.output or ""
    result = CallToolResult(
        text=text,
        is_error=False,
        characters=len(text),
        attempt=1,
        started_at=now,
        completed_at=now,
        ref=asked.ref,
    )
    call = _call(asked)
    return KeptOutput(result=result, call_id=call.id, tool_name=call.name, whole=ToolOutput(content=text))


def _call(asked: ReuseInput) -> ToolCall:
    if asked.call is None:
        raise ValueError("an answer to a tool call names the call")
    return asked.call
