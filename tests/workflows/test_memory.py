"""What a model is shown of a conversation, by the prompts that it got; and the summary made after the answer."""

from uuid import UUID

from pydantic import JsonValue

from perdure.domain.chats import ChatSession
from perdure.domain.executions import Execution, ExecutionStatus
from perdure.domain.flows import MemoryConfig, MemoryType
from perdure.domain.users import Origin
from perdure.storage import sessions
from perdure.storage.events import read_session_events
from tests.support.running import Lab, replayer
from tests.support.scripted_model import Behaviour
from tests.workflows.test_chatflow import kept, prompt

MODEL: dict[str, JsonValue] = {"llm_provider": "openai", "llm_model": "scripted"}
FOLDING = "You keep the memory"


def used(execution: Execution) -> dict[str, JsonValue]:
    output = execution.node_executions[0].output_data
    assert output is not None
    memory = output["memory"]
    assert isinstance(memory, dict)
    return memory


async def session_of(lab: Lab, session_id: str = "s") -> ChatSession:
    async with lab.runtime.single.connect() as connection:
        return await sessions.get_session(connection, session_id, user_id=lab.user_id)


async def folded(lab: Lab, first_turn: UUID) -> None:
    """Wait for the end of the fold that begins with this turn, and replay it."""
    handle = lab.runtime.client.get_workflow_handle(f"summary-{first_turn}")
    await handle.result()
    await replayer(lab.runtime.client.data_converter).replay_workflow(await handle.fetch_history())


async def test_what_was_remembered_stands_in_the_execution(lab: Lab) -> None:
    flow = await lab.chatflow(memory_config={"type": "buffer", "max_messages": 3})
    executions = [await lab.run(flow, message=f"Message {number}", session_id="s") for number in range(3)]
    memory = used(executions[2])
    assert (memory["type"], memory["messages"], memory["first_message"], memory["last_message"]) == ("buffer", 2, 3, 4)
    assert used(executions[0])["messages"] == 0


async def test_a_small_window_is_never_overfilled(lab: Lab) -> None:
    flow = await lab.chatflow(
        chat_config={**MODEL, "max_tokens": 7000},
        memory_config={"type": "buffer", "max_messages": 100},
    )
    for number in range(3):
        await lab.run(flow, message=f"{number} " + "word " * 300, session_id="s")
    assert len(prompt((await lab.model.requests())[2])) == 1


async def test_older_turns_fold_into_a_summary_after_the_answer_once(lab: Lab) -> None:
    await lab.model.script(
        Behaviour(system=FOLDING, text="Ada builds ships.", times=1),
        Behaviour(system=FOLDING, text="Ada builds ships and boats.", times=1),
    )
    flow = await lab.chatflow(memory_config={"type": "summary", "max_messages": 4, "summary_threshold": 4})
    turns = [await lab.run(flow, message=f"Message {number}", session_id="s") for number in range(3)]
    await folded(lab, turns[0].id)
    session = await session_of(lab)
    assert session.summary is not None
    assert (session.summary.content, session.summary.upto, session.summary.folds) == ("Ada builds ships.", 4, 1)
    assert session.summary.input_tokens
    last = await lab.run(flow, message="Message 3", session_id="s")
    asked = next(
        request for request in reversed(await lab.model.requests()) if request.last_user_message == "Message 3"
    )
    assert "Ada builds ships." in (asked.system_prompt or "")
    assert [content for role, content in prompt(asked) if role == "user"] == ["Message 2", "Message 3"]
    assert used(last)["summary_upto"] == 4
    turns.append(await lab.run(flow, message="Message 4", session_id="s"))
    await folded(lab, turns[2].id)
    session = await session_of(lab)
    assert session.summary is not None
    assert (session.summary.content, session.summary.folds) == ("Ada builds ships and boats.", 2)
    folds = [request for request in await lab.model.requests() if FOLDING in (request.system_prompt or "")]
    assert len(folds) == 2
    assert "Message 0" in folds[0].last_user_message
    assert "Ada builds ships." in folds[1].last_user_message
    assert "Message 0" not in folds[1].last_user_message
    async with lab.runtime.sessions() as session:
        events = await read_session_events(session, "s", user_id=lab.user_id)
    assert [event.event_type for event in events] == ["SessionCreated", "SessionSummarized", "SessionSummarized"]


async def test_nobody_waits_for_a_summary_and_a_clear_takes_it_away(lab: Lab) -> None:
    await lab.model.script(Behaviour(system=FOLDING, text="Old news.", delay_ms=1500))
    flow = await lab.chatflow(memory_config={"type": "summary", "summary_threshold": 1})
    turn = await lab.run(flow, message="One", session_id="s")
    assert turn.status is ExecutionStatus.COMPLETED
    await lab.model.wait_for_requests(2)
    async with lab.runtime.sessions.begin() as session:
        await sessions.clear(session, Origin(lab.user_id, {}), "s")
    await folded(lab, turn.id)
    assert (await session_of(lab)).summary is None
    assert await kept(lab, "s") == []


async def test_like_turns_are_recalled_with_their_scores(lab: Lab) -> None:
    flow = await lab.chatflow(
        memory_config={"type": "vector", "vector_top_k": 1, "max_messages": 10, "similarity_threshold": 0.1}
    )
    topics = ("My cat Minka sleeps on the sofa.", "The bus to work was late.", "I bought bread.", "It rains today.")
    turns = [await lab.run(flow, message=topic, session_id="s") for topic in topics]
    last = await lab.run(flow, message="Where does my cat sleep?", session_id="s")
    asked = (await lab.model.requests())[-1]
    assert "Minka" in (asked.system_prompt or "")
    assert [content for role, content in prompt(asked) if role == "user"] == [
        "I bought bread.",
        "It rains today.",
        "Where does my cat sleep?",
    ]
    found = used(last)["recalled"]
    assert isinstance(found, list)
    recalled = found[0]
    assert isinstance(recalled, dict)
    assert len(found) == 1
    assert recalled["execution_id"] == str(turns[0].id)
    assert isinstance(recalled["score"], float)
    assert recalled["score"] > 0.1


async def test_hybrid_has_summary_recalled_and_newest_turns_at_once(lab: Lab) -> None:
    await lab.model.script(Behaviour(system=FOLDING, text="Talk of a cat and of work."))
    flow = await lab.chatflow(
        memory_config={"type": "hybrid", "vector_top_k": 1, "max_messages": 2, "summary_threshold": 4}
    )
    topics = ("My cat Minka sleeps on the sofa.", "The bus to work was late.", "I bought bread.")
    turns = [await lab.run(flow, message=topic, session_id="s") for topic in topics]
    await folded(lab, turns[0].id)
    last = await lab.run(flow, message="Where does my cat sleep?", session_id="s")
    memory = used(last)
    assert memory["summary_upto"] == 4
    assert memory["recalled"]
    assert memory["messages"] == 2


async def test_a_session_s_own_memory_comes_before_the_flow_s(lab: Lab) -> None:
    flow = await lab.chatflow(memory_config={"type": "buffer", "max_messages": 10})
    await lab.run(flow, message="One", session_id="s")
    await lab.run(flow, message="Two", session_id="s")
    async with lab.runtime.sessions.begin() as session:
        own = MemoryConfig(type=MemoryType.BUFFER, max_messages=2)
        await sessions.change_memory(session, Origin(lab.user_id, {}), "s", own)
    await lab.run(flow, message="Three", session_id="s")
    shown = prompt((await lab.model.requests())[-1])
    assert [content for role, content in shown if role == "user"] == ["Two", "Three"]
