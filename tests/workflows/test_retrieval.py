"""What searches find, on a real PostgreSQL with the embedded model of embeddings."""

from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import create_async_engine

from perdure.domain.errors import NotFoundError
from perdure.domain.flows import RetrievalStrategy
from perdure.domain.knowledge import KnowledgeBase, RetrievalSettings
from perdure.knowledge import search
from perdure.llm.local_embeddings import embed_locally
from perdure.retrieval.lexemes import terms
from perdure.storage.chunk_search import MOST_COMPARED, Scope, matching, nearest
from perdure.storage.knowledge_tables import KnowledgeBaseRow
from tests.support.knowledge import Library
from tests.support.running import Lab

TEXTS = {
    "ships.txt": "Sailing ships float on the sea and are driven by the wind.",
    "bread.txt": "Bread is baked from flour, water, salt and yeast.",
    "taxes.txt": "Income tax is due in March; send form QX-7781 to the office.",
    "ko.txt": "유급 휴가는 일 년에 스물다섯 일입니다. 휴가는 두 주 전에 신청하세요.",
    "ja.txt": "有給休暇は年に二十五日あります。二週間前に申請してください。",
    "zh.txt": "公司每年提供二十五天带薪年假，请提前两周申请。",  # noqa: RUF001 - Chinese
}


@pytest.fixture
async def library(lab: Lab) -> Library:
    return Library(lab)


@pytest.fixture
async def base(library: Library) -> KnowledgeBase:
    base = await library.make()
    uploads = [await library.upload(base, name, content) for name, content in TEXTS.items()]
    for upload in uploads:
        await library.taken_in(upload)
    return base


async def test_each_strategy_finds_what_it_is_for(library: Library, base: KnowledgeBase) -> None:
    async def names(query: str, **settings: str | float) -> list[str]:
        return [hit.document_name for hit in await library.search(base, query=query, **settings)]

    assert (await names("boats on the ocean", top_k=1)) == ["ships.txt"]
    assert (await names("boats on the ocean", top_k=2, retrieval_strategy="mmr"))[0] == "ships.txt"
    assert (await names("qx-7781", top_k=1, retrieval_strategy="hybrid")) == ["taxes.txt"]
    for query, name in (
        ("휴가 신청", "ko.txt"),
        ("휴가를", "ko.txt"),
        ("有給休暇", "ja.txt"),
        ("带薪年假", "zh.txt"),
    ):
        assert (await names(query, top_k=1, retrieval_strategy="hybrid")) == [name]
    assert len(await names("boats", top_k=100)) == len(TEXTS)
    assert await names("boats", score_threshold=0.99) == []


async def test_scores_fall_and_thresholds_cut(library: Library, base: KnowledgeBase) -> None:
    for strategy in ("similarity", "hybrid"):
        hits = await library.search(base, query="the sea and the wind", top_k=6, retrieval_strategy=strategy)
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        cut = await library.search(
            base, query="the sea and the wind", top_k=6, retrieval_strategy=strategy, score_threshold=scores[1]
        )
        assert [hit.document_name for hit in cut] == [hit.document_name for hit in hits[:2]]


async def test_mmr_passes_over_what_says_the_same(library: Library) -> None:
    base = await library.make()
    for number, content in enumerate(
        ("Ships float on the sea.", "Ships float on the sea!", "Ships need harbours and sailors.")
    ):
        await library.add(base, f"{number}.txt", content)
    plain = await library.search(base, query="Ships float on the sea", top_k=2)
    assert {hit.document_name for hit in plain} == {"0.txt", "1.txt"}
    diverse = await library.search(base, query="Ships float on the sea", top_k=2, retrieval_strategy="mmr")
    assert diverse[1].document_name == "2.txt"


async def test_several_knowledge_bases_are_searched_together(library: Library, base: KnowledgeBase) -> None:
    other = await library.scripted()
    await library.add(other, "harbour.txt", "Boats on the ocean come home.")
    for strategy in ("similarity", "mmr", "hybrid"):
        hits = await library.search(base, other, query="boats on the ocean", top_k=10, retrieval_strategy=strategy)
        assert {hit.knowledgebase_id for hit in hits} == {base.id, other.id}
        assert hits[0].document_name == "harbour.txt"
    versions = {hit.knowledgebase_id: hit.knowledgebase_version for hit in hits}
    assert versions == {each.id: (await library.base(each.id)).version for each in (base, other)}


async def test_a_missing_or_foreign_knowledge_base_is_named(lab: Lab, library: Library, base: KnowledgeBase) -> None:
    for wanted, user_id in (("kb-123", lab.user_id), (str(uuid4()), lab.user_id), (str(base.id), lab.user_id + 10_000)):
        with pytest.raises(NotFoundError, match=wanted):
            await search(
                lab.runtime,
                user_id=user_id,
                knowledgebase_ids=[wanted],
                query="x",
                settings=RetrievalSettings(),
            )
    assert library.lab is lab


async def test_a_large_knowledge_base_is_searched_by_its_index(lab: Lab, base: KnowledgeBase) -> None:
    (query,) = embed_locally(["boats on the ocean"]).tolist()
    exact, by_index = (Scope([base.id], 256, count) for count in (10, MOST_COMPARED + 1))
    assert not exact.by_index
    assert by_index.by_index
    found = [
        [near.id for near in await nearest(lab.runtime.engine, scope, query, count=3)] for scope in (exact, by_index)
    ]
    assert found[0] == found[1]
    async with lab.runtime.engine.connect() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        await connection.execute(text("SET LOCAL enable_sort = off"))
        plan = await connection.scalars(
            text(
                "EXPLAIN SELECT id FROM chunks WHERE dimension = 256"
                " ORDER BY embedding\\:\\:halfvec(256) <=> CAST(:query AS halfvec(256)) LIMIT 3"
            ),
            {"query": str(query)},
        )
        assert "ix_chunks_embedding_256" in "\n".join(plan)


@pytest.mark.parametrize("strategy", ["similarity", "mmr", "hybrid"])
async def test_the_index_goes_on_until_it_has_found_enough_of_one_knowledge_base(
    lab: Lab, library: Library, strategy: RetrievalStrategy
) -> None:
    """What it finds first is another's; without the settings of a search it would stop there."""
    small, large = await library.make(), await library.make(chunk_size=50, chunk_overlap=0)
    await library.add(small, "far.txt", "Bread is baked from flour, water, salt and yeast.")
    boats = "\n\n".join(f"# Boat {number}\n\nBoats float on the ocean, boat {number}." for number in range(600))
    await library.add(large, "near.md", boats)
    async with lab.runtime.sessions.begin() as session:
        await session.execute(
            update(KnowledgeBaseRow).where(KnowledgeBaseRow.id == small.id).values(chunk_count=MOST_COMPARED + 1)
        )
    # The planner would compare the few chunks of a test one by one.
    planner = {"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_sort": "off"}
    engine = create_async_engine(lab.runtime.endpoints.database_url, connect_args={"server_settings": planner})
    runtime = replace(lab.runtime, engine=engine)
    try:
        found = await search(
            runtime,
            user_id=lab.user_id,
            knowledgebase_ids=[str(small.id)],
            query="boats on the ocean",
            settings=RetrievalSettings(retrieval_strategy=strategy),
        )
    finally:
        await engine.dispose()
    assert [hit.document_name for hit in found.hits] == ["far.txt"]


async def test_words_are_looked_for_in_large_knowledge_bases_without_those_that_are_everywhere(
    lab: Lab, library: Library
) -> None:
    base = await library.make(chunk_size=50, chunk_overlap=0)
    text_of = "\n\n".join(f"# Part {number}\n\nThe rule of case {number} is law." for number in range(60))
    await library.add(base, "law.md", text_of)
    async with lab.runtime.single.connect() as connection:
        await connection.execute(text("ANALYZE chunks"))
        few, many = [
            await matching(connection, [base.id], terms("the rule of case 17"), chunk_count=count, count=1)
            for count in (60, MOST_COMPARED + 1)
        ]
        nothing = await matching(connection, [base.id], terms("absent"), chunk_count=MOST_COMPARED + 1, count=1)
    assert few == many
    assert (len(few), nothing) == (1, [])
