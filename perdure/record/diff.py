"""Two runs side by side: where they part, and what each step gave and cost. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import unified_diff
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from perdure.domain.events import ExecutionEvent
from perdure.domain.executions import ExecutionStatus, Metrics, NodeExecution
from perdure.record.fold import fold

COMPARED_LINES = 400
LINE_CHARACTERS = 500
SHOWN_LINES = 80
"""Of texts that are compared line by line, and of the result: enough to see what differs, never slow."""


Number = TypeVar("Number", int, float)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StepSide(_Part):
    """One step in one of the two runs. Numbers are null where they are not known."""

    status: str
    output: str | None
    model: str | None
    tokens: int | None
    cost_usd: float | None
    duration_ms: int | None
    attempts: int
    is_reused: bool
    is_edited: bool
    error: str | None


class StepDiff(_Part):
    """One step in both. A side is null where that run has no such step."""

    step_id: str
    node_label: str
    node_type: str
    a: StepSide | None
    b: StepSide | None
    same: bool = Field(description="Whether both ended in the same way with the same output.")
    output_diff: str | None = Field(description="Unified diff from a to b, cut where it is long. Null: no difference.")
    tokens: int | None = Field(description="b less a.")
    cost_usd: float | None = Field(description="b less a.")
    duration_ms: int | None = Field(description="b less a.")


class RunSide(_Part):
    """One of the two runs as a whole. Reused steps are not counted in its tokens, cost and calls."""

    execution_id: UUID
    status: ExecutionStatus
    output: str | None
    metrics: Metrics


class RunDiff(_Part):
    """Where two runs part."""

    a: RunSide
    b: RunSide
    first_difference: str | None = Field(description="The first step that is not the same. Null: there is none.")
    steps: list[StepDiff]
    same: bool
    output_diff: str | None = Field(description="Of the runs' answers.")
    tokens: int = Field(description="b less a, as paid by each run.")
    cost_usd: float | None = Field(description="b less a; null where one is not known.")
    duration_ms: int | None = Field(description="b less a; null while one runs.")


def compare(a: UUID, a_events: Sequence[ExecutionEvent], b: UUID, b_events: Sequence[ExecutionEvent]) -> RunDiff:
    """Compare two runs by their events, step by step in the order in which they began, `b`'s own at the end."""
    a_nodes, a_side = _side(a, a_events)
    b_nodes, b_side = _side(b, b_events)
    steps = [_step(a_nodes.get(step_id), b_nodes.get(step_id)) for step_id in {**a_nodes, **b_nodes}]
    answers = _diff(a_side.output, b_side.output)
    a_metrics, b_metrics = a_side.metrics, b_side.metrics
    first = next((step.step_id for step in steps if not step.same), None)
    return RunDiff(
        a=a_side,
        b=b_side,
        first_difference=first,
        steps=steps,
        same=first is None and a_side.output == b_side.output and a_side.status is b_side.status,
        output_diff=answers,
        tokens=b_metrics.llm_tokens - a_metrics.llm_tokens,
        cost_usd=_less(b_metrics.estimated_cost, a_metrics.estimated_cost),
        duration_ms=_less(b_metrics.total_duration_ms, a_metrics.total_duration_ms),
    )


def _side(execution_id: UUID, events: Sequence[ExecutionEvent]) -> tuple[dict[str, NodeExecution], RunSide]:
    state = fold(events)
    nodes = sorted(state.ledger.nodes, key=lambda node: node.started_at or datetime.max.replace(tzinfo=UTC))
    output = (state.output_data or {}).get("response")
    started_at = events[0].timestamp
    return {node.id: node for node in nodes}, RunSide(
        execution_id=execution_id,
        status=state.status,
        output=output if isinstance(output, str) else None,
        metrics=state.ledger.metrics(started_at=started_at, until=state.ended_at),
    )


def _step(a: NodeExecution | None, b: NodeExecution | None) -> StepDiff:
    node = a or b
    if node is None:
        raise ValueError("a step is in one run at least")
    left, right = _of(a), _of(b)
    return StepDiff(
        step_id=node.id,
        node_label=node.node_label,
        node_type=node.node_type,
        a=left,
        b=right,
        same=left is not None
        and right is not None
        and (left.status, left.output, left.error) == (right.status, right.output, right.error),
        output_diff=_diff(left.output if left else None, right.output if right else None),
        tokens=_less(right.tokens if right else None, left.tokens if left else None),
        cost_usd=_less(right.cost_usd if right else None, left.cost_usd if left else None),
        duration_ms=_less(right.duration_ms if right else None, left.duration_ms if left else None),
    )


def _of(node: NodeExecution | None) -> StepSide | None:
    if node is None:
        return None
    output = node.output_data or {}
    tokens = [output.get(name) for name in ("input_tokens", "output_tokens")]
    known = [each for each in tokens if isinstance(each, int)]
    text, model, cost = output.get("text"), output.get("model"), output.get("cost_usd")
    return StepSide(
        status=node.status.value,
        output=text if isinstance(text, str) else None,
        model=model if isinstance(model, str) else None,
        tokens=sum(known) if known else None,
        cost_usd=float(cost) if isinstance(cost, int | float) else None,
        duration_ms=node.duration_ms,
        attempts=node.retry_count + 1 if node.started_at else 0,
        is_reused="reused_from" in output,
        is_edited=output.get("edited") is True,
        error=node.error_message,
    )


def _less(b: Number | None, a: Number | None) -> Number | None:
    return None if a is None or b is None else b - a


def _diff(a: str | None, b: str | None) -> str | None:
    if a == b:
        return None
    lines = list(unified_diff(_lines(a), _lines(b), "a", "b", n=2, lineterm=""))
    if not lines:
        return "They differ beyond the part that is compared."
    shown = lines[:SHOWN_LINES]
    return "\n".join([*shown, "…"] if len(lines) > len(shown) else shown)


def _lines(text: str | None) -> list[str]:
    return [line[:LINE_CHARACTERS] for line in (text or "").splitlines()[:COMPARED_LINES]]
