"""The bookkeeping of a run: what each of its nodes did so far. Pure; whoever keeps it hands in the times."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, JsonValue

from perdure.domain.executions import Metrics, NodeExecution, NodeStatus
from perdure.domain.runs import GenerateInput, GenerateResult


class PlannedNode(BaseModel):
    """A node that is known to come before it has started."""

    model_config = ConfigDict(frozen=True)

    node_id: str
    node_type: str
    node_label: str


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
        self._tokens = 0
        self._cost = 0.0
        self._cost_known = True

    def scheduled(self, step: GenerateInput, at: datetime) -> None:
        """Note that a step was handed to a worker."""
        self._nodes[step.step_id] = NodeExecution(
            id=step.step_id,
            node_id=step.node_id,
            node_type=step.node_type,
            node_label=step.node_label,
            status=NodeStatus.RUNNING,
            input_data=_shown_input(step),
            started_at=at,
        )

    def completed(self, step_id: str, result: GenerateResult) -> None:
        """Note a step's answer."""
        self._llm_calls += 1
        if result.usage is not None:
            self._tokens += result.usage.input_tokens + result.usage.output_tokens
        if result.cost_usd is None:
            self._cost_known = False
        else:
            self._cost += result.cost_usd
        self._end(
            step_id,
            NodeStatus.COMPLETED,
            at=result.completed_at,
            output_data=_shown_output(result),
            retry_count=result.attempt - 1,
        )

    def failed(self, step_id: str, error: str, at: datetime, *, attempts: int | None = None) -> None:
        """Note that a step gave up; `attempts` where known counts the model calls it made."""
        self._llm_calls += attempts or 0
        self._end(step_id, NodeStatus.FAILED, at=at, error_message=error, retry_count=max((attempts or 1) - 1, 0))

    def retried(self, step_id: str, attempt: int, error: str | None) -> None:
        """Note that a running step is at its `attempt`-th try, and what the last one died of."""
        node = self._nodes[step_id]
        self._nodes[step_id] = node.model_copy(update={"retry_count": attempt - 1, "error_message": error})

    def stopped(self, at: datetime, reason: str) -> None:
        """End what is still running with the run, and skip what has not begun."""
        for step_id, node in list(self._nodes.items()):
            if node.status is NodeStatus.RUNNING:
                self._end(step_id, NodeStatus.FAILED, at=at, error_message=reason, retry_count=node.retry_count)
            elif node.status is NodeStatus.PENDING:
                self._nodes[step_id] = node.model_copy(update={"status": NodeStatus.SKIPPED})

    @property
    def nodes(self) -> list[NodeExecution]:
        """Every node in its present state."""
        return list(self._nodes.values())

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
            estimated_cost=round(self._cost, 10) if self._cost_known else None,
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


def _shown_input(step: GenerateInput) -> dict[str, JsonValue]:
    return {
        "task": step.task if isinstance(step.task, str) else step.task.model_dump(mode="json"),
        "model": str(step.model),
        "after": [part.label for part in step.context],
    }


def _shown_output(result: GenerateResult) -> dict[str, JsonValue]:
    return {
        "text": result.text,
        "model": str(result.model),
        "usage": result.usage.model_dump(mode="json") if result.usage else None,
        "cost_usd": result.cost_usd,
        "finish_reason": result.finish_reason,
    }
