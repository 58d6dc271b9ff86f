"""What was said in a session, as its runs keep it: clearing the session takes away its messages, not these."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from perdure.domain.executions import ExecutionStatus
from perdure.domain.states import SessionMessage
from perdure.storage.tables import ExecutionRow


async def read_said(
    session: AsyncSession, session_id: str, *, user_id: int, after: datetime, until: datetime | None
) -> list[SessionMessage]:
    """The messages of the turns that were completed after one instant and up to another, in that order."""
    wanted = [
        ExecutionRow.user_id == user_id,
        ExecutionRow.session_id == session_id,
        ExecutionRow.status == ExecutionStatus.COMPLETED.value,
        ExecutionRow.completed_at > after,
    ]
    if until is not None:
        wanted.append(ExecutionRow.completed_at <= until)
    found = await session.execute(
        select(
            ExecutionRow.id,
            ExecutionRow.started_at,
            ExecutionRow.completed_at,
            ExecutionRow.input_data["message"].astext,
            ExecutionRow.output_data["response"].astext,
        )
        .where(*wanted)
        .order_by(ExecutionRow.completed_at, ExecutionRow.id)
    )
    said: list[SessionMessage] = []
    for execution_id, started_at, completed_at, message, response in found:
        said += (
            SessionMessage(role="user", content=message or "", execution_id=execution_id, timestamp=started_at),
            SessionMessage(
                role="assistant",
                content=response or "",
                execution_id=execution_id,
                timestamp=completed_at or started_at,
            ),
        )
    return said
