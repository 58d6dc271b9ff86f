"""The words of steps: append-only rows that activity inputs refer to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Table, Text, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from perdure.domain.errors import NotFoundError
from perdure.domain.runs import GenerateResult, KeepTextInput, StepRef
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

FAILURE = "failure"

# All rows that might be meant: refs of one step differ in their runs only after a reset, so there are few too many.
_READ = select(TranscriptRow.execution_id, TranscriptRow.run_id, TranscriptRow.step_id, TranscriptRow.content).where(
    TranscriptRow.execution_id == func.any(bindparam("executions", type_=ARRAY(Uuid))),
    TranscriptRow.run_id == func.any(bindparam("runs", type_=ARRAY(Text))),
    TranscriptRow.step_id == func.any(bindparam("steps", type_=ARRAY(Text))),
    TranscriptRow.sequence == ANSWER,
)


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


async def keep_text(session: AsyncSession, kept: KeepTextInput) -> None:
    """Append a text that steps refer to."""
    row = {**kept.ref.model_dump(), "sequence": ANSWER, "role": "user", "content": kept.text, "result": None}
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
    found = await connection.execute(
        select(TranscriptRow.content, TranscriptRow.result).where(
            TranscriptRow.execution_id == ref.execution_id,
            TranscriptRow.run_id == ref.run_id,
            TranscriptRow.step_id == ref.step_id,
            TranscriptRow.sequence == ANSWER,
        )
    )
    row = found.one_or_none()
    return GenerateResult.model_validate({**row.result, "text": row.content, "ref": ref}) if row else None


async def read_texts(connection: AsyncConnection, refs: Iterable[StepRef]) -> dict[StepRef, str]:
    """The text behind each reference. Raises NotFoundError when one is gone."""
    wanted = list(refs)
    if not wanted:
        return {}
    rows = await connection.execute(
        _READ,
        {
            "executions": list({ref.execution_id for ref in wanted}),
            "runs": list({ref.run_id for ref in wanted}),
            "steps": list({ref.step_id for ref in wanted}),
        },
    )
    texts = {
        StepRef(execution_id=execution_id, run_id=run_id, step_id=step_id): content
        for execution_id, run_id, step_id, content in rows
    }
    for ref in wanted:
        if ref not in texts:
            msg = f"The words of step '{ref.step_id}' are no longer kept: start the flow again."
            raise NotFoundError(msg)
    return texts
