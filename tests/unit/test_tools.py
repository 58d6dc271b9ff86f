"""Tools without I/O: addresses, names, arguments, cuts, and what the toolbox says of each."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, SecretStr

from perdure.domain.generation import ToolCall, ToolSpec
from perdure.domain.tools import (
    BadToolError,
    HttpRequestTool,
    KnowledgeSearchTool,
    McpTool,
    RunFlowTool,
    ToolContext,
    ToolOutput,
    mcp_tool_name,
    parse_tools,
    tool_of,
)
from perdure.settings import McpServerSettings, ToolSettings
from perdure.tools import Toolbox, cut, problem_with
from perdure.tools.addresses import is_refused
from perdure.tools.mcp_transport import redacted
from tests.support.tool_calls import CONTEXT, call


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_public_addresses_may_be_called(address: str) -> None:
    assert not is_refused(address, allow_private=False)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - asked about
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "172.16.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_what_is_not_public_may_not(address: str) -> None:
    assert is_refused(address, allow_private=False)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "168.63.129.16",
        "100.100.100.200",
        "fe80::1%eth0",
        "fd00:ec2::254",
    ],
)
def test_metadata_of_clouds_is_never_called(address: str) -> None:
    assert is_refused(address, allow_private=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "fd12::1", "::ffff:192.168.0.1"])
def test_private_addresses_may_be_allowed(address: str) -> None:
    assert not is_refused(address, allow_private=True)


@given(st.text(min_size=1, max_size=200))
def test_every_name_of_an_mcp_tool_becomes_one_that_providers_take(inner: str) -> None:
    name = mcp_tool_name("files", inner)

    ToolSpec(name=name, description="", parameters={})
    tool = McpTool(server="files", tools=[inner])
    assert tool_of(name, [tool]) == tool
    assert tool_of(name, [McpTool(server="files")])
    assert tool_of(name, [McpTool(server="web")]) is None


def test_names_that_fit_stay_and_those_that_do_not_stay_apart() -> None:
    assert mcp_tool_name("files", "read_file") == "files__read_file"
    assert mcp_tool_name("files", "read.file") != mcp_tool_name("files", "read/file")
    assert mcp_tool_name("files", "x" * 100) != mcp_tool_name("files", "x" * 101)


SPEC = ToolSpec(
    name="weather",
    description="",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
        "required": ["city"],
        "additionalProperties": False,
    },
)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"city": "Rome"}, None),
        ({"city": "Rome", "days": 3}, None),
        ({}, "'city' is a required property"),
        ({"city": 1}, "$.city: 1 is not of type 'string'"),
        ({"city": "Rome", "days": 0}, "$.days"),
        ({"city": "Rome", "country": "IT"}, "country"),
        ({"city": ["x" * 5000]}, "…"),
    ],
)
def test_arguments_are_held_against_the_schema(arguments: dict[str, JsonValue], complaint: str | None) -> None:
    problem = problem_with(call("weather", **arguments), SPEC)

    assert (problem is None) == (complaint is None)
    assert complaint is None or complaint in (problem or "")
    assert len(problem or "") < 1000


def test_what_is_no_json_object_is_told() -> None:
    assert "not a JSON object" in (problem_with(ToolCall(id="1", name="weather", malformed="{"), SPEC) or "")


@pytest.mark.parametrize(
    "schema", [{"type": "nonsense"}, {"$ref": "http://127.0.0.1:1/schema"}, {"properties": {"city": {"$ref": "#/no"}}}]
)
def test_a_schema_that_cannot_be_used_leaves_the_check_to_the_tool(schema: dict[str, JsonValue]) -> None:
    assert problem_with(call("x", city="Rome"), ToolSpec(name="x", description="", parameters=schema)) is None


def test_a_long_output_is_cut_with_a_note() -> None:
    assert cut("short", 5) == "short"
    assert cut("longer", 4) == "long\n[2 more characters are left out here.]"
    assert Toolbox(ToolSettings(output_characters=3)).cut(ToolOutput(content="four", is_error=True)) == ToolOutput(
        content="fou\n[1 more characters are left out here.]", is_error=True
    )


async def test_models_are_told_of_every_tool_in_order() -> None:
    tools = parse_tools(
        [
            {"type": "http_request", "allowed_hosts": ["*.example.org"]},
            "python",
            {"type": "knowledge_search", "knowledgebase_ids": ["kb"]},
            {"type": "run_flow", "name": "translate", "flow_id": str(UUID(int=1)), "description": "Translates."},
        ]
    )

    specs = await Toolbox(ToolSettings()).specs(tools)

    assert [spec.name for spec in specs] == ["http_request", "python", "knowledge_search", "translate"]
    assert "*.example.org" in specs[0].description
    assert specs[3].description == "Translates."
    assert [spec.parameters["required"] for spec in specs] == [["url"], ["code"], ["query"], ["message"]]


async def test_knowledge_is_searched_by_what_is_handed_in() -> None:
    tool = KnowledgeSearchTool(knowledgebase_ids=["kb"])

    async def search(tool: KnowledgeSearchTool, query: str, context: ToolContext) -> ToolOutput:
        return ToolOutput(content=f"{tool.knowledgebase_ids[0]}: {query} for {context.user_id}")

    found = await Toolbox(ToolSettings(), search=search).call(tool, call("knowledge_search", query="floats"), CONTEXT)

    assert found.content == "kb: floats for 1"
    with pytest.raises(BadToolError, match="no knowledge bases"):
        await Toolbox(ToolSettings()).call(tool, call("knowledge_search", query="floats"), CONTEXT)


async def test_a_flow_is_not_run_here() -> None:
    tool = RunFlowTool(flow_id=UUID(int=1))

    with pytest.raises(BadToolError, match="only a workflow"):
        await Toolbox(ToolSettings()).call(tool, call("run_flow", message="go"), CONTEXT)


async def test_a_name_that_the_tool_does_not_have_is_told() -> None:
    assert (await Toolbox(ToolSettings()).call(HttpRequestTool(), call("fetch", url="http://x"), CONTEXT)).is_error


def test_a_servers_words_are_shown_short_and_without_its_secrets() -> None:
    server = McpServerSettings(url="http://x", headers={"Authorization": SecretStr("Bearer sesame-opens")})

    said = redacted(f"no\nentry with sesame-opens {'!' * 1000}", server)

    assert said.startswith("no entry with [secret] !")
    assert len(said) <= 301
