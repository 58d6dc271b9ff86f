"""The bookkeeping of a run: what each of its nodes did so far. Pure; whoever keeps it hands in the times."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import JsonValue

from perdure.domain.events import (
    FLOW,
    TOOL,
    ExecutionEventData,
    PlannedNode,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepReused,
    StepScheduled,
)
from perdure.domain.executions import Metrics, NodeExecution, NodeStatus
from perdure.domain.reranking import ModelUse

_MODEL_OUTPUT = frozenset({"text", "model", "input_tokens", "output_tokens", "cost_usd", "finish_reason"})
_TOOL_OUTPUT = frozenset({"text", "is_error"})
"""What a step's output always says; the rest only where there is something to say."""


def output_of(data: StepCompleted) -> dict[str, JsonValue]:
    """What a node's output says of its step."""
    shown = data.model_dump(mode="json", exclude={"type", "step_id", "attempt", "finished_at"})
    always = _MODEL_OUTPUT if data.model is not None else _TOOL_OUTPUT
    return {name: value for name, value in shown.items() if name in always or value is not None}


STOPPED = "Stopped with the run."
"""What a step says that did not get to its end."""


class Ledger:
    """Nodes in the order they were planned or met, each in its present state."""

    def __init__(self, planned: Iterable[PlannedNode] = ()) -> None:
        self._nodes: dict[str, NodeExecution] = {
            node.node_id: NodeExecution(
                id=node.node_id,
                node_id=node.node_id,
                node_type=node.node_type,
                node_label=node.node_label,
                status=NodeStatus.PENDING,
            )
            for node in planned
        }
        self._llm_calls = 0
        self._tool_calls = 0
        self._tokens = 0
        self._cost = 0.0
        self._cost_known = True
        self._reused = 0
        self._memory: dict[str, JsonValue] | None = None

    def copy(self) -> "Ledger":
        """A ledger of its own that says the same."""
        twin = Ledger()
        twin.__dict__.update(self.__dict__, _nodes=dict(self._nodes))
        return twin

    def apply(self, data: ExecutionEventData, at: datetime) -> None:
        """Enter one event of the run; those that concern no node change nothing."""
        match data:
            case StepScheduled():
                self._schedule(data, at)
            case StepReused():
                self._reuse(data, at)
            case StepCompleted():
                self._complete(data)
            case StepFailed():
                self._fail(data)
                self._end(
                    data.step_id,
                    NodeStatus.FAILED,
                    at=at,
                    error_message=data.error,
                    retry_count=max((data.attempt or 1) - 1, 0),
                )
            case StepCancelled():
                self._cost_known = self._cost_known and self._is_tool(data.step_id)
                self._end(data.step_id, NodeStatus.FAILED, at=at, error_message=STOPPED, retry_count=0)
            case _:
                pass

    def _schedule(self, data: StepScheduled, at: datetime) -> None:
        self._nodes[data.step_id] = NodeExecution(
            id=data.step_id,
            node_id=data.node_id,
            node_type=data.node_type,
            node_label=data.node_label,
            status=NodeStatus.RUNNING,
            input_data=data.input,
            started_at=at,
        )

    def _reuse(self, data: StepReused, at: datetime) -> None:
        """Enter it as done, at no cost: that was paid by the run which did it."""
        self._reused += 1
        self._nodes[data.step_id] = NodeExecution(
            id=data.step_id,
            node_id=data.node_id,
            node_type=data.node_type,
            node_label=data.node_label,
            status=NodeStatus.FAILED if data.error is not None else NodeStatus.COMPLETED,
            input_data=data.input,
            output_data=None
            if data.output is None
            else {**data.output, "reused_from": data.from_execution_id, "edited": data.edited},
            error_message=data.error,
            started_at=at,
            completed_at=at,
            duration_ms=0,
        )

    def _is_tool(self, step_id: str) -> bool:
        return self._nodes[step_id].node_type in {TOOL, FLOW}

    def _fail(self, data: StepFailed) -> None:
        if self._is_tool(data.step_id):
            self._tool_calls += data.attempt or 1
            return
        self._llm_calls += data.model_calls
        # What a call cost that failed, nobody says.
        self._cost_known = self._cost_known and not data.model_calls

    def _complete(self, data: StepCompleted) -> None:
        if self._is_tool(data.step_id):
            self._tool_calls += data.attempt
            if data.model_use is not None:
                self._pay(data.model_use.calls, data.model_use)
        else:
            self._pay(data.attempt, data)
            self._memory = data.memory or self._memory
        self._end(
            data.step_id,
            NodeStatus.COMPLETED,
            at=data.finished_at,
            output_data=output_of(data),
            retry_count=data.attempt - 1,
        )

    def _pay(self, calls: int, paid: StepCompleted | ModelUse) -> None:
        self._llm_calls += calls
        self._tokens += (paid.input_tokens or 0) + (paid.output_tokens or 0)
        self._cost_known = self._cost_known and paid.cost_usd is not None
        self._cost += paid.cost_usd or 0.0

    def retried(self, step_id: str, attempt: int, error: str | None) -> None:
        """Note that a running step is at its `attempt`-th try, and what the last one died of.

        A step that this ledger does not know yet is passed over: who tells may have looked later.
        """
        node = self._nodes.get(step_id)
        if node is None:
            return
        self._nodes[step_id] = node.model_copy(update={"retry_count": attempt - 1, "error_message": error})

    def stop(self, at: datetime) -> None:
        """End what is still running with the run, and skip what has not begun."""
        for step_id, node in list(self._nodes.items()):
            if node.status is NodeStatus.RUNNING:
                self._cost_known = self._cost_known and self._is_tool(step_id)
                self._end(step_id, NodeStatus.FAILED, at=at, error_message=STOPPED, retry_count=node.retry_count)
            elif node.status is NodeStatus.PENDING:
                self._nodes[step_id] = node.model_copy(update={"status": NodeStatus.SKIPPED})

    @property
    def nodes(self) -> list[NodeExecution]:
        """Every node in its present state."""
        return list(self._nodes.values())

    @property
    def memory(self) -> dict[str, JsonValue] | None:
        """What of its conversation a model was shown last; None where it was shown none."""
        return self._memory

    def metrics(self, *, started_at: datetime, until: datetime | None) -> Metrics:
        """Count. `until` is the run's end, or None while it runs."""
        statuses = [node.status for node in self._nodes.values()]
        return Metrics(
            total_nodes=len(statuses),
            completed_nodes=statuses.count(NodeStatus.COMPLETED),
            failed_nodes=statuses.count(NodeStatus.FAILED),
            skipped_nodes=statuses.count(NodeStatus.SKIPPED),
            total_duration_ms=milliseconds(started_at, until) if until else None,
            llm_calls=self._llm_calls,
            llm_tokens=self._tokens,
            tool_calls=self._tool_calls,
            estimated_cost=round(self._cost, 10) if self._cost_known else None,
            reused_steps=self._reused,
        )

    def _end(
        self,
        step_id: str,
        status: NodeStatus,
        *,
        at: datetime,
        output_data: dict[str, JsonValue] | None = None,
        error_message: str | None = None,
        retry_count: int,
    ) -> None:
        node = self._nodes[step_id]
        self._nodes[step_id] = node.model_copy(
            update={
                "status": status,
                "output_data": output_data,
                "error_message": error_message,
                "completed_at": at,
                "duration_ms": milliseconds(node.started_at, at) if node.started_at else None,
                "retry_count": retry_count,
            }
        )


def milliseconds(start: datetime, end: datetime) -> int:
    """Whole milliseconds from one instant to another, never negative: clocks of two machines may differ."""
    return max(round((end - start).total_seconds() * 1000), 0)
