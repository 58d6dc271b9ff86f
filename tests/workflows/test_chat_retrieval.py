"""A chat that asks knowledge bases: what it finds is shown to the model, cited, and recorded."""

import pytest
from pydantic import JsonValue

from api.streaming import Place
from api.turns import turn_events
from perdure.domain.errors import ConflictError
from perdure.domain.executions import Execution, ExecutionStatus
from tests.support.knowledge import Library
from tests.support.running import Lab


def _rag(*knowledgebase_ids: object, **more: JsonValue) -> JsonValue:
    return {"enabled": True, "knowledgebase_ids": [str(each) for each in knowledgebase_ids], **more}


async def _asked(lab: Lab, rag: JsonValue) -> Execution:
    return await lab.run(await lab.chatflow(rag_config=rag), message="Why do ships float?", session_id="s")


async def test_the_answer_is_made_from_passages_and_names_its_sources(lab: Lab) -> None:
    library = Library(lab)
    base = await library.make()
    document = await library.add(base, "ships.md", "Ships float because they displace water.")
    await library.add(base, "bread.md", "Bread rises because of yeast.")
    execution = await _asked(lab, _rag(base.id, retrieval_strategy="hybrid", top_k=1))
    (asked,) = await lab.model.requests()
    assert "[1] ships.md\nShips float because they displace water." in asked.last_user_message
    assert "yeast" not in asked.last_user_message
    assert execution.output_data is not None
    sources = execution.output_data["sources"]
    assert isinstance(sources, list)
    (source,) = sources
    assert isinstance(source, dict)
    assert (source["document_id"], source["chunk_index"]) == (str(document.id), 0)
    assert isinstance(source["knowledgebase_version"], int)
    assert [node.id for node in execution.node_executions] == ["assistant", "retrieval"]
    history = await lab.runtime.records.read(execution.id)
    assert history is not None
    assert str(document.id) in str([event.data for event in history.events])


async def test_the_memory_holds_the_message_without_the_passages(lab: Lab) -> None:
    library = Library(lab)
    base = await library.make()
    await library.add(base, "ships.md", "Ships float because they displace water.")
    flow = await lab.chatflow(rag_config=_rag(base.id))
    await lab.run(flow, message="Why do ships float?", session_id="s")
    await lab.run(flow, message="And boats?", session_id="s")
    second = (await lab.model.requests())[1]
    assert second.messages[0].get("content") == "Why do ships float?"


async def test_a_missing_knowledge_base_fails_the_turn_by_its_name(lab: Lab) -> None:
    execution = await _asked(lab, _rag("kb-123"))
    assert execution.status is ExecutionStatus.FAILED
    assert "kb-123" in (execution.error_message or "")
    assert await lab.model.requests() == ()


async def test_a_blank_find_still_answers(lab: Lab) -> None:
    base = await Library(lab).make()
    execution = await _asked(lab, _rag(base.id))
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.output_data is not None
    assert execution.output_data["sources"] == []


async def test_the_stream_tells_the_sources_before_the_first_word(lab: Lab) -> None:
    library = Library(lab)
    base = await library.make()
    document = await library.add(base, "ships.md", "Ships float because they displace water.")
    execution = await _asked(lab, _rag(base.id))
    frames = [frame.decode() async for frame in turn_events(lab.runtime, execution, Place(execution.id))]
    names = [line.removeprefix("event: ") for frame in frames for line in frame.splitlines() if "event: " in line]
    assert names[:3] == ["start", "sources", "token"]
    assert names.count("sources") == 1
    assert str(document.id) in frames[1]


async def test_more_passages_than_a_model_is_shown_are_refused(lab: Lab) -> None:
    with pytest.raises(ConflictError, match="top_k"):
        await _asked(lab, _rag("kb-123", top_k=51))
