"""The runs, in Temporal's sense, that one execution had: it may have been reset or have gone on in a new history."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

_RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW


@dataclass(frozen=True)
class Run:
    """One of them, and where what is its own begins: what stands before was copied from `base_run_id`."""

    run_id: str
    base_run_id: str
    """Empty for the first one."""
    own: int
    """Index of the first event that is its own; 0 where nothing was copied."""
    history: Sequence[HistoryEvent]

    @property
    def began(self) -> tuple[int, int]:
        """When its own part begins: seconds and nanoseconds."""
        time = self.history[self.own].event_time
        return time.seconds, time.nanos


def run_of(history: Sequence[HistoryEvent]) -> Run:
    """What a history says of the run that it is of."""
    started = history[0].workflow_execution_started_event_attributes
    for index in reversed(range(len(history))):
        failed = history[index].workflow_task_failed_event_attributes
        if failed.cause == _RESET:
            return Run(failed.new_run_id, failed.base_run_id, index, history)
    return Run(started.original_execution_run_id, started.continued_execution_run_id, 0, history)


async def fetch_history(client: Client, workflow_id: str, run_id: str | None = None) -> Sequence[HistoryEvent] | None:
    """The history of one run, None: of the latest. None when Temporal does not know it (any more)."""
    try:
        return (await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()).events
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def runs_of(client: Client, workflow_id: str, latest: Sequence[HistoryEvent]) -> list[Run]:
    """All runs of an execution that Temporal still keeps, in the order in which they began."""
    last = run_of(latest)
    if not last.base_run_id:
        return [last]
    found = {last.run_id: last}
    wanted = [run.run_id async for run in client.list_workflows(f"WorkflowId = '{workflow_id}'")]
    # The list is written a moment after the runs are: those before are named by their heirs too.
    wanted.append(last.base_run_id)
    while wanted:
        run_id = wanted.pop()
        if run_id in found or not run_id:
            continue
        history = await fetch_history(client, workflow_id, run_id)
        if history is None:
            continue
        found[run_id] = run_of(history)
        wanted.append(found[run_id].base_run_id)
    return in_order(found.values())


def in_order(runs: Iterable[Run]) -> list[Run]:
    """Runs of one execution in the order in which they began."""
    return sorted(runs, key=lambda run: run.began)
