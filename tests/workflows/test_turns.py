"""Several messages at once in one session, in each of the ways that a flow may choose."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState
from sqlalchemy.util import await_only

from perdure.domain.errors import ConflictError
from perdure.domain.executions import ExecutionStatus
from perdure.domain.flows import ConcurrentTurns
from perdure.domain.runs import ConversationRef, RunInput, TurnInput
from perdure.domain.users import Origin
from perdure.executions import cancel_execution
from perdure.storage import sessions
from perdure.storage.chats import open_session
from perdure.storage.tables import ChatTurnRow
from perdure.storage.turns import add_turn, begin_turn
from perdure.temporal.settling import settle_from_history
from perdure.temporal.starting import call_turn, run_handle, start_run
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour
from tests.workflows.test_chatflow import kept, prompt

MODEL = {"llm_provider": "openai", "llm_model": "scripted"}
FIVE = ("m1", "m2", "m3", "m4", "m5")


async def started(lab: Lab, mode: str, *, first_hangs: bool) -> list[UUID]:
    """Five messages, each accepted before the next is sent; none waits for an answer."""
    if first_hangs:
        await lab.model.script(Behaviour(user="^m1$", text="so far", hang_after_tokens=2))
    await lab.model.script(*(Behaviour(user=f"^{message}$", text=f"answer to {message}") for message in FIVE))
    flow = await lab.chatflow(chat_config={**MODEL, "concurrent_turns": mode})
    turns = [await lab.start(flow, message="m1", session_id="s")]
    if first_hangs:
        await lab.model.wait_for_requests(1)
    turns.extend([await lab.start(flow, message=message, session_id="s") for message in FIVE[1:]])
    return turns


async def test_queue_answers_one_after_another_and_each_sees_the_answers_before(lab: Lab) -> None:
    turns = await started(lab, "queue", first_hangs=False)
    ended = [await lab.finish(turn) for turn in turns]
    assert {execution.status for execution in ended} == {ExecutionStatus.COMPLETED}
    assert await kept(lab, "s") == [
        said for message in FIVE for said in (("user", message), ("assistant", f"answer to {message}"))
    ]
    asked = [prompt(request) for request in await lab.model.requests()]
    assert [len(messages) for messages in asked] == [1, 3, 5, 7, 9]
    assert asked[4][:-1] == await kept_before(lab, 8)


async def test_a_session_that_is_committed_between_two_looks_is_not_taken_for_a_deleted_one(lab: Lab) -> None:
    flow = await lab.chatflow()
    execution_id, looks = uuid4(), 0

    async def commit_the_start() -> None:
        async with lab.runtime.sessions.begin() as starter:
            opened = await open_session(starter, user_id=lab.user_id, session_id="new", flow_id=flow.id)
            await add_turn(starter, opened.key, opened.turns, execution_id)

    def before_the_second_look(_state: ORMExecuteState) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            await_only(commit_the_start())

    conversation = ConversationRef(user_id=lab.user_id, session_id="new", upto=0, ordered=True)
    asked = TurnInput(execution_id=execution_id, flow_id=flow.id, conversation=conversation, mode=ConcurrentTurns.QUEUE)
    async with lab.runtime.sessions.begin() as session:
        event.listen(session.sync_session, "do_orm_execute", before_the_second_look)
        place = await begin_turn(session, asked)
    assert looks > 2
    assert (place.upto, place.is_gone) == (0, False)


async def kept_before(lab: Lab, count: int) -> list[tuple[str, str]]:
    return (await kept(lab, "s"))[:count]


async def test_messages_that_come_at_the_same_moment_all_get_their_turn(lab: Lab) -> None:
    flow = await lab.chatflow()
    turns = await asyncio.gather(*(lab.start(flow, message=message, session_id="s") for message in FIVE))
    ended = [await lab.finish(turn) for turn in turns]
    assert {execution.status for execution in ended} == {ExecutionStatus.COMPLETED}
    asked = [prompt(request) for request in await lab.model.requests()]
    assert sorted(len(messages) for messages in asked) == [1, 3, 5, 7, 9]
    said = await kept(lab, "s")
    assert sorted(content for role, content in said if role == "user") == list(FIVE)
    assert [role for role, _ in said] == ["user", "assistant"] * 5


async def test_reject_is_a_conflict_while_a_turn_runs_and_leaves_nothing(lab: Lab) -> None:
    await lab.model.script(Behaviour(user="^m1$", hang_after_tokens=1))
    flow = await lab.chatflow(chat_config={**MODEL, "concurrent_turns": "reject"})
    first = await lab.start(flow, message="m1", session_id="s")
    for message in FIVE[1:]:
        with pytest.raises(ConflictError, match="answering another message"):
            await lab.start(flow, message=message, session_id="s")
    await cancel_execution(lab.runtime, first, user_id=lab.user_id)
    await lab.finish(first)
    await lab.run(flow, message="m6", session_id="s")
    assert [content for role, content in await kept(lab, "s") if role == "user"] == ["m6"]


async def test_reject_lets_nobody_wait_for_a_turn_that_was_terminated(lab: Lab) -> None:
    await lab.model.script(Behaviour(user="^m1$", hang_after_tokens=1))
    flow = await lab.chatflow(chat_config={**MODEL, "concurrent_turns": "reject"})
    first = await lab.start(flow, message="m1", session_id="s")
    await run_handle(lab.runtime.client, first).terminate()
    assert (await lab.run(flow, message="m2", session_id="s")).status is ExecutionStatus.COMPLETED


async def test_interrupt_keeps_what_was_said_in_the_order_in_which_it_was_said(lab: Lab) -> None:
    turns = await started(lab, "interrupt", first_hangs=True)
    ended = [await lab.finish(turn) for turn in turns]
    assert [execution.status for execution in ended] == [*[ExecutionStatus.CANCELLED] * 4, ExecutionStatus.COMPLETED]
    assert await kept(lab, "s") == [
        ("user", "m1"),
        ("assistant", "so far"),
        *[said for message in FIVE[1:4] for said in (("user", message), ("assistant", ""))],
        ("user", "m5"),
        ("assistant", "answer to m5"),
    ]
    shown = prompt((await lab.model.requests())[-1])
    assert shown[1] == ("assistant", "so far [interrupted]")
    assert shown[3] == ("assistant", "[interrupted]")


async def test_rollback_forgets_the_turns_that_it_cuts_off(lab: Lab) -> None:
    turns = await started(lab, "rollback", first_hangs=True)
    ended = [await lab.finish(turn) for turn in turns]
    assert [execution.status for execution in ended] == [*[ExecutionStatus.CANCELLED] * 4, ExecutionStatus.COMPLETED]
    assert await kept(lab, "s") == [("user", "m5"), ("assistant", "answer to m5")]
    assert prompt((await lab.model.requests())[-1]) == [("user", "m5")]


async def test_a_waiting_turn_can_be_cancelled_and_the_next_goes_on(lab: Lab) -> None:
    await lab.model.script(Behaviour(user="^m1$", text="one", delay_ms=1000))
    flow = await lab.chatflow()
    first, second, third = [await lab.start(flow, message=message, session_id="s") for message in FIVE[:3]]
    await cancel_execution(lab.runtime, second, user_id=lab.user_id)
    assert (await lab.finish(second)).status is ExecutionStatus.CANCELLED
    assert (await lab.finish(third)).status is ExecutionStatus.COMPLETED
    assert (await lab.finish(first)).status is ExecutionStatus.COMPLETED
    assert [content for role, content in await kept(lab, "s") if role == "user"] == ["m1", "m3"]


async def test_whoever_settles_a_terminated_turn_calls_the_next(lab: Lab) -> None:
    await lab.model.script(Behaviour(user="^m1$", hang_after_tokens=1))
    flow = await lab.chatflow()
    first = await lab.start(flow, message="m1", session_id="s")
    second = await lab.start(flow, message="m2", session_id="s")
    await run_handle(lab.runtime.client, first).terminate()
    await settle_from_history(lab.runtime.records, lab.runtime.sessions, first)
    assert (await lab.finish(second)).status is ExecutionStatus.COMPLETED
    assert [content for role, content in await kept(lab, "s") if role == "user"] == ["m2"]


async def test_a_turn_whose_api_died_before_it_could_commit_takes_its_place_itself(lab: Lab) -> None:
    flow = await lab.chatflow()
    turn = uuid4()
    run = RunInput(
        execution_id=turn,
        flow=flow,
        user_id=lab.user_id,
        input_data={"message": "m1", "session_id": "s"},
        conversation=ConversationRef(user_id=lab.user_id, session_id="s", upto=0, ordered=True),
        started_at=datetime.now(UTC),
    )
    await start_run(lab.runtime.client, run)
    assert (await lab.finish(turn)).status is ExecutionStatus.COMPLETED
    await lab.run(flow, message="m2", session_id="s")
    assert [content for role, content in await kept(lab, "s") if role == "user"] == ["m1", "m2"]
    async with lab.runtime.sessions() as session:
        row = await session.get(ChatTurnRow, turn)
    assert row is not None
    assert row.ended


@pytest.mark.parametrize("deleting", [True, False])
async def test_a_turn_that_ends_after_its_session_is_gone_does_not_bring_it_back(lab: Lab, deleting: bool) -> None:
    await lab.model.script(Behaviour(user="^m1$", text="late", delay_ms=3000))
    flow = await lab.chatflow()
    first = await lab.start(flow, message="m1", session_id="s")
    second = await lab.start(flow, message="m2", session_id="s")
    await lab.model.wait_for_requests(1)
    change = sessions.remove if deleting else sessions.clear
    async with lab.runtime.sessions.begin() as session:
        _, under_way = await change(session, Origin(lab.user_id, {}), "s")
    assert set(under_way) == {first, second}
    # The API would cancel them; here it died before it could.
    ended = await lab.finish(first)
    assert ended.status is ExecutionStatus.COMPLETED
    assert ended.output_data is not None
    assert ended.output_data["response"] == "late"
    assert await kept(lab, "s") == []
    await call_turn(lab.runtime.client, second)
    failed = await lab.finish(second)
    assert "cleared or deleted" in (failed.error_message or "")
    again = await lab.run(flow, message="m3", session_id="s")
    assert again.status is ExecutionStatus.COMPLETED
    assert [content for role, content in await kept(lab, "s") if role == "user"] == ["m3"]
