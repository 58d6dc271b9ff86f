"""How a run of either kind ends: well, badly or cancelled, always recorded."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from perdure.domain.executions import ExecutionStatus
    from perdure.domain.ledger import Ledger
    from perdure.domain.notes import Note
    from perdure.domain.runs import RunEnding, RunInput, RunResult, Turn
    from perdure.domain.states import AnyChoice, RunProgress
    from perdure.orchestration.steps import StepFailedError, UndecidedError
    from workflows.approvals import Approvals
    from workflows.steps import record_ending

Output = dict[str, JsonValue]
Plot = Callable[[], Awaitable[tuple[Output, Turn | None]]]


def progress(run: RunInput, ledger: Ledger, approvals: Approvals, notes: Sequence[Note] = ()) -> RunProgress:
    """How far a run has come, as its workflow answers the query of it."""
    return RunProgress(
        node_executions=ledger.nodes,
        memory=ledger.memory,
        pending_approvals=approvals.pending,
        decisions=[note for note in notes if isinstance(note, AnyChoice)],
        metrics=ledger.metrics(started_at=run.started_at, until=None),
    )


async def to_the_end(run: RunInput, ledger: Ledger, plot: Plot) -> RunResult:
    """Follow the plot, record how it ended, and end the workflow the same way.

    Raises ApplicationError (not retried) for a failed run and CancelledError for a cancelled one, so that Temporal
    shows what the list of executions shows.
    """
    try:
        output, turn = await plot()
    except (StepFailedError, UndecidedError) as error:
        await _record(run, ledger, ExecutionStatus.FAILED, error_message=str(error))
        raise ApplicationError(str(error), type="StepFailed", non_retryable=True) from error
    except asyncio.CancelledError:
        await _record(run, ledger, ExecutionStatus.CANCELLED, error_message=None)
        raise
    await _record(run, ledger, ExecutionStatus.COMPLETED, output=output, turn=turn)
    return RunResult(output_data=output)


async def _record(
    run: RunInput,
    ledger: Ledger,
    status: ExecutionStatus,
    *,
    output: Output | None = None,
    error_message: str | None = None,
    turn: Turn | None = None,
) -> None:
    now = workflow.now()
    ledger.stop(now)
    workflow.set_current_details(_details(ledger))
    ending = RunEnding(
        header=run.header,
        run_id=workflow.info().run_id,
        status=status,
        output_data=output,
        error_message=error_message,
        completed_at=now,
        node_executions=ledger.nodes,
        metrics=ledger.metrics(started_at=run.started_at, until=now),
        turn=turn,
    )
    try:
        await record_ending(ending)
    except ActivityError:
        # The database was away for the whole of RECORD_LIMIT. History has the outcome; the reconciler writes it.
        workflow.logger.exception("the end of the run could not be recorded")


def _details(ledger: Ledger) -> str:
    rows = "\n".join(
        f"| {node.node_label} | {node.status.value} | {node.duration_ms if node.duration_ms is not None else ''} |"
        for node in ledger.nodes
    )
    return f"| step | status | ms |\n| --- | --- | --- |\n{rows}"
