"""What the mapping reads: history events with their payloads decoded, and what is known from those read so far."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import JsonValue
from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from perdure.domain.approvals import ApprovalDecision
from perdure.domain.events import timeout_sentence


@dataclass(frozen=True)
class Recorded:
    """One history event with what its payloads say, decoded to plain JSON values."""

    event: HistoryEvent
    values: tuple[JsonValue, ...] = ()
    details: tuple[JsonValue, ...] = ()
    local_activity: str | None = None
    """Of a marker: the type of the local activity whose result `values` holds."""


@dataclass
class Reading:
    """What is known from the events read so far."""

    steps: dict[int, str] = field(default_factory=dict[int, str])
    attempts: dict[int, int] = field(default_factory=dict[int, int])
    tools: set[int] = field(default_factory=set[int])
    """Which of the scheduled steps are tool calls."""
    decisions: dict[str, ApprovalDecision] = field(default_factory=dict[str, ApprovalDecision])
    """What was decided, by the id of the update that brought it."""


def to_time(stamp: Timestamp) -> datetime:
    """A protobuf timestamp as an instant in UTC, to the microsecond."""
    return stamp.ToDatetime(tzinfo=UTC)


def timeout_name(failure: Failure) -> str:
    """Temporal's name of a timeout, such as START_TO_CLOSE."""
    return TimeoutType.Name(failure.timeout_failure_info.timeout_type).removeprefix("TIMEOUT_TYPE_")


def failure_sentence(failure: Failure) -> str:
    """What a failure says to a person."""
    if failure.HasField("timeout_failure_info"):
        return timeout_sentence(timeout_name(failure))
    return failure.message


def retry_name(state: "RetryState.ValueType") -> str:
    """Why there was no further attempt, in Temporal's words."""
    return RetryState.Name(state).removeprefix("RETRY_STATE_")
