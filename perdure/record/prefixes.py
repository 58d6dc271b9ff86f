"""Which of an aggregate's events lie before an instant, and which runs they started."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue

from perdure.domain.events import FLOW


def prefix_at(timestamps: Sequence[datetime], at: datetime) -> int:
    """How many of the first events had happened by an instant: up to the first that is later.

    Their order is not that of time, so the prefix ends where the first younger one stands.
    """
    return next((index for index, time in enumerate(timestamps) if time > at), len(timestamps))


def child_of(data: Mapping[str, JsonValue]) -> str | None:
    """The execution that a step started, as its `StepScheduled` tells; None where it is no flow's run."""
    told = data.get("input")
    child = told.get("execution_id") if isinstance(told, dict) else None
    return child if isinstance(child, str) and data.get("node_type") == FLOW else None
