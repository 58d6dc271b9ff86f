"""Settling a run from its history: for runs that ended without a chance to write, and for whoever reads them first."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from perdure.domain.executions import ExecutionStatus
from perdure.domain.ledger import Ledger
from perdure.domain.runs import RunEnding, RunHeader, RunInput, Turn
from perdure.live import announce_end, announcement, announcing
from perdure.record.fold import RunState
from perdure.storage.engine import Sessions, Single
from perdure.storage.executions import CLOSED, FOLLOWED, outcome_of, read_header, settle
from perdure.storage.turn_ends import due_after
from perdure.temporal.history import Records
from perdure.temporal.starting import call_turn, start_fold

_CLOSE_AND_ANNOUNCE = announcing(CLOSED).add_cte(FOLLOWED)

LOST = "The engine no longer knows this run: its history was deleted before it could be recorded."


async def describe_open(client: Client, execution_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these runs are still running."""
    listed = ", ".join(f"'{execution_id}'" for execution_id in execution_ids)
    query = f"WorkflowId IN ({listed}) AND ExecutionStatus = 'Running'"
    return {UUID(run.id) async for run in client.list_workflows(query)}


async def is_known(client: Client, workflow_id: str) -> bool:
    """Whether Temporal still keeps this workflow's history."""
    try:
        await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


async def is_under_way(client: Client, workflow_id: str) -> bool:
    """Whether this workflow's latest run is running, by its state and not by the lists, which lag."""
    try:
        description = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return description.status is WorkflowExecutionStatus.RUNNING


async def end_run(client: Client, sessions: Sessions, ending: RunEnding) -> None:
    """Write a run's end and tell those who watch it, in one transaction; once, however often it is called.

    Whoever waits for a turn to end is called after that, at every call: the first may have died in between.
    """
    async with sessions.begin() as session:
        if await settle(session, ending):
            await announce_end(session, ending.header.execution_id, ending.status.value)
        due = await due_after(session, ending) if ending.header.session_id is not None else None
    if due is not None and due.behind is not None:
        await call_turn(client, due.behind)
    if due is not None and due.fold is not None:
        await start_fold(client, due.fold, due.fold_id)


async def end_at_once(single: Single, ending: RunEnding) -> bool:
    """Do what `end_run` does for a run outside of a session whose row is there, in one round trip instead of four.

    False: that was not so, and nothing has happened.
    """
    if ending.header.session_id is not None:
        return False
    parameters = {**outcome_of(ending), **announcement(ending.header.execution_id, ending.status.value)}
    async with single.connect() as connection:
        return (await connection.execute(_CLOSE_AND_ANNOUNCE, parameters)).one_or_none() is not None


async def settle_from_history(records: Records, sessions: Sessions, execution_id: UUID) -> bool:
    """Write the end of a run as history tells it. False when it still runs."""
    history = await records.read(execution_id)
    if history is None:
        async with sessions() as session:
            header = await read_header(session, execution_id)
        await end_run(records.client, sessions, _lost(header))
        return True
    state = history.state
    if not state.status.is_final or state.ended_at is None:
        return False
    run = RunInput.model_validate(history.input)
    await end_run(records.client, sessions, ending_of(run, history.run_id, state, state.ended_at))
    return True


async def started_header(records: Records, execution_id: UUID) -> RunHeader | None:
    """What the list must know of a run, from its first event. None when it is gone."""
    history = await records.read(execution_id)
    return RunInput.model_validate(history.input).header if history else None


def ending_of(run: RunInput, run_id: str, state: RunState, ended_at: datetime) -> RunEnding:
    """The end of a run as its events tell it."""
    message = run.input_data.get("message")
    answer = (state.output_data or {}).get("response")
    turn = (
        Turn(message=message, answer=answer)
        if run.conversation and isinstance(message, str) and isinstance(answer, str)
        else None
    )
    return RunEnding(
        header=run.header,
        run_id=run_id,
        status=state.status,
        output_data=state.output_data,
        error_message=state.error_message,
        completed_at=ended_at,
        node_executions=state.ledger.nodes,
        metrics=state.ledger.metrics(started_at=run.started_at, until=ended_at),
        turn=turn,
    )


def _lost(header: RunHeader) -> RunEnding:
    now = datetime.now(UTC)
    return RunEnding(
        header=header,
        run_id="",
        status=ExecutionStatus.FAILED,
        error_message=LOST,
        completed_at=now,
        node_executions=[],
        metrics=Ledger().metrics(started_at=header.started_at, until=now),
    )
