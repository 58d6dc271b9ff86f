"""Every call of the client: what is sent, and how its answer is read. No I/O, so both clients share it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypedDict, TypeVar, cast
from urllib.parse import quote
from uuid import UUID

from pydantic import JsonValue, TypeAdapter
from pydantic_core import to_jsonable_python

from perdure.client.answers import ApprovalPage, Deleted, ExecutionPage, FlowFields, FlowViews
from perdure.domain.approvals import Approval, ApprovalStatus, Verdict
from perdure.domain.audit import AuditPage, AuditVerdict
from perdure.domain.bulk_outcomes import BulkOutcome
from perdure.domain.chats import ChatAnswer
from perdure.domain.events import Event
from perdure.domain.executions import Execution, ExecutionStatus
from perdure.domain.explanations import Explanation
from perdure.domain.flow_lists import FlowPage
from perdure.domain.flows import AgentflowView, ChatflowView, flow_view_adapter
from perdure.domain.run_diffs import RunDiff
from perdure.domain.states import AnyState
from perdure.domain.statistics import ExecutionStatistics

Answer = TypeVar("Answer")
Query = str | int | float | bool | Sequence[str] | None

_BASE = "/api/agent-builder"
_WAITING_SECONDS = 30.0
"""How much longer than it was told to wait a call may take."""
_BULK_SECONDS = 300.0
"""How long a hundred runs may take to be started."""

_agentflow = TypeAdapter(AgentflowView)
_chatflow = TypeAdapter(ChatflowView)
_flow_page = TypeAdapter(FlowPage)
_execution = TypeAdapter(Execution)
_execution_page = TypeAdapter(ExecutionPage)
_events = TypeAdapter(list[Event])
_approval = TypeAdapter(Approval)
_approval_page = TypeAdapter(ApprovalPage)
_deleted = TypeAdapter(Deleted)
_chat = TypeAdapter(ChatAnswer)
_state: TypeAdapter[AnyState] = TypeAdapter(AnyState)
_audit_page = TypeAdapter(AuditPage)
_audit_verdict = TypeAdapter(AuditVerdict)
_explanation = TypeAdapter(Explanation)
_bulk_outcome = TypeAdapter(BulkOutcome)
_run_diff = TypeAdapter(RunDiff)
_statistics = TypeAdapter(ExecutionStatistics)


class FlowsAsked(TypedDict, total=False):
    """Which flows to list, in which order, and which page of them: what is left out does not filter."""

    flow_type: str
    search: str
    category: str
    tags: list[str]
    is_active: bool
    page: int
    page_size: int
    sort_by: str
    sort_order: str
    scope: str


class AuditAsked(TypedDict, total=False):
    """Which entries of the audit log: what is left out does not filter."""

    user_id: int
    aggregate_type: str
    event_type: str
    from_date: datetime
    to_date: datetime
    limit: int
    offset: int


class StatisticsAsked(TypedDict, total=False):
    """Of which period, and the IANA zone of its days: what is left out is the last 30 days, in UTC."""

    since: datetime
    until: datetime
    tz: str


class ForkAsked(TypedDict, total=False):
    """Where a fork begins, by step or by version, and what is other in it."""

    from_step: str
    from_version: int
    edits: Mapping[str, JsonValue]
    flow: Mapping[str, JsonValue]
    input_data: Mapping[str, JsonValue]


class BulkRetryAsked(TypedDict, total=False):
    """Which runs to retry: what is left out does not filter. `limit` is how many to look at, 20 if left out."""

    status: ExecutionStatus
    flow_id: UUID | str
    since: datetime
    until: datetime
    limit: int
    use_current_flow: bool


class BulkForkAsked(TypedDict, total=False):
    """Which runs to fork, as in `BulkRetryAsked`, from which step, and what is other in the forks."""

    status: ExecutionStatus
    flow_id: UUID | str
    since: datetime
    until: datetime
    limit: int
    from_step: str
    edits: Mapping[str, JsonValue]
    flow: Mapping[str, JsonValue]
    input_data: Mapping[str, JsonValue]


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One call. `seconds` is how long its answer may take; None is as long as the client's own limit."""

    method: str
    path: str
    answer: TypeAdapter[Answer]
    query: Mapping[str, Query] = field(default_factory=dict[str, Query])
    body: JsonValue = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    seconds: float | None = None

    @property
    def sent_query(self) -> list[tuple[str, str | int | float | bool | None]]:
        """The query as it is sent: what is None is left out, a list is repeated."""
        sent: list[tuple[str, str | int | float | bool | None]] = []
        for name, value in self.query.items():
            values = [value] if value is None or isinstance(value, str | int | float) else list(value)
            sent += [(name, _text(each)) for each in values if each is not None]
        return sent


def _text(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _at(identity: UUID | str) -> str:
    """An id as part of an address; ids of steps and sessions may hold slashes."""
    return quote(str(identity), safe="/:")


def get_flows(asked: FlowsAsked) -> Call[FlowPage]:  # noqa: D103 - named after the client's method, which says it
    return Call("GET", f"{_BASE}/flows", _flow_page, cast("Mapping[str, Query]", asked))


def get_flow(flow_id: UUID | str) -> Call[FlowViews]:  # noqa: D103
    return Call("GET", f"{_BASE}/flows/{_at(flow_id)}", flow_view_adapter)


def create_agentflow(fields: FlowFields) -> Call[AgentflowView]:  # noqa: D103
    return Call("POST", f"{_BASE}/agentflows", _agentflow, body=dict(fields))


def create_chatflow(fields: FlowFields) -> Call[ChatflowView]:  # noqa: D103
    return Call("POST", f"{_BASE}/chatflows", _chatflow, body=dict(fields))


def update_flow(flow_id: UUID | str, fields: FlowFields, if_match: str | None) -> Call[FlowViews]:  # noqa: D103
    headers = {"If-Match": if_match} if if_match else {}
    return Call("PUT", f"{_BASE}/flows/{_at(flow_id)}", flow_view_adapter, body=dict(fields), headers=headers)


def delete_flow(flow_id: UUID | str, if_match: str | None) -> Call[Deleted]:  # noqa: D103
    return Call("DELETE", f"{_BASE}/flows/{_at(flow_id)}", _deleted, headers={"If-Match": if_match} if if_match else {})


def execute_flow(  # noqa: D103
    flow_id: UUID | str, input_data: Mapping[str, JsonValue], wait: float | None, idempotency_key: str | None
) -> Call[Execution]:
    return Call(
        "POST",
        f"{_BASE}/flows/{_at(flow_id)}/execute",
        _execution,
        {"wait": wait},
        {"input_data": dict(input_data)},
        {"Idempotency-Key": idempotency_key} if idempotency_key else {},
        seconds=_WAITING_SECONDS + (wait or 0),
    )


def get_executions(  # noqa: D103
    flow_id: UUID | str | None, status: ExecutionStatus | None, session_id: str | None, limit: int, offset: int
) -> Call[ExecutionPage]:
    query: dict[str, Query] = {"status": status, "limit": limit, "offset": offset}
    if flow_id is not None and session_id is None:
        return Call("GET", f"{_BASE}/flows/{_at(flow_id)}/executions", _execution_page, query)
    wanted = {"flow_id": str(flow_id) if flow_id else None, "session_id": session_id}
    return Call("GET", f"{_BASE}/executions", _execution_page, {**query, **wanted})


def get_execution(execution_id: UUID | str) -> Call[Execution]:  # noqa: D103
    return Call("GET", f"{_BASE}/executions/{_at(execution_id)}", _execution)


def cancel_execution(execution_id: UUID | str) -> Call[Execution]:  # noqa: D103
    return Call("POST", f"{_BASE}/executions/{_at(execution_id)}/cancel", _execution)


def get_aggregate_events(aggregate_id: UUID | str, aggregate_type: str | None, from_version: int) -> Call[list[Event]]:  # noqa: D103
    query: dict[str, Query] = {"aggregate_type": aggregate_type, "from_version": from_version}
    return Call("GET", f"/api/events/aggregate/{_at(aggregate_id)}", _events, query)


def replay_events(aggregate_id: UUID | str, aggregate_type: str | None, to_version: int | None) -> Call[list[Event]]:  # noqa: D103
    query: dict[str, Query] = {"aggregate_type": aggregate_type, "to_version": to_version}
    return Call("GET", f"/api/events/replay/{_at(aggregate_id)}", _events, query)


def get_state(  # noqa: D103
    aggregate_id: UUID | str, aggregate_type: str | None, to_version: int | None, at: datetime | None
) -> Call[AnyState]:
    query: dict[str, Query] = {
        "aggregate_type": aggregate_type,
        "to_version": to_version,
        "at": at.isoformat() if at else None,
    }
    return Call("GET", f"/api/events/state/{_at(aggregate_id)}", _state, query)


def get_audit_log(asked: AuditAsked) -> Call[AuditPage]:  # noqa: D103
    query = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asked.items()}
    return Call("GET", "/api/events/audit", _audit_page, cast("dict[str, Query]", query))


def verify_audit_log() -> Call[AuditVerdict]:  # noqa: D103
    return Call("GET", "/api/events/audit/verify", _audit_verdict, seconds=_WAITING_SECONDS * 10)


def explain_execution(execution_id: UUID | str) -> Call[Explanation]:  # noqa: D103
    return Call("GET", f"{_BASE}/executions/{_at(execution_id)}/explain", _explanation)


def fork_execution(execution_id: UUID | str, asked: ForkAsked, key: str | None) -> Call[Execution]:  # noqa: D103
    body = cast("JsonValue", dict(asked))
    return Call("POST", f"{_BASE}/executions/{_at(execution_id)}/fork", _execution, body=body, headers=_keyed(key))


def retry_execution(execution_id: UUID | str, use_current_flow: bool, key: str | None) -> Call[Execution]:  # noqa: D103, FBT001
    body: JsonValue = {"use_current_flow": use_current_flow}
    return Call("POST", f"{_BASE}/executions/{_at(execution_id)}/retry", _execution, body=body, headers=_keyed(key))


def fork_executions(asked: BulkForkAsked) -> Call[BulkOutcome]:  # noqa: D103
    return Call("POST", f"{_BASE}/executions/fork", _bulk_outcome, body=_plain(asked), seconds=_BULK_SECONDS)


def retry_executions(asked: BulkRetryAsked) -> Call[BulkOutcome]:  # noqa: D103
    return Call("POST", f"{_BASE}/executions/retry", _bulk_outcome, body=_plain(asked), seconds=_BULK_SECONDS)


def diff_executions(a: UUID | str, b: UUID | str) -> Call[RunDiff]:  # noqa: D103
    return Call("GET", f"{_BASE}/executions/{_at(a)}/diff/{_at(b)}", _run_diff)


def get_statistics(asked: StatisticsAsked) -> Call[ExecutionStatistics]:  # noqa: D103
    query = cast("Mapping[str, Query]", to_jsonable_python(asked))
    return Call("GET", f"{_BASE}/executions/statistics", _statistics, query)


def _plain(asked: BulkForkAsked | BulkRetryAsked) -> JsonValue:
    """What is asked, with its ids and times as JSON has them."""
    return cast("JsonValue", to_jsonable_python(asked))


def _keyed(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key} if key is not None else {}


def get_approvals(status: ApprovalStatus, limit: int, offset: int) -> Call[ApprovalPage]:  # noqa: D103
    return Call("GET", f"{_BASE}/approvals", _approval_page, {"status": status, "limit": limit, "offset": offset})


def get_execution_approvals(execution_id: UUID | str) -> Call[ApprovalPage]:  # noqa: D103
    return Call("GET", f"{_BASE}/executions/{_at(execution_id)}/approvals", _approval_page)


def decide_approval(  # noqa: D103
    execution_id: UUID | str, approval_id: str, decision: Verdict, given: Mapping[str, JsonValue]
) -> Call[Approval]:
    said = {name: value for name, value in given.items() if value is not None}
    path = f"{_BASE}/executions/{_at(execution_id)}/approvals/{_at(approval_id)}"
    return Call("POST", path, _approval, body={"decision": decision, **said})


def chat(flow_id: UUID | str, message: str, session_id: str | None, seconds: float) -> Call[ChatAnswer]:  # noqa: D103
    said: dict[str, JsonValue] = {"message": message, **({"session_id": session_id} if session_id else {})}
    return Call("POST", f"{_BASE}/chatflow/workflows/{_at(flow_id)}/chat", _chat, body=said, seconds=seconds)


def stream_path(execution_id: UUID | str) -> str:
    """Where a run is watched."""
    return f"{_BASE}/executions/{_at(execution_id)}/stream"
