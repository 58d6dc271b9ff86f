"""Two runs side by side: where they part, and what each step gave and cost. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import unified_diff
from typing import TypeVar
from uuid import UUID

from perdure.domain.events import ExecutionEvent
from perdure.domain.executions import NodeExecution
from perdure.domain.run_diffs import RunDiff, RunSide, StepDiff, StepSide
from perdure.record.fold import fold

COMPARED_LINES = 400
LINE_CHARACTERS = 500
SHOWN_LINES = 80
"""Of texts that are compared line by line, and of the result: enough to see what differs, never slow."""


Number = TypeVar("Number", int, float)


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
