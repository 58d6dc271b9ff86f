"""Lists: filters, search, order, pages and totals."""

import unicodedata
from typing import Any

import pytest
from sqlalchemy import update

from perdure.bootstrap import Runtime
from perdure.storage.tables import FlowActivityRow
from tests.api.callers import AGENTFLOWS, CHATFLOWS, FLOWS, Caller


async def test_lists_hold_both_kinds_or_one(alice: Caller, bob: Caller) -> None:
    team, chat = await alice.agentflow(), await alice.chatflow()
    await bob.agentflow()

    both = await alice.ok("GET", FLOWS)

    assert both == {"flows": [chat, team], "total": 2, "page": 1, "page_size": 20}
    assert (await alice.ok("GET", AGENTFLOWS))["flows"] == [team]
    assert (await alice.ok("GET", CHATFLOWS))["flows"] == [chat]
    assert (await alice.ok("GET", FLOWS, params={"flow_type": "agentflow"}))["flows"] == [team]


async def test_totals_follow_every_change(alice: Caller) -> None:
    flows = [await alice.agentflow() for _ in range(4)]
    await alice.chatflow()
    await alice.ok("PUT", f"{FLOWS}/{flows[0]['id']}", json={"is_active": False})
    await alice.ok("DELETE", f"{FLOWS}/{flows[1]['id']}")

    async def total(**query: object) -> int:
        page = await alice.ok("GET", FLOWS, params=query)
        assert len(page["flows"]) == page["total"]
        return page["total"]

    assert await total() == 4
    assert await total(is_active=False) == 1
    assert await total(is_active=True, flow_type="agentflow") == 2
    assert await total(flow_type="chatflow") == 1


async def test_pages_cut_the_whole_list_without_overlap(alice: Caller) -> None:
    made = [(await alice.agentflow(name=f"n{n}"))["id"] for n in range(7)]

    pages = [await alice.ok("GET", FLOWS, params={"page": page, "page_size": 3}) for page in (1, 2, 3, 4)]

    assert [flow["id"] for page in pages for flow in page["flows"]] == made[::-1]
    assert [len(page["flows"]) for page in pages] == [3, 3, 1, 0]
    assert {page["total"] for page in pages} == {7}


async def test_filters_narrow_the_list_together(alice: Caller) -> None:
    await alice.agentflow(name="a", tags=["x", "y"], category="one")
    await alice.agentflow(name="b", tags=["y"], category="two")
    await alice.agentflow(name="c", tags=["z"], category="two", is_active=False)

    assert await alice.names(tags="y") == ["b", "a"]
    assert await alice.names(tags=["x", "z"]) == ["c", "a"]
    assert await alice.names(tags="nothing") == []
    assert await alice.names(tags="", search="") == ["c", "b", "a"]
    assert await alice.names(tags=["", "z"]) == ["c"]
    assert await alice.names(category="two") == ["c", "b"]
    assert await alice.names(category="two", is_active=True) == ["b"]
    assert await alice.names(category="two", tags="z", is_active=False, search="C") == ["c"]


@pytest.mark.parametrize(
    "words",
    ["고객", "객", "지원 봇", "customer", "ST", "STOM", "é", "CAFÉ", "日本", "50%", "a_b", "\\", "'", "%", "_", "line"],
)
async def test_search_finds_parts_of_names_and_descriptions(alice: Caller, words: str) -> None:
    await alice.agentflow(name="고객 지원 봇", description="Customer café 50% a_b \\ ' 日本語\nsecond line")
    await alice.agentflow(name="Other", description="xx")

    assert await alice.names(search=words) == ["고객 지원 봇"]


@pytest.mark.parametrize("words", ["5_%", "a%b", "aXb", "봇 고객", "customers", "xx second"])
async def test_search_takes_no_wildcards_and_nothing_halfway(alice: Caller, words: str) -> None:
    await alice.agentflow(name="고객 지원 봇", description="customer 50% a_b")
    await alice.agentflow(name="xx", description="second")

    assert await alice.names(search=words) == []


async def test_search_finds_what_was_typed_in_another_form_of_unicode(alice: Caller) -> None:
    await alice.agentflow(name=unicodedata.normalize("NFD", "한국어 도우미"))

    assert len(await alice.names(search="한국")) == 1


async def test_an_empty_search_is_none(alice: Caller) -> None:
    await alice.agentflow()

    assert await alice.names(search="") == ["Team"]
    assert await alice.names(search="   ") == ["Team"]


async def test_search_follows_changes(alice: Caller) -> None:
    flow = await alice.agentflow(name="before")
    await alice.ok("PUT", f"{FLOWS}/{flow['id']}", json={"name": "after"})

    assert await alice.names(search="before") == []
    assert await alice.names(search="after") == ["after"]


async def test_order_by_each_key_both_ways(alice: Caller, runtime: Runtime) -> None:
    flows = {name: await alice.agentflow(name=name) for name in ("beta", "Alpha", "gamma")}
    await alice.ok("PUT", f"{FLOWS}/{flows['beta']['id']}", json={"description": "changed last"})
    async with runtime.sessions.begin() as session:
        for count, name in enumerate(("gamma", "beta", "Alpha")):
            counted = update(FlowActivityRow).values(execution_count=count)
            await session.execute(counted.where(FlowActivityRow.flow_id == flows[name]["id"]))

    orders = {
        "name": ["Alpha", "beta", "gamma"],
        "created_at": ["beta", "Alpha", "gamma"],
        "updated_at": ["Alpha", "gamma", "beta"],
        "execution_count": ["gamma", "beta", "Alpha"],
    }
    for key, names in orders.items():
        assert await alice.names(sort_by=key, sort_order="asc") == names, key
        assert await alice.names(sort_by=key, sort_order="desc") == names[::-1], key
        assert await alice.names(sort_by=key, search="a") == names[::-1], key
        assert await alice.names(AGENTFLOWS, sort_by=key) == names[::-1], key
    assert await alice.names() == orders["created_at"][::-1]


async def test_public_flows_of_others_have_a_list_of_their_own(alice: Caller, bob: Caller) -> None:
    mark = alice.user.email
    await alice.agentflow(name=f"shared {mark}", is_public=True, tags=[mark], category=mark)
    await alice.agentflow(name=f"private {mark}")
    await bob.agentflow(name=f"bob's {mark}", is_public=True)

    for query in ({"search": mark}, {"tags": mark}, {"category": mark}):
        page = await bob.ok("GET", FLOWS, params={"scope": "public", **query})
        assert [flow["name"] for flow in page["flows"]] == [f"shared {mark}"], query
        assert page["total"] == 1
    everybody = await bob.ok("GET", AGENTFLOWS, params={"scope": "public", "sort_by": "execution_count"})
    assert f"shared {mark}" in [flow["name"] for flow in everybody["flows"]] or everybody["total"] > 20


@pytest.mark.parametrize(
    "query",
    [
        {"page": 0},
        {"page": "x"},
        {"page": 10**30},
        {"page_size": 101},
        {"page_size": 0},
        {"sort_by": "id; drop table flows"},
        {"sort_order": "up"},
        {"flow_type": "other"},
        {"is_active": "perhaps"},
        {"search": "x" * 201},
        {"scope": "all"},
    ],
)
async def test_a_query_that_does_not_validate_is_named(alice: Caller, query: dict[str, Any]) -> None:
    problem = await alice.problem(422, "GET", FLOWS, params=query)

    assert [error["loc"] for error in problem["errors"]] == [["query", next(iter(query))]]
