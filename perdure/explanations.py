"""Why is this run not moving? What the engine, its history and the database say about it, put together."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from perdure.bootstrap import Runtime
from perdure.domain.approvals import Approval, ApprovalStatus
from perdure.domain.errors import NotFoundError
from perdure.domain.executions import Execution, NodeStatus
from perdure.domain.explanations import Explanation
from perdure.domain.pictures import Picture
from perdure.domain.users import User
from perdure.executions import get_execution
from perdure.record.explaining import explain, explain_ended
from perdure.record.prefixes import child_of
from perdure.storage.approvals import list_approvals
from perdure.storage.turns import turns_ahead
from perdure.temporal.sighting import look_at

DEEPEST = 5
"""How many runs below one another are explained; flows that call flows are kept to as many."""


async def explain_execution(runtime: Runtime, execution_id: UUID, *, user: User, depth: int = 1) -> Explanation:
    """What an execution of this user's waits for, and the runs that it called with it. Raises NotFoundError."""
    execution = await get_execution(runtime, execution_id, user_id=user.id)
    sighting = None if execution.status.is_final else await look_at(runtime.client, execution_id)
    if sighting is None:
        # It has ended, or does so at this moment: then its row is settled by reading it.
        return explain_ended(await get_execution(runtime, execution_id, user_id=user.id))
    approvals, ahead = await _kept(runtime, execution, user)
    picture = Picture(
        at=datetime.now(UTC),
        execution=execution,
        task=sighting.task,
        steps=sighting.steps,
        queue=sighting.queue,
        approvals=tuple(each for each in approvals if each.status is ApprovalStatus.PENDING),
        turns_ahead=tuple(ahead),
        children=await _children(runtime, execution, user, depth) if depth < DEEPEST else (),
    )
    return explain(picture)


async def _kept(runtime: Runtime, execution: Execution, user: User) -> tuple[list[Approval], Sequence[UUID]]:
    async with runtime.single.connect() as connection:
        approvals = await list_approvals(connection, execution.id, user=user)
        # A turn that has begun waits for nobody: its place is no longer looked at.
        has_begun = any(node.started_at is not None for node in execution.node_executions)
        is_turn = execution.session_id is not None and not has_begun
        return approvals, await turns_ahead(connection, execution.id) if is_turn else ()


async def _children(
    runtime: Runtime, execution: Execution, user: User, depth: int
) -> tuple[tuple[str, Explanation], ...]:
    called = [
        (node.id, UUID(child))
        for node in execution.node_executions
        if node.status is NodeStatus.RUNNING
        and (child := child_of({"node_type": node.node_type, "input": node.input_data}))
    ]

    async def below(child: UUID) -> Explanation | None:
        try:
            return await explain_execution(runtime, child, user=user, depth=depth + 1)
        except NotFoundError:
            # Its row is not there yet: it is being started at this moment.
            return None

    explained = await asyncio.gather(*(below(child) for _, child in called))
    return tuple((step_id, each) for (step_id, _), each in zip(called, explained, strict=True) if each is not None)
