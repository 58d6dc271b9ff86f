"""Chat turns on the real server."""

import pytest
from pydantic import JsonValue
from sqlalchemy import select

from perdure.domain.errors import UnprocessableError
from perdure.domain.executions import ExecutionStatus
from perdure.executions import cancel_execution
from perdure.storage.tables import ChatMessageRow, ChatSessionRow
from perdure.temporal.settling import settle_from_history
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour, RecordedRequest


def prompt(request: RecordedRequest) -> list[tuple[str, JsonValue]]:
    messages = request.body["messages"]
    assert isinstance(messages, list)
    return [(str(said["role"]), said["content"]) for said in messages if isinstance(said, dict)]


async def kept(lab: Lab, session_id: str) -> list[tuple[str, str]]:
    async with lab.runtime.sessions() as session:
        rows = await session.execute(
            select(ChatMessageRow.role, ChatMessageRow.content)
            .join(ChatSessionRow, ChatSessionRow.key == ChatMessageRow.session_key)
            .where(ChatSessionRow.user_id == lab.user_id, ChatSessionRow.id == session_id)
            .order_by(ChatMessageRow.sequence)
        )
        return [(role, content) for role, content in rows]


async def test_a_second_turn_knows_the_first(lab: Lab) -> None:
    await lab.model.script(Behaviour(text="Hello Ada."), Behaviour(text="You are Ada."))
    flow = await lab.chatflow(memory_config={"type": "buffer", "max_messages": 10})
    first = await lab.run(flow, message="I am Ada.", session_id="s")
    second = await lab.run(flow, message="Who am I?", session_id="s")
    assert (first.status, second.status) == (ExecutionStatus.COMPLETED, ExecutionStatus.COMPLETED)
    assert second.output_data is not None
    assert second.output_data["response"] == "You are Ada."
    assert prompt((await lab.model.requests())[1]) == [
        ("user", "I am Ada."),
        ("assistant", "Hello Ada."),
        ("user", "Who am I?"),
    ]
    assert await kept(lab, "s") == [
        ("user", "I am Ada."),
        ("assistant", "Hello Ada."),
        ("user", "Who am I?"),
        ("assistant", "You are Ada."),
    ]


async def test_the_buffer_is_cut_by_whole_turns(lab: Lab) -> None:
    flow = await lab.chatflow(memory_config={"type": "buffer", "max_messages": 3})
    for number in range(3):
        await lab.run(flow, message=f"Message {number}", session_id="s")
    shown = prompt((await lab.model.requests())[-1])
    assert [content for role, content in shown if role == "user"] == ["Message 1", "Message 2"]


async def test_a_failed_and_a_cancelled_turn_leave_no_half_of_themselves(lab: Lab) -> None:
    flow = await lab.chatflow()
    await lab.model.script(Behaviour(status=400, body={"error": {"message": "no"}}), Behaviour(hang_after_tokens=1))
    failed = await lab.run(flow, message="One", session_id="s")
    assert failed.status is ExecutionStatus.FAILED
    cancelled = await lab.start(flow, message="Two", session_id="s")
    await lab.model.wait_for_requests(2)
    await cancel_execution(lab.runtime, cancelled, user_id=lab.user_id)
    assert (await lab.finish(cancelled)).status is ExecutionStatus.CANCELLED
    assert await kept(lab, "s") == []


async def test_a_missing_knowledge_base_is_a_clear_failure(lab: Lab) -> None:
    flow = await lab.chatflow(rag_config={"enabled": True, "knowledgebase_ids": ["kb-123"]})
    execution = await lab.run(flow, message="Hi")
    assert execution.status is ExecutionStatus.FAILED
    assert "kb-123" in (execution.error_message or "")
    assert await lab.model.requests() == ()


async def test_a_turn_settled_twice_is_written_once(lab: Lab) -> None:
    execution = await lab.run(await lab.chatflow(), message="Hi", session_id="s")
    await settle_from_history(lab.runtime.records, lab.runtime.sessions, execution.id)
    assert len(await kept(lab, "s")) == 2


async def test_what_no_database_can_keep_is_taken_out_of_an_answer(lab: Lab) -> None:
    await lab.model.script(Behaviour(text="be\u0000fore"))
    execution = await lab.run(await lab.chatflow(), message="Hi", session_id="s")
    assert execution.status is ExecutionStatus.COMPLETED
    assert await kept(lab, "s") == [("user", "Hi"), ("assistant", "before")]


async def test_a_conversation_that_its_caller_keeps_is_known_for_one_turn(lab: Lab) -> None:
    chat: JsonValue = {"llm_provider": "openai", "llm_model": "scripted", "system_prompt": "Be kind."}
    flow = await lab.chatflow(chat_config=chat)
    told: list[JsonValue] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "I am Ada."},
        {"role": "assistant", "content": "Hello Ada."},
    ]
    execution = await lab.run(flow, message="Who am I?", messages=told)
    assert (execution.status, execution.session_id) == (ExecutionStatus.COMPLETED, None)
    (request,) = await lab.model.requests()
    assert prompt(request) == [
        ("system", "Be kind.\n\nBe brief."),
        ("user", "I am Ada."),
        ("assistant", "Hello Ada."),
        ("user", "Who am I?"),
    ]
    async with lab.runtime.sessions() as session:
        sessions = await session.scalars(select(ChatSessionRow).where(ChatSessionRow.user_id == lab.user_id))
        assert sessions.all() == []


@pytest.mark.parametrize(
    "asked", [{"messages": [], "session_id": "s"}, {"messages": "x"}, {"messages": [{"role": "tool", "content": ""}]}]
)
async def test_a_conversation_is_kept_by_one_side(lab: Lab, asked: dict[str, JsonValue]) -> None:
    flow = await lab.chatflow()
    with pytest.raises(UnprocessableError) as refused:
        await lab.start(flow, message="Hi", **asked)
    assert refused.value.errors[0].loc == ["body", "input_data", "messages"]
