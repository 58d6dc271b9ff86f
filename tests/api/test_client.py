"""The client on a real server: every call, and watching through a restart of the API."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from perdure.client import ApiError, AsyncPerdureClient, PerdureClient, Token, Update
from perdure.client.calls import BulkForkAsked
from perdure.domain.bulk_outcomes import BulkOutcome
from perdure.domain.events import Event
from perdure.domain.executions import ExecutionStatus
from perdure.domain.run_diffs import RunDiff
from perdure.domain.states import ExecutionState
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour
from tests.support.serving import Served, serving, token_of

MODEL = {"llm_provider": "openai", "llm_model": "scripted"}
WORDS = "one two three four five"


@pytest.fixture
async def served(lab: Lab) -> AsyncGenerator[Served]:
    async with serving(lab.runtime) as running:
        yield running


@pytest.fixture
def token(lab: Lab) -> str:
    return token_of(lab.runtime, lab.user_id)


async def test_flows_runs_events_and_chats(served: Served, token: str) -> None:
    async with AsyncPerdureClient(served.url, token) as client:
        assert await client.is_ready()
        team = await client.create_agentflow(
            {"name": "Team", "supervisor_config": {**MODEL}, "agents": [{"name": "A"}]}
        )
        assistant = await client.create_chatflow({"name": "Assistant", "chat_config": {**MODEL}})
        assert (await client.update_flow(team.id, {"tags": ["x"]})).version == 2
        with pytest.raises(ApiError) as stale:
            await client.update_flow(team.id, {"name": "Other"}, if_match='"1"')
        assert stale.value.answered == 412
        assert (await client.get_flow(team.id)).tags == ["x"]
        assert [flow.id for flow in (await client.get_flows(tags=["x", "y"])).flows] == [team.id]
        execution = await client.execute_flow(team.id, {"message": "Go."}, wait=20, idempotency_key="k")
        assert execution.status is ExecutionStatus.COMPLETED
        assert (await client.execute_flow(team.id, {"message": "Go."}, idempotency_key="k")).id == execution.id
        assert await client.get_execution(execution.id) == execution
        assert (await client.get_executions(team.id, status=ExecutionStatus.COMPLETED)).total == 1
        with pytest.raises(ApiError, match="ended"):
            await client.cancel_execution(execution.id)
        events = await client.get_aggregate_events(execution.id, "Execution", from_version=2)
        assert [event.version for event in events][:2] == [2, 3]
        assert [event.version for event in await client.replay_events(execution.id, to_version=2)] == [1, 2]
        state = await client.get_state(execution.id, to_version=1)
        assert isinstance(state, ExecutionState)
        assert (state.version, state.status) == (1, ExecutionStatus.RUNNING)
        assert (await client.explain_execution(execution.id)).waiting_for == []
        fork = await client.fork_execution(execution.id, from_version=1, idempotency_key="f")
        assert (await client.fork_execution(execution.id, from_version=1, idempotency_key="f")).id == fork.id
        with pytest.raises(ApiError, match="completed"):
            await client.retry_execution(execution.id)
        page = await client.get_audit_log(event_type="ExecutionForked", limit=1)
        assert (page.total_count, page.events[0].aggregate_id) == (1, str(fork.id))
        assert (await client.verify_audit_log()).valid
        counted = await client.get_statistics(since=datetime.now(UTC) - timedelta(days=2), tz="Asia/Seoul")
        assert (counted.totals.executions, counted.by_flow[0].flow_id) == (2, team.id)
        answer = await client.chat(assistant.id, "Hello", session_id="a/b")
        assert answer.session_id == "a/b"
        assert (await client.get_executions(session_id="a/b")).total == 1
        assert [event.aggregate_id for event in await client.get_aggregate_events("a/b", "Session")] == ["a/b"]
        assert (await client.get_approvals()).total == 0
        assert (await client.get_execution_approvals(execution.id)).total == 0
        assert (await client.delete_flow(team.id)).id == team.id


async def test_an_approval_is_decided(served: Served, lab: Lab, token: str) -> None:
    await lab.model.script(Behaviour(text="Done."))
    flow = await lab.agentflow(agents=[{"name": "A", "requires_approval": True}])
    async with AsyncPerdureClient(served.url, token) as client:
        execution = await client.execute_flow(flow.id, {"message": "Go."})
        asked: list[Event] = []
        async with aclosing(client.watch_execution(execution.id)) as updates:
            async for update in updates:
                if isinstance(update.data, Event) and update.data.event_type == "ApprovalRequested":
                    asked.append(update.data)
                    (approval,) = (await client.get_execution_approvals(execution.id)).approvals
                    decided = await client.decide_approval(
                        execution.id, approval.approval_id, "approve", comment="Yes."
                    )
                    assert decided.comment == "Yes."
        assert len(asked) == 1
        assert (await client.get_execution(execution.id)).status is ExecutionStatus.COMPLETED


@pytest.mark.parametrize("synchronous", [False, True])
async def test_runs_are_forked_retried_and_compared(served: Served, lab: Lab, token: str, synchronous: bool) -> None:
    await lab.model.script(Behaviour(text="Done."))
    flow = await lab.agentflow(agents=[{"name": "A"}])
    begun = datetime.now(UTC)
    execution_id = await lab.start(flow, message="Go.")
    client = AsyncPerdureClient(served.url, token)
    async with client:
        async with aclosing(client.watch_execution(execution_id)) as updates:
            assert [update async for update in updates]
        wanted: BulkForkAsked = {
            "flow_id": flow.id,
            "status": ExecutionStatus.COMPLETED,
            "since": begun - timedelta(minutes=1),
            "until": datetime.now(UTC),
            "limit": 5,
            "from_step": (await client.diff_executions(execution_id, execution_id)).steps[0].step_id,
        }
        if synchronous:
            first, again, retried, same = await asyncio.to_thread(_in_bulk, served.url, token, wanted, execution_id)
        else:
            first, again = await client.fork_executions(**wanted), await client.fork_executions(**wanted)
            retried = await client.retry_executions(flow_id=flow.id, until=wanted["until"])
            same = await client.diff_executions(execution_id, execution_id)
    assert first.skipped == []
    assert [each.forked_from for each in first.started] == [execution_id]
    assert again.started == []
    assert [each.started_before for each in again.skipped] == [first.started[0].execution_id]
    assert (retried.started, retried.skipped) == ([], [])
    assert (same.same, same.a.execution_id, same.tokens) == (True, execution_id, 0)


def _in_bulk(
    url: str, token: str, wanted: BulkForkAsked, execution_id: UUID
) -> tuple[BulkOutcome, BulkOutcome, BulkOutcome, RunDiff]:
    with PerdureClient(url, token) as client:
        return (
            client.fork_executions(**wanted),
            client.fork_executions(**wanted),
            client.retry_executions(limit=5),
            client.diff_executions(execution_id, execution_id),
        )


def texts(updates: list[Update]) -> str:
    return "".join(update.data.text for update in updates if isinstance(update.data, Token))


async def test_watching_goes_on_through_a_restart_of_the_api(lab: Lab, token: str) -> None:
    await lab.model.script(Behaviour(text=WORDS, token_delay_ms=100))
    execution_id = await lab.start(await lab.agentflow(agents=[{"name": "Solo"}]), message="Go.")
    had: list[Update] = []
    async with serving(lab.runtime) as served:
        client = AsyncPerdureClient(served.url, token)
        updates = client.watch_execution(execution_id)
        async for update in updates:
            had.append(update)
            if isinstance(update.data, Token):
                break
    async with serving(lab.runtime, port=served.port), client, aclosing(updates):
        had += [update async for update in updates]
        again = [update async for update in client.watch_execution(execution_id, after=had[4].id)]
        assert again == had[5:]
        assert [update async for update in client.watch_execution(execution_id, after=had[-1].id)] == []
    assert texts(had) == WORDS
    assert len({update.id for update in had}) == len(had)
    assert isinstance(had[-1].data, Event)
    assert had[-1].data.event_type == "ExecutionCompleted"


async def test_the_synchronous_client_watches_too(served: Served, lab: Lab, token: str) -> None:
    await lab.model.script(Behaviour(text=WORDS))
    flow = await lab.agentflow(agents=[{"name": "Solo"}])

    def run() -> list[Update]:
        with PerdureClient(served.url, token) as client:
            execution = client.execute_flow(flow.id, {"message": "Go."})
            return list(client.watch_execution(execution.id))

    assert texts(await asyncio.to_thread(run)) == WORDS
