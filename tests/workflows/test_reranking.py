"""Found passages put in order by a model: at a rerank endpoint, or by a chat model that reads them all."""

import pytest
from pydantic import JsonValue

from perdure.domain.executions import Execution, ExecutionStatus
from perdure.domain.knowledge import KnowledgeBase
from perdure.llm import ModelCallError
from tests.support.knowledge import Library
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour, ScriptedCall
from tests.support.scripted_reranking import RerankBehaviour

QUERY = "Why do ships float?"
ORDERING = "^You order passages"
ENDPOINT: dict[str, JsonValue] = {"reranking_enabled": True, "reranking_model": "scripted-reranker"}


@pytest.fixture
async def library(lab: Lab) -> Library:
    return Library(lab)


@pytest.fixture
async def base(library: Library) -> KnowledgeBase:
    base = await library.make()
    for name, text in (
        ("sails.md", "Sailing vessels and boats cross oceans."),
        ("why.md", "Why do ships float? They displace water."),
        ("bread.md", "Bread rises because of yeast."),
    ):
        await library.add(base, name, text)
    return base


async def _asked(lab: Lab, base: KnowledgeBase, **rag: JsonValue) -> Execution:
    config: JsonValue = {"enabled": True, "knowledgebase_ids": [str(base.id)], "top_k": 1, **rag}
    return await lab.run(await lab.chatflow(rag_config=config), message=QUERY, session_id="s")


def _sources(execution: Execution) -> list[dict[str, JsonValue]]:
    assert execution.output_data is not None
    sources = execution.output_data["sources"]
    assert isinstance(sources, list)
    return [source for source in sources if isinstance(source, dict)]


async def test_the_endpoint_is_shown_more_than_is_wanted_and_its_best_are_kept(
    lab: Lab, library: Library, base: KnowledgeBase
) -> None:
    found = await library.find(base, query=QUERY, top_k=1, **ENDPOINT)
    (call,) = await lab.model.rerank_calls()
    assert (call.model, call.query, len(call.documents)) == ("scripted-reranker", QUERY, 3)
    assert call.authorization == "Bearer rerank-test"
    assert [(hit.document_name, hit.rerank_score) for hit in found.hits] == [("why.md", 1.0)]
    assert 0 < found.hits[0].score < 1
    assert found.reranking is not None
    assert (found.reranking.model, found.reranking.input_tokens) == ("scripted-reranker", 7)
    assert found.reranking.cost_usd is None


async def test_what_the_endpoint_leaves_out_or_invents_changes_nothing_else(
    lab: Lab, library: Library, base: KnowledgeBase
) -> None:
    plain = [hit.document_name for hit in await library.search(base, query=QUERY, top_k=3)]
    said: JsonValue = {"results": [{"index": 2, "relevance_score": 0.4}, {"index": 17, "relevance_score": 0.9}]}
    await lab.model.script_reranking(RerankBehaviour(body=said))
    found = await library.find(base, query=QUERY, top_k=3, **ENDPOINT)
    assert [hit.document_name for hit in found.hits] == [plain[2], plain[0], plain[1]]
    assert [hit.rerank_score for hit in found.hits] == [0.4, None, None]


async def test_a_chat_models_order_is_taken_and_its_tokens_are_counted(
    lab: Lab, library: Library, base: KnowledgeBase
) -> None:
    plain = [hit.document_name for hit in await library.search(base, query=QUERY, top_k=3)]
    await lab.model.script(Behaviour(system=ORDERING, text='{"order": [3, 1, 2]}'))
    found = await library.find(base, query=QUERY, top_k=2, reranking_enabled=True, reranking_model="openai:scripted")
    assert [hit.document_name for hit in found.hits] == [plain[2], plain[0]]
    assert found.reranking is not None
    assert found.reranking.model == "openai:scripted"
    assert found.reranking.input_tokens
    assert await lab.model.rerank_calls() == []


async def test_nothing_found_is_nothing_to_rerank(lab: Lab, library: Library) -> None:
    assert (await library.find(await library.make(), query=QUERY, **ENDPOINT)).hits == ()
    assert await lab.model.rerank_calls() == []


async def test_a_chat_answers_from_what_its_own_model_put_first(lab: Lab, base: KnowledgeBase) -> None:
    await lab.model.script(
        Behaviour(system=ORDERING, text='{"order": [3]}'), Behaviour(user="Passages|passages", text="Because [1].")
    )
    execution = await _asked(lab, base, reranking_enabled=True)
    ordering, answering = await lab.model.requests()
    third = ordering.last_user_message.split("[3] ")[1]
    assert third in answering.last_user_message
    assert len(_sources(execution)) == 1
    (_, retrieval) = execution.node_executions
    assert retrieval.output_data is not None
    used = retrieval.output_data["model_use"]
    assert isinstance(used, dict)
    assert used["model"] == "openai:scripted"
    assert execution.metrics.llm_calls == 2
    tokens = [node.output_data for node in execution.node_executions]
    assert execution.metrics.llm_tokens > sum(
        int(str(output[name])) for output in tokens[:1] if output for name in ("input_tokens", "output_tokens")
    )


async def test_an_endpoint_that_is_busy_is_asked_again(lab: Lab, base: KnowledgeBase) -> None:
    await lab.model.script_reranking(RerankBehaviour(status=429, body={"detail": "slow down"}))
    execution = await _asked(lab, base, **ENDPOINT)
    assert execution.status is ExecutionStatus.COMPLETED
    assert len(await lab.model.rerank_calls()) == 2
    (source,) = _sources(execution)
    assert (source["document_name"], source["rerank_score"]) == ("why.md", 1.0)


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (RerankBehaviour(status=401, body={"detail": "no such key rerank-test"}), "RERANK_API_KEY"),
        (RerankBehaviour(status=404, body="not here"), "RERANK_BASE_URL"),
        (RerankBehaviour(status=402, body={"message": "pay first"}), "quota"),
        (RerankBehaviour(status=422, body={"message": "documents: too long"}), "documents: too long"),
    ],
    ids=["key", "address", "quota", "refused"],
)
async def test_a_refusal_fails_the_turn_with_advice(
    lab: Lab, base: KnowledgeBase, behaviour: RerankBehaviour, says: str
) -> None:
    await lab.model.script_reranking(behaviour)
    execution = await _asked(lab, base, **ENDPOINT)
    assert execution.status is ExecutionStatus.FAILED
    assert says in (execution.error_message or "")
    assert "rerank-test" not in (execution.error_message or "")
    assert len(await lab.model.rerank_calls()) == 1
    assert await lab.model.requests() == ()


async def test_an_answer_without_results_may_be_asked_for_again(
    lab: Lab, library: Library, base: KnowledgeBase
) -> None:
    await lab.model.script_reranking(RerankBehaviour(body={"scores": [1, 2]}))
    with pytest.raises(ModelCallError, match="cannot be read") as raised:
        await library.find(base, query=QUERY, **ENDPOINT)
    assert raised.value.retryable


async def test_an_agents_search_is_put_in_order_by_the_agents_model(lab: Lab, base: KnowledgeBase) -> None:
    tool: JsonValue = {
        "type": "knowledge_search",
        "knowledgebase_ids": [str(base.id)],
        "top_k": 1,
        "reranking_enabled": True,
    }
    search = ScriptedCall(name="knowledge_search", arguments={"query": QUERY})
    await lab.model.script(
        Behaviour(system=ORDERING, text='{"order": [2]}'),
        Behaviour(last="^Why", tool_calls=(search,)),
        Behaviour(tool=".", text="They displace water."),
    )
    execution = await lab.run(await lab.agentflow(agents=[{"name": "Reader", "tools": [tool]}]), message=QUERY)
    assert execution.status is ExecutionStatus.COMPLETED
    asked = [request for request in await lab.model.requests() if "Passages:" in request.last_user_message]
    assert len(asked) == 1
    assert execution.metrics.llm_calls == 3
