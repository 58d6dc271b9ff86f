"""The words of steps: append-only rows that activity inputs refer to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import Table, Text, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.errors import NotFoundError
from perdure.domain.runs import CallToolResult, GenerateResult, KeepTextInput, KeepWordsInput, StepRef
from perdure.domain.tools import ToolOutput
from perdure.storage.tables import TranscriptRow

_APPEND = (
    insert(cast("Table", TranscriptRow.__table__))
    .values(
        {
            name: bindparam(name)
            for name in ("execution_id", "run_id", "step_id", "sequence", "role", "content", "result")
        }
    )
    .on_conflict_do_nothing()
)

ANSWER = 0
"""The sequence number of a step's answer; its failed attempts have theirs."""

WHOLE = -1
"""The sequence number of a tool's whole output, where the model is shown a part of it."""

PARTIAL = -2
"""The sequence number of what a step had said when it was cancelled."""

FAILURE = "failure"

# All rows that might be meant: refs of one step differ in their runs only after a reset, so there are few too many.
_READ = select(
    TranscriptRow.execution_id,
    TranscriptRow.run_id,
    TranscriptRow.step_id,
    TranscriptRow.role,
    TranscriptRow.content,
    TranscriptRow.result,
).where(
    TranscriptRow.execution_id == func.any(bindparam("executions", type_=ARRAY(Uuid))),
    TranscriptRow.run_id == func.any(bindparam("runs", type_=ARRAY(Text))),
    TranscriptRow.step_id == func.any(bindparam("steps", type_=ARRAY(Text))),
    TranscriptRow.sequence == ANSWER,
)


@dataclass(frozen=True)
class Words:
    """What a step said: an assistant's answer, a tool's output, or a text of ours."""

    role: str
    content: str
    result: dict[str, JsonValue] | None


async def keep_answer(connection: AsyncConnection, result: GenerateResult) -> None:
    """Append a step's answer; a second attempt that also got one leaves the first as it is."""
    row = {
        **result.ref.model_dump(),
        "sequence": ANSWER,
        "role": "assistant",
        "content": result.text,
        "result": result.model_dump(mode="json", exclude={"text", "ref"}),
    }
    await connection.execute(_APPEND, row)


@dataclass(frozen=True)
class KeptOutput:
    """A tool's output: what the model is shown, and the whole where that is more."""

    result: CallToolResult
    call_id: str
    tool_name: str
    whole: ToolOutput


async def keep_output(connection: AsyncConnection, kept: KeptOutput) -> None:
    """Append a tool's output; a second attempt that also got one leaves the first as it is."""
    ref, result = kept.result.ref.model_dump(), kept.result
    facts = {
        **result.model_dump(mode="json", exclude={"text", "ref"}),
        "tool_call_id": kept.call_id,
        "tool_name": kept.tool_name,
    }
    # The whole goes first: an attempt that is killed in between leaves no answer that would be taken for all there is.
    if kept.whole.content != result.text:
        whole = {"sequence": WHOLE, "role": "tool", "content": kept.whole.content, "result": None}
        await connection.execute(_APPEND, {**ref, **whole})
    row = {**ref, "sequence": ANSWER, "role": "tool", "content": result.text, "result": facts}
    await connection.execute(_APPEND, row)


async def kept_output(connection: AsyncConnection, ref: StepRef) -> CallToolResult | None:
    """The output that an earlier attempt of this step left, or None."""
    words = (await _read(connection, [ref])).get(ref)
    if words is None or words.result is None:
        return None
    facts = {name: value for name, value in words.result.items() if name in CallToolResult.model_fields}
    return CallToolResult.model_validate({**facts, "text": words.content, "ref": ref})


async def read_whole(connection: AsyncConnection, execution_id: UUID, step_id: str) -> str | None:
    """The whole output or answer of a step, None where there is none. After a reset: the latest run's."""
    step = (TranscriptRow.execution_id == execution_id, TranscriptRow.step_id == step_id)
    latest = (
        select(TranscriptRow.run_id)
        .where(*step, TranscriptRow.sequence == ANSWER)
        .order_by(TranscriptRow.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    return await connection.scalar(
        select(TranscriptRow.content)
        .where(*step, TranscriptRow.run_id == latest, TranscriptRow.sequence.in_((WHOLE, ANSWER)))
        .order_by(TranscriptRow.sequence)
        .limit(1)
    )


async def keep_text(session: AsyncSession, kept: KeepTextInput) -> None:
    """Append a text that steps refer to."""
    row = {**kept.ref.model_dump(), "sequence": ANSWER, "role": "user", "content": kept.text, "result": None}
    await session.execute(_APPEND, row)


async def keep_own_words(session: AsyncSession, kept: KeepWordsInput) -> None:
    """Append an answer of ours to a tool call."""
    facts = {"tool_call_id": kept.call_id, "tool_name": kept.tool_name}
    row = {**kept.ref.model_dump(), "sequence": ANSWER, "role": "tool", "content": kept.text, "result": facts}
    await session.execute(_APPEND, row)


@dataclass(frozen=True)
class FailedAttempt:
    """A model call that failed."""

    ref: StepRef
    attempt: int
    kind: str
    detail: str


async def keep_failure(connection: AsyncConnection, failed: FailedAttempt) -> int:
    """Append a failed model call of a step; how many there are by now."""
    row = {
        **failed.ref.model_dump(),
        "sequence": failed.attempt,
        "role": FAILURE,
        "content": failed.detail,
        "result": {"kind": failed.kind},
    }
    await connection.execute(_APPEND, row)
    count = await connection.scalar(
        select(func.count())
        .select_from(TranscriptRow)
        .where(
            TranscriptRow.execution_id == failed.ref.execution_id,
            TranscriptRow.run_id == failed.ref.run_id,
            TranscriptRow.step_id == failed.ref.step_id,
            TranscriptRow.role == FAILURE,
        )
    )
    return count or 0


async def kept_answer(connection: AsyncConnection, ref: StepRef) -> GenerateResult | None:
    """The answer that an earlier attempt of this step left, or None."""
    words = (await _read(connection, [ref])).get(ref)
    return (
        GenerateResult.model_validate({**words.result, "text": words.content, "ref": ref})
        if words and words.result
        else None
    )


async def read_words(connection: AsyncConnection, refs: Iterable[StepRef]) -> dict[StepRef, Words]:
    """The words behind each reference. Raises NotFoundError when some are gone."""
    wanted = list(refs)
    if not wanted:
        return {}
    found = await _read(connection, wanted)
    for ref in wanted:
        if ref not in found:
            msg = f"The words of step '{ref.step_id}' are no longer kept: start the flow again."
            raise NotFoundError(msg)
    return found


async def _read(connection: AsyncConnection, wanted: Sequence[StepRef]) -> dict[StepRef, Words]:
    rows = await connection.execute(
        _READ,
        {
            "executions": list({ref.execution_id for ref in wanted}),
            "runs": list({ref.run_id for ref in wanted}),
            "steps": list({ref.step_id for ref in wanted}),
        },
    )
    return {
        StepRef(execution_id=execution_id, run_id=run_id, step_id=step_id): Words(role, content, result)
        for execution_id, run_id, step_id, role, content, result in rows
    }


async def keep_partial(connection: AsyncConnection, partial: tuple[StepRef, str]) -> None:
    """Keep what a cancelled model call had said so far; a later attempt's words take the place of an earlier one's."""
    ref, text = partial
    row = {**ref.model_dump(), "sequence": PARTIAL, "role": "assistant", "content": text, "result": None}
    statement = insert(cast("Table", TranscriptRow.__table__)).values(row)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[TranscriptRow.execution_id, TranscriptRow.run_id, TranscriptRow.step_id, "sequence"],
            set_={"content": text},
        )
    )


async def read_partial(session: AsyncSession, execution_id: UUID, run_id: str, step_id: str) -> str | None:
    """What a cancelled step had said: its whole answer where it had come to it. None: nothing."""
    return await session.scalar(
        select(TranscriptRow.content)
        .where(
            TranscriptRow.execution_id == execution_id,
            TranscriptRow.run_id == run_id,
            TranscriptRow.step_id == step_id,
            TranscriptRow.sequence.in_((ANSWER, PARTIAL)),
        )
        .order_by(TranscriptRow.sequence.desc())
        .limit(1)
    )
