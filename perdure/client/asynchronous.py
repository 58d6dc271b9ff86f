"""The asynchronous client."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar, Unpack
from uuid import UUID

import httpx
from pydantic import JsonValue

from perdure.client import calls
from perdure.client.answers import ApprovalPage, Deleted, ExecutionPage, FlowFields, FlowViews
from perdure.client.errors import ApiError, UnreachableError
from perdure.client.following import NO_CONTENT, Following, Update, passes
from perdure.client.transport import (
    CHAT_SECONDS,
    PATIENCE_SECONDS,
    TIMEOUT,
    WATCH_TIMEOUT,
    check,
    headers_of,
    read,
    timeout_of,
)
from perdure.domain.approvals import Approval, ApprovalStatus, Verdict
from perdure.domain.audit import AuditPage, AuditVerdict
from perdure.domain.bulk_outcomes import BulkOutcome
from perdure.domain.chats import ChatAnswer
from perdure.domain.events import Event
from perdure.domain.executions import Execution, ExecutionStatus
from perdure.domain.explanations import Explanation
from perdure.domain.flow_lists import FlowPage
from perdure.domain.flows import AgentflowView, ChatflowView
from perdure.domain.run_diffs import RunDiff
from perdure.domain.states import AnyState
from perdure.domain.statistics import ExecutionStatistics

Answer = TypeVar("Answer")


class AsyncPerdureClient:
    """The API at `url`, called with a token or an API key.

    Use as `async with AsyncPerdureClient(url, token) as client`. `http` takes the place of a client of its own, which
    stays the caller's to close.
    """

    def __init__(self, url: str, token: str, *, http: httpx.AsyncClient | None = None) -> None:
        self._own = http is None
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT)
        self._url = url.rstrip("/")
        self._headers = headers_of(token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._own:
            await self._http.aclose()

    async def is_ready(self) -> bool:
        """Whether the API and what it depends on answer, and whether it takes the token."""
        try:
            for path in ("/health/ready", "/api/auth/me"):
                if not (await self._http.get(f"{self._url}{path}", headers=self._headers)).is_success:
                    return False
        except httpx.TransportError:
            return False
        return True

    async def get_flows(self, **asked: Unpack[calls.FlowsAsked]) -> FlowPage:
        """One page of the flows of both kinds."""
        return await self._send(calls.get_flows(asked))

    async def get_flow(self, flow_id: UUID | str) -> FlowViews:
        """One flow."""
        return await self._send(calls.get_flow(flow_id))

    async def create_agentflow(self, fields: FlowFields) -> AgentflowView:
        """Make a team of agents."""
        return await self._send(calls.create_agentflow(fields))

    async def create_chatflow(self, fields: FlowFields) -> ChatflowView:
        """Make a chat assistant."""
        return await self._send(calls.create_chatflow(fields))

    async def update_flow(self, flow_id: UUID | str, fields: FlowFields, *, if_match: str | None = None) -> FlowViews:
        """Change some fields of a flow; with an ETag only if it has not changed since."""
        return await self._send(calls.update_flow(flow_id, fields, if_match))

    async def delete_flow(self, flow_id: UUID | str, *, if_match: str | None = None) -> Deleted:
        """Delete a flow; its executions stay readable."""
        return await self._send(calls.delete_flow(flow_id, if_match))

    async def execute_flow(
        self,
        flow_id: UUID | str,
        input_data: Mapping[str, JsonValue],
        *,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> Execution:
        """Start a run, and wait for its end for up to `wait` seconds. Repeated with one key it is started once."""
        return await self._send(calls.execute_flow(flow_id, input_data, wait, idempotency_key))

    async def get_executions(
        self,
        flow_id: UUID | str | None = None,
        *,
        status: ExecutionStatus | None = None,
        session_id: str | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> ExecutionPage:
        """Runs, newest first: of one flow, or all of one's own."""
        return await self._send(calls.get_executions(flow_id, status, session_id, limit, offset))

    async def get_execution(self, execution_id: UUID | str) -> Execution:
        """One run as it is now."""
        return await self._send(calls.get_execution(execution_id))

    async def cancel_execution(self, execution_id: UUID | str) -> Execution:
        """Stop a run."""
        return await self._send(calls.cancel_execution(execution_id))

    async def get_aggregate_events(
        self, aggregate_id: UUID | str, aggregate_type: str | None = None, *, from_version: int = 0
    ) -> list[Event]:
        """The events of one aggregate from a version on."""
        return await self._send(calls.get_aggregate_events(aggregate_id, aggregate_type, from_version))

    async def replay_events(
        self, aggregate_id: UUID | str, aggregate_type: str | None = None, *, to_version: int | None = None
    ) -> list[Event]:
        """The events of one aggregate up to a version."""
        return await self._send(calls.replay_events(aggregate_id, aggregate_type, to_version))

    async def get_state(
        self,
        aggregate_id: UUID | str,
        aggregate_type: str | None = None,
        *,
        to_version: int | None = None,
        at: datetime | None = None,
    ) -> AnyState:
        """One aggregate as it stood after a version or at an instant; without either, as it stands."""
        return await self._send(calls.get_state(aggregate_id, aggregate_type, to_version, at))

    async def get_audit_log(self, **asked: Unpack[calls.AuditAsked]) -> AuditPage:
        """A page of one's audit log, newest first."""
        return await self._send(calls.get_audit_log(asked))

    async def verify_audit_log(self) -> AuditVerdict:
        """Whether one's audit log is what it was when it was sealed."""
        return await self._send(calls.verify_audit_log())

    async def explain_execution(self, execution_id: UUID | str) -> Explanation:
        """What a run waits for."""
        return await self._send(calls.explain_execution(execution_id))

    async def fork_execution(
        self, execution_id: UUID | str, *, idempotency_key: str | None = None, **asked: Unpack[calls.ForkAsked]
    ) -> Execution:
        """Start a run that reuses what this one had done before a step or a version."""
        return await self._send(calls.fork_execution(execution_id, asked, idempotency_key))

    async def retry_execution(
        self, execution_id: UUID | str, *, use_current_flow: bool = False, idempotency_key: str | None = None
    ) -> Execution:
        """Go on with a failed or cancelled run from where it stopped, as a new run."""
        return await self._send(calls.retry_execution(execution_id, use_current_flow, idempotency_key))

    async def fork_executions(self, **asked: Unpack[calls.BulkForkAsked]) -> BulkOutcome:
        """Fork many of one's runs, the newest first. Repeated, it starts none again and goes on with the next."""
        return await self._send(calls.fork_executions(asked))

    async def retry_executions(self, **asked: Unpack[calls.BulkRetryAsked]) -> BulkOutcome:
        """Retry many of one's failed or cancelled runs, the newest first. Repeated, it starts none again."""
        return await self._send(calls.retry_executions(asked))

    async def diff_executions(self, a: UUID | str, b: UUID | str) -> RunDiff:
        """Where two runs part, and what each step gave and cost in both."""
        return await self._send(calls.diff_executions(a, b))

    async def get_statistics(self, **asked: Unpack[calls.StatisticsAsked]) -> ExecutionStatistics:
        """What one's runs of a period come to: how they ended, latency, tokens, cost; by flow and by day."""
        return await self._send(calls.get_statistics(asked))

    async def get_approvals(
        self, *, status: ApprovalStatus = ApprovalStatus.PENDING, limit: int = 20, offset: int = 0
    ) -> ApprovalPage:
        """What one may decide, newest first."""
        return await self._send(calls.get_approvals(status, limit, offset))

    async def get_execution_approvals(self, execution_id: UUID | str) -> ApprovalPage:
        """What a run asks."""
        return await self._send(calls.get_execution_approvals(execution_id))

    async def decide_approval(
        self,
        execution_id: UUID | str,
        approval_id: str,
        decision: Verdict,
        *,
        comment: str | None = None,
        edited_arguments: Mapping[str, JsonValue] | None = None,
        revision: str | None = None,
    ) -> Approval:
        """Approve, reject, or approve with other arguments (`edit`)."""
        edited = dict(edited_arguments) if edited_arguments is not None else None
        given: dict[str, JsonValue] = {"comment": comment, "edited_arguments": edited, "revision": revision}
        return await self._send(calls.decide_approval(execution_id, approval_id, decision, given))

    async def chat(
        self, flow_id: UUID | str, message: str, *, session_id: str | None = None, seconds: float = CHAT_SECONDS
    ) -> ChatAnswer:
        """One chat turn, waited for; giving up after `seconds` does not stop it."""
        return await self._send(calls.chat(flow_id, message, session_id, seconds))

    async def watch_execution(
        self,
        execution_id: UUID | str,
        *,
        after: str | None = None,
        from_version: int = 0,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> AsyncGenerator[Update]:
        """Yield a run's events as they are recorded and its words as they come, to the last event.

        Connects again by itself, and goes on where it was. Args: `after`, the id of the last update had;
        `from_version`, the first event wanted.
        """
        following = Following(after, from_version, patience_seconds)
        while not following.over:
            try:
                async with self._http.stream(
                    "GET",
                    f"{self._url}{calls.stream_path(execution_id)}",
                    params=following.query,
                    headers={**self._headers, **following.headers},
                    timeout=WATCH_TIMEOUT,
                ) as response:
                    if response.status_code == NO_CONTENT:
                        return
                    if not response.is_success:
                        await response.aread()
                        check(response)
                    async for chunk in response.aiter_bytes():
                        for update in following.feed(chunk):
                            yield update
                wait = 0.0 if following.over else following.wait()
            except httpx.TransportError as error:
                wait = following.wait(error)
            except ApiError as error:
                if not passes(error):
                    raise
                wait = following.wait(error)
            await asyncio.sleep(wait)

    async def _send(self, call: calls.Call[Answer]) -> Answer:
        try:
            response = await self._http.request(
                call.method,
                f"{self._url}{call.path}",
                params=call.sent_query,
                headers={**self._headers, **call.headers},
                json=call.body,
                timeout=timeout_of(call),
            )
        except httpx.TransportError as error:
            raise UnreachableError(f"The API does not answer at {self._url}: {type(error).__name__}.") from error
        return read(call, response)
