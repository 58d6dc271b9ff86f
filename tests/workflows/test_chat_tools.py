"""A chat that calls tools before it answers: steps of its own, stored with the turn, shown again to the next one."""

from collections.abc import AsyncGenerator

import pytest
from pydantic import JsonValue, TypeAdapter

from perdure.domain.chats import ChatMessage, SessionExport, to_markdown
from perdure.domain.executions import ExecutionStatus, NodeStatus
from perdure.storage.sessions import get_session, read_history
from tests.support.deciding import owner_of, say, until
from tests.support.http_site import Site, serving
from tests.support.knowledge import Library
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour, ScriptedCall


@pytest.fixture
async def site() -> AsyncGenerator[Site]:
    async with serving() as running:
        yield running


def asks(url: str) -> ScriptedCall:
    return ScriptedCall(name="http_request", arguments={"url": url})


async def messages(lab: Lab, session_id: str = "s") -> list[ChatMessage]:
    async with lab.runtime.single.connect() as connection:
        return await read_history(connection, session_id, user_id=lab.user_id, limit=None, offset=0)


async def test_a_chat_answers_with_what_its_tool_found(lab: Lab, site: Site) -> None:
    await lab.model.script(
        Behaviour(last="What is there", text="Let me look.", tool_calls=(asks(f"{site.url}/page"),)),
        Behaviour(tool="hello", text="It says hello."),
    )
    flow = await lab.chatflow(tools=["http_request"])
    execution = await lab.run(flow, message="What is there?", session_id="s")
    assert execution.output_data is not None
    assert execution.output_data["response"] == "It says hello."
    assert execution.output_data["tool_calls"] == [
        {
            "step_id": "assistant/1-http_request",
            "name": "http_request",
            "arguments": {"url": f"{site.url}/page"},
            "is_error": False,
        }
    ]
    assert [(node.id, node.node_type, node.status) for node in execution.node_executions] == [
        ("assistant", "assistant", NodeStatus.COMPLETED),
        ("assistant/1-http_request", "tool", NodeStatus.COMPLETED),
        ("assistant:2", "assistant", NodeStatus.COMPLETED),
    ]
    assert (execution.metrics.llm_calls, execution.metrics.tool_calls) == (2, 1)
    usage = execution.output_data["usage"]
    assert isinstance(usage, dict)
    assert usage["input_tokens"] == sum(
        int(str(node.output_data["input_tokens"]))
        for node in execution.node_executions
        if node.output_data and "input_tokens" in node.output_data
    )


async def test_the_next_turn_sees_calls_and_results_in_their_place(lab: Lab, site: Site) -> None:
    await lab.model.script(
        Behaviour(last="^One$", tool_calls=(asks(f"{site.url}/page"), asks(f"{site.url}/missing"))),
        Behaviour(tool="404", text="one"),
        Behaviour(last="^Two$", text="two"),
    )
    flow = await lab.chatflow(tools=["http_request"], memory_config={"type": "buffer", "max_messages": 2})
    await lab.run(flow, message="One", session_id="s")
    await lab.run(flow, message="Two", session_id="s")
    *_, asked = await lab.model.requests()
    roles = [message["role"] for message in asked.messages]
    assert roles == ["user", "assistant", "tool", "tool", "assistant", "user"]
    first, second = (message for message in asked.messages if message["role"] == "tool")
    assert "hello" in str(first.get("content"))
    assert "404" in str(second.get("content"))


async def test_history_and_exports_show_the_calls(lab: Lab, site: Site) -> None:
    await lab.model.script(
        Behaviour(last="Look", tool_calls=(asks(f"{site.url}/page"),)), Behaviour(tool="hello", text="Seen.")
    )
    await lab.run(await lab.chatflow(tools=["http_request"]), message="Look.", session_id="s")
    question, answer = await messages(lab)
    assert question.tool_calls == []
    (use,) = answer.tool_calls
    assert (use.name, use.arguments) == ("http_request", {"url": f"{site.url}/page"})
    assert "hello" in use.output
    async with lab.runtime.single.connect() as connection:
        session = await get_session(connection, "s", user_id=lab.user_id)
    assert session.message_count == 2
    assert "*Called http_request*" in to_markdown(SessionExport(session=session, messages=[question, answer]))


async def test_a_call_waits_until_people_have_agreed(lab: Lab, site: Site) -> None:
    await lab.model.script(
        Behaviour(last="Look", tool_calls=(asks(f"{site.url}/page"),)), Behaviour(tool="hello", text="Seen.")
    )
    tool: JsonValue = {"type": "http_request", "requires_approval": True}
    execution_id = await lab.start(await lab.chatflow(tools=[tool]), message="Look.", session_id="s")
    await until(lab, execution_id, "ApprovalRequested")
    assert site.seen == []
    await say(lab, await owner_of(lab), execution_id, "assistant/1-http_request", "approve")
    execution = await lab.finish(execution_id)
    assert execution.status is ExecutionStatus.COMPLETED
    assert len(site.seen) == 1


async def test_a_rejected_call_is_told_to_the_model_and_stored(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(last="Look", tool_calls=(asks("http://x"),)), Behaviour(tool="not allowed", text="I may not.")
    )
    tool: JsonValue = {"type": "http_request", "requires_approval": {"deadline_seconds": 0.2}}
    execution = await lab.run(await lab.chatflow(tools=[tool]), message="Look.", session_id="s")
    assert execution.output_data is not None
    assert execution.output_data["response"] == "I may not."
    _, answer = await messages(lab)
    assert "not allowed" in answer.tool_calls[0].output


async def test_a_chat_that_does_not_stop_calling_fails_with_what_to_raise(lab: Lab) -> None:
    await lab.model.script(Behaviour(tool_calls=(ScriptedCall(name="nothing", arguments={}),), times=None))
    chat: JsonValue = {"llm_provider": "openai", "llm_model": "scripted", "max_steps": 2}
    flow = await lab.chatflow(tools=["http_request"], chat_config=chat)
    execution = await lab.run(flow, message="Go.", session_id="s")
    assert execution.status is ExecutionStatus.FAILED
    assert "max_steps" in (execution.error_message or "")
    assert await messages(lab) == []


async def test_what_a_tool_found_in_knowledge_bases_is_a_source(lab: Lab) -> None:
    library = Library(lab)
    base = await library.make()
    document = await library.add(base, "ships.md", "Ships float because they displace water.")
    search = ScriptedCall(name="knowledge_search", arguments={"query": "Why do ships float?"})
    await lab.model.script(Behaviour(last="float", tool_calls=(search,)), Behaviour(tool="displace", text="Water."))
    tool: JsonValue = {"type": "knowledge_search", "knowledgebase_ids": [str(base.id)]}
    execution = await lab.run(await lab.chatflow(tools=[tool]), message="Why do ships float?", session_id="s")
    assert execution.output_data is not None
    assert str(document.id) in str(execution.output_data["sources"])


async def test_each_passage_of_an_answer_has_a_number_of_its_own(lab: Lab) -> None:
    library = Library(lab)
    base = await library.make()
    await library.add(base, "ships.md", "Ships float because they displace water.")
    await library.add(base, "bread.md", "Bread rises because of yeast.")
    search = ScriptedCall(name="knowledge_search", arguments={"query": "Why does bread rise?"})
    await lab.model.script(
        Behaviour(user="bread", times=1, tool_calls=(search, search)), Behaviour(tool="yeast", text="Yeast [2].")
    )
    tool: JsonValue = {"type": "knowledge_search", "knowledgebase_ids": [str(base.id)], "top_k": 2}
    rag: JsonValue = {"enabled": True, "knowledgebase_ids": [str(base.id)], "top_k": 1}
    flow = await lab.chatflow(tools=[tool], rag_config=rag)
    execution = await lab.run(flow, message="Why does bread rise?", session_id="s")
    assert execution.output_data is not None
    sources = execution.output_data["sources"]
    assert isinstance(sources, list)
    assert [source["number"] for source in sources if isinstance(source, dict)] == [1, 2, 3, 4, 5]
    shown = str([message.get("content") for message in (await lab.model.requests())[-1].messages])
    assert [f"[{number}] " in shown for number in range(1, 7)] == [True] * 5 + [False]


async def test_arguments_that_cannot_be_stored_are_cleaned_and_the_call_is_paid_once(lab: Lab) -> None:
    call = ScriptedCall(name="python", arguments={"code": "len('a\x00b')"})
    await lab.model.script(Behaviour(last="^Go", tool_calls=(call,)), Behaviour(tool=".", text="Done."))
    execution = await lab.run(await lab.chatflow(tools=["python"]), message="Go.", session_id="s")
    assert execution.status is ExecutionStatus.COMPLETED
    assert len(await lab.model.requests()) == 2
    assert execution.output_data is not None
    (made,) = TypeAdapter(list[dict[str, JsonValue]]).validate_python(execution.output_data["tool_calls"])
    assert made["arguments"] == {"code": "len('ab')"}


@pytest.mark.parametrize(("mode", "kept"), [("interrupt", 4), ("rollback", 2)])
async def test_a_turn_cut_off_in_a_tool_call_keeps_no_call_without_its_result(
    lab: Lab, site: Site, mode: str, kept: int
) -> None:
    chat: JsonValue = {"llm_provider": "openai", "llm_model": "scripted", "concurrent_turns": mode}
    flow = await lab.chatflow(
        tools=["http_request", {"type": "http_request", "name": "ask", "requires_approval": True}], chat_config=chat
    )
    # The second call waits for a person, who never comes.
    await lab.model.script(
        Behaviour(last="^One$", text="First.", tool_calls=(asks(f"{site.url}/page"),)),
        Behaviour(
            tool="hello", text="Then.", tool_calls=(ScriptedCall(name="ask", arguments={"url": f"{site.url}/page"}),)
        ),
        Behaviour(last="^Two$", text="two"),
    )
    first = await lab.start(flow, message="One", session_id="s")
    await until(lab, first, "ApprovalRequested")
    second = await lab.run(flow, message="Two", session_id="s")
    assert (await lab.finish(first)).status is ExecutionStatus.CANCELLED
    assert second.status is ExecutionStatus.COMPLETED
    said = await messages(lab)
    assert len(said) == kept
    if mode == "interrupt":
        assert (said[1].content, said[1].interrupted, len(said[1].tool_calls)) == ("Then.", True, 1)
        *_, asked = await lab.model.requests()
        roles = [message["role"] for message in asked.messages]
        assert roles == ["user", "assistant", "tool", "assistant", "user"]
