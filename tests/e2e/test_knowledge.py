"""A document taken in by whole processes, with `kill -9` in the middle: no chunk is embedded or kept twice."""

import pytest

from tests.support.product import API, JsonObject, Product
from tests.support.scripted_embeddings import EmbeddingBehaviour
from tests.support.scripted_model import ScriptedModel
from tests.support.uploads import until, uploaded

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

LONG = "\n\n".join(f"word{number} " * 20 for number in range(300))
"""Three batches of chunks of at most 50 tokens."""


async def test_a_killed_worker_embeds_only_the_batch_in_flight_again(product: Product, model: ScriptedModel) -> None:
    await model.script_embeddings(EmbeddingBehaviour(after=1, hang=True))
    body: JsonObject = {
        "name": "Handbook",
        "embedding_model": "openai:scripted",
        "embedding_dimension": 64,
        "chunk_size": 50,
        "chunk_overlap": 0,
    }
    base = await product.post(f"{API}/knowledgebases", body)
    path = f"{API}/knowledgebases/{base['id']}"
    document = await uploaded(product, path, "long.txt", LONG)
    await model.wait_for_embedding_calls(2)
    await product.kill("worker")
    stopped = await product.get(f"{path}/documents/{document['id']}")
    assert (stopped["status"], stopped["chunks_done"]) == ("processing", 128)
    await product.start("worker")
    ready = await until(product, f"{path}/documents/{document['id']}", status="ready")
    answered = [text for call in await model.embedding_calls() if call.answered for text in call.inputs]
    assert len(answered) == len(set(answered)) == ready["chunks_total"] == ready["chunks_done"]
    kept = await product.get(path)
    assert kept["chunk_count"] == ready["chunks_total"]
    found = await product.post(f"{path}/search", {"query": "word7", "top_k": 1, "retrieval_strategy": "hybrid"})
    assert isinstance(found["results"], list)
    (result,) = found["results"]
    assert isinstance(result, dict)
    assert "word7 " in str(result["content"])


async def test_a_killed_api_leaves_a_document_whole_or_not_at_all(product: Product, model: ScriptedModel) -> None:
    base = await product.post(f"{API}/knowledgebases", {"name": "Handbook"})
    path = f"{API}/knowledgebases/{base['id']}"
    document = await uploaded(product, path, "a.txt", "Ships float.")
    await product.kill("api")
    await product.start("api")
    await until(product, f"{path}/documents/{document['id']}", status="ready")
    assert (await product.get(path))["document_count"] == 1
    assert await model.embedding_calls() == []


async def test_a_worker_killed_in_a_reindex_embeds_only_the_batch_in_flight_again(
    product: Product, model: ScriptedModel
) -> None:
    body: JsonObject = {"name": "Handbook", "chunk_size": 50, "chunk_overlap": 0}
    path = f"{API}/knowledgebases/{(await product.post(f'{API}/knowledgebases', body))['id']}"
    document = await uploaded(product, path, "long.txt", LONG)
    await until(product, f"{path}/documents/{document['id']}", status="ready")
    await model.script_embeddings(EmbeddingBehaviour(after=1, hang=True))
    changed: JsonObject = {"embedding_model": "openai:scripted", "embedding_dimension": 64}
    status, _ = await product.call("PUT", path, changed)
    assert status == 200
    await model.wait_for_embedding_calls(2)
    await product.kill("worker")
    stopped = await product.get(path)
    assert isinstance(stopped["reindex"], dict)
    assert (stopped["reindex"]["status"], stopped["reindex"]["chunks_done"]) == ("running", 128)
    assert stopped["embedding_model"] == "local:wordllama"
    # Nobody waits for it: the old vectors answer.
    found = await product.post(f"{path}/search", {"query": "word7", "top_k": 1, "retrieval_strategy": "hybrid"})
    assert "word7 " in str(found["results"])
    await product.start("worker")
    done = await until(product, path, embedding_model="openai:scripted")
    assert isinstance(done["reindex"], dict)
    assert (done["reindex"]["status"], done["reindex"]["error"]) == ("completed", None)
    calls = await model.embedding_calls()
    answered = [text for call in calls if call.answered for text in call.inputs]
    assert len(answered) == len(set(answered)) == done["chunk_count"]
    found = await product.post(f"{path}/search", {"query": "word7", "top_k": 1, "retrieval_strategy": "hybrid"})
    assert "word7 " in str(found["results"])
