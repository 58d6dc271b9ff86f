"""Knowledge bases over HTTP: theirs alone, versions and events, uploads, search."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from api.app import create_app
from perdure.auth import issue_token
from perdure.bootstrap import Runtime
from tests.api.callers import BASE_URL, Call, Caller
from tests.support.scripted_embeddings import EmbeddingBehaviour
from tests.support.scripted_model import ScriptedModel

BASES = "/api/agent-builder/knowledgebases"


async def made(caller: Caller, **fields: Any) -> str:  # noqa: ANN401 - JSON
    return str((await caller.ok("POST", BASES, json={"name": "Handbook", **fields}))["id"])


async def uploaded(caller: Caller, runtime: Runtime, base: str, name: str, content: str) -> Any:  # noqa: ANN401 - JSON
    """A document once it has been taken in."""
    document = await caller.ok("POST", f"{BASES}/{base}/documents", files={"file": (name, content.encode())})
    assert (document["status"], document["chunks_total"]) == ("pending", None)
    await runtime.client.get_workflow_handle(f"ingestion-{document['id']}").result()
    return await caller.ok("GET", f"{BASES}/{base}/documents/{document['id']}")


@pytest.mark.usefixtures("working")
async def test_a_knowledge_base_lives_and_its_events_tell_it(alice: Caller, runtime: Runtime) -> None:
    response = await alice.ask("POST", BASES, json={"name": "Handbook"})
    base = response.json()
    path = response.headers["location"]
    assert path == f"{BASES}/{base['id']}"
    assert (base["embedding_model"], base["embedding_dimension"], base["version"]) == ("local:wordllama", 256, 1)
    assert await alice.ok("GET", path) == base
    changed = await alice.ok("PUT", path, json={**base, "name": "Second", "chunk_size": 200})
    assert (changed["name"], changed["chunk_size"], changed["version"]) == ("Second", 200, 2)
    assert (await alice.ok("PUT", path, json={"name": "Second"}))["version"] == 2
    document = await uploaded(alice, runtime, base["id"], "a.md", "# Ships\n\nThey float.")
    assert (document["status"], document["chunks_done"], document["media_type"]) == ("ready", 1, "text/markdown")
    kept = await alice.ok("GET", path)
    assert (kept["version"], kept["document_count"], kept["chunk_count"]) == (4, 1, 1)
    assert await alice.ok("DELETE", f"{path}/documents/{document['id']}") == {"success": True, "id": document["id"]}
    assert await alice.ok("DELETE", path) == {"success": True, "id": base["id"]}
    await alice.problem(404, "GET", path)
    events = await alice.ok("GET", f"/api/events/aggregate/{base['id']}", params={"aggregate_type": "KnowledgeBase"})
    assert [(event["event_type"], event["version"]) for event in events] == [
        ("KnowledgeBaseCreated", 1),
        ("KnowledgeBaseUpdated", 2),
        ("DocumentAdded", 3),
        ("DocumentReady", 4),
        ("DocumentDeleted", 5),
        ("KnowledgeBaseDeleted", 6),
    ]
    assert events[3]["event_data"]["document"]["name"] == "a.md"


async def test_the_list_shows_the_caller_s_own_newest_first(alice: Caller, bob: Caller) -> None:
    for name in ("One", "Two", "Three"):
        await made(alice, name=name)
    await made(bob, name="Other")
    page = await alice.ok("GET", BASES, params={"page": 1, "page_size": 2})
    assert [base["name"] for base in page["knowledgebases"]] == ["Three", "Two"]
    assert (page["total"], page["page"], page["page_size"]) == (3, 1, 2)
    page = await alice.ok("GET", BASES, params={"page": 2, "page_size": 2})
    assert [base["name"] for base in page["knowledgebases"]] == ["One"]


async def test_what_is_another_s_is_not_there(alice: Caller, bob: Caller, stranger: Call) -> None:
    path = f"{BASES}/{await made(alice)}"
    missing = f"{BASES}/{uuid4()}"
    for method, end, body in (
        ("GET", "", None),
        ("PUT", "", {"name": "Mine"}),
        ("DELETE", "", None),
        ("GET", "/documents", None),
        ("GET", f"/documents/{uuid4()}", None),
        ("DELETE", f"/documents/{uuid4()}", None),
        ("POST", "/search", {"query": "x"}),
    ):
        theirs = await bob.problem(404, method, path + end, json=body)
        none = await bob.problem(404, method, missing + end, json=body)
        assert theirs["title"] == none["title"]
        await stranger.problem(401, method, path + end, json=body)
    await bob.problem(404, "POST", f"{path}/documents", files={"file": ("a.txt", b"x")})
    await stranger.problem(401, "POST", f"{path}/documents", files={"file": ("a.txt", b"x")})
    assert (await alice.ok("GET", path))["version"] == 1


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": " "}, "name"),
        ({"chunk_size": 10}, "chunk_size"),
        ({"chunk_size": 100, "chunk_overlap": 60}, "body"),
        ({"embedding_model": "cohere:x"}, "embedding_model"),
        ({"embedding_model": "local:other"}, "embedding_model"),
        ({"embedding_model": "openai:unknown"}, "body"),
        ({"embedding_dimension": 300}, "body"),
        ({"chunksize": 100}, "chunksize"),
    ],
)
async def test_settings_that_cannot_be_are_refused(alice: Caller, fields: dict[str, Any], place: str) -> None:
    problem = await alice.problem(422, "POST", BASES, json={"name": "Handbook", **fields})
    assert problem["errors"][0]["loc"][-1] == place


@pytest.mark.usefixtures("working")
async def test_another_embedding_model_is_changed_to_by_a_re_index(
    alice: Caller, bob: Caller, runtime: Runtime, model: ScriptedModel
) -> None:
    await model.reset()
    base = await made(alice)
    path = f"{BASES}/{base}"
    await uploaded(alice, runtime, base, "a.txt", "Ships float.")
    await alice.problem(409, "POST", f"{path}/reindex/cancel")
    await bob.problem(404, "POST", f"{path}/reindex/cancel")
    await bob.problem(404, "PUT", path, json={"embedding_model": "openai:text-embedding-3-small"})
    for field, value in (
        ("embedding_model", "openai:unknown"),
        ("embedding_model", None),
        ("embedding_dimension", 300),
    ):
        await alice.problem(422, "PUT", path, json={field: value})
    wanted = {"embedding_model": "openai:scripted", "embedding_dimension": 64}
    started = await alice.ok("PUT", path, json=wanted)
    assert (started["embedding_model"], started["reindex"]["status"]) == ("local:wordllama", "running")
    await runtime.client.get_workflow_handle(f"reindex-{started['reindex']['id']}").result()
    done = await alice.ok("GET", path)
    assert {name: done[name] for name in wanted} == wanted
    assert (done["reindex"]["status"], done["reindex"]["chunks_done"]) == ("completed", 1)
    events = await alice.ok("GET", f"/api/events/aggregate/{base}", params={"aggregate_type": "KnowledgeBase"})
    assert [event["event_type"] for event in events][-2:] == ["ReindexStarted", "ReindexCompleted"]


async def test_changes_that_cannot_be_are_refused(alice: Caller) -> None:
    path = f"{BASES}/{await made(alice)}"
    await alice.problem(422, "PUT", path, json={"chunk_overlap": 400})
    await alice.problem(422, "PUT", path, json={"nme": "x"})


@pytest.mark.usefixtures("working")
async def test_documents_are_listed_with_their_state(alice: Caller, runtime: Runtime) -> None:
    base = await made(alice)
    await uploaded(alice, runtime, base, "good.txt", "Ships float.")
    bad = await uploaded(alice, runtime, base, "empty.pdf", "")
    assert (bad["status"], bad["error_message"]) == ("failed", "The file is empty: upload one with text in it.")
    page = await alice.ok("GET", f"{BASES}/{base}/documents")
    assert [(each["name"], each["status"]) for each in page["documents"]] == [
        ("empty.pdf", "failed"),
        ("good.txt", "ready"),
    ]
    page = await alice.ok("GET", f"{BASES}/{base}/documents", params={"status": "ready"})
    assert (page["total"], page["documents"][0]["name"]) == (1, "good.txt")
    await alice.problem(404, "GET", f"{BASES}/{await made(alice)}/documents/{bad['id']}")


async def test_what_is_no_document_is_refused(alice: Caller) -> None:
    path = f"{BASES}/{await made(alice)}/documents"
    await alice.problem(415, "POST", path, files={"file": ("sheet.xlsx", b"x")})
    await alice.problem(415, "POST", path, json={"file": "x"})
    await alice.problem(422, "POST", path, files={"other": ("a.txt", b"x")})
    await alice.problem(422, "POST", path, data={"file": "x"}, files={"other": ("a.txt", b"x")})
    await alice.problem(400, "POST", path, files=[("file", ("a.txt", b"x")), ("file", ("b.txt", b"x"))])
    await alice.problem(400, "POST", path, content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert (await alice.ok("GET", path))["total"] == 0


@pytest.mark.usefixtures("working")
async def test_an_upload_has_a_limit_of_its_own(alice: Caller, runtime: Runtime) -> None:
    limits = runtime.settings.api.model_copy(update={"max_body_bytes": 1000, "max_upload_bytes": 5000})
    small = replace(runtime, settings=runtime.settings.model_copy(update={"api": limits}))
    headers = {"Authorization": f"Bearer {issue_token(runtime.settings, alice.user)}"}
    transport = httpx2.ASGITransport(create_app(small))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers) as client:
        caller = Caller(client, alice.user)
        base = await made(caller)
        document = await uploaded(caller, runtime, base, "a.txt", "word " * 600)
        assert document["size_bytes"] == 3000
        path = f"{BASES}/{base}/documents"
        await caller.problem(413, "POST", path, files={"file": ("a.txt", b"word " * 1000)})
        await caller.problem(413, "POST", f"{BASES}/{base}/search", json={"query": "word " * 300})


@pytest.mark.usefixtures("working")
async def test_a_search_answers_as_the_contract_says(alice: Caller, runtime: Runtime) -> None:
    base = await made(alice)
    document = await uploaded(alice, runtime, base, "a.md", "# Ships\n\nThey float on water.")
    for strategy in ("similarity", "mmr", "hybrid"):
        body = {"query": "What floats?", "top_k": 3, "retrieval_strategy": strategy, "score_threshold": 0.0}
        (result,) = (await alice.ok("POST", f"{BASES}/{base}/search", json=body))["results"]
        assert result["content"] == "Ships\n\nThey float on water."
        assert (result["document_id"], result["document_name"]) == (document["id"], "a.md")
        assert result["chunk_index"] == 0
        assert 0 < result["score"] <= 1
    await alice.problem(422, "POST", f"{BASES}/{base}/search", json={"query": " "})
    await alice.problem(422, "POST", f"{BASES}/{base}/search", json={"query": "x", "top_k": 0})


async def test_a_search_whose_provider_is_down_says_so(alice: Caller, model: ScriptedModel) -> None:
    await model.reset()
    base = await made(alice, embedding_model="openai:scripted", embedding_dimension=64)
    await model.script_embeddings(EmbeddingBehaviour(status=500))
    problem = await alice.problem(503, "POST", f"{BASES}/{base}/search", json={"query": "x"})
    assert problem["detail"].startswith("openai:scripted failed to answer")
