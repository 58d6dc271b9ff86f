"""Real MCP servers in processes of their own: what models are told, calls, kills, statuses, changed lists."""

import asyncio
import sys
from collections.abc import AsyncGenerator

import aiohttp
import orjson
import pytest
from pydantic import SecretStr

from perdure.domain.tools import BadToolError, McpTool
from perdure.settings import McpServerSettings, ToolSettings
from perdure.tools import Toolbox, ToolCallError
from tests.support.mcp_server import COMMAND, McpOverHttp
from tests.support.scripted_model import CHECKOUT
from tests.support.tool_calls import CONTEXT, call

TOKEN = SecretStr("Bearer letmein-please")
BOTH = pytest.mark.parametrize("server", ["stdio", "http"])


def command(*more: str, timeout_seconds: float = 30) -> McpServerSettings:
    environment = {"PYTHONPATH": SecretStr(str(CHECKOUT)), "KEY": SecretStr("sesame-opens")}
    return McpServerSettings(
        command=sys.executable, args=[*COMMAND, *more], env=environment, timeout_seconds=timeout_seconds
    )


@pytest.fixture(scope="module")
async def web() -> AsyncGenerator[McpOverHttp]:
    async with McpOverHttp() as web:
        yield web


@pytest.fixture
async def fresh() -> AsyncGenerator[Toolbox]:
    """A toolbox whose one server nobody has used yet."""
    async with Toolbox(ToolSettings(mcp_servers={"stdio": command()})) as toolbox:
        yield toolbox


@pytest.fixture(scope="module")
async def toolbox(web: McpOverHttp) -> AsyncGenerator[Toolbox]:
    servers = {
        "stdio": command(),
        "http": McpServerSettings(url=web.url, headers={"Authorization": TOKEN}, timeout_seconds=30),
        "slow": command(timeout_seconds=0.5),
        "former": command("--former"),
        "stranger": McpServerSettings(url=web.url, headers={"Authorization": SecretStr("Bearer wrong-token")}),
        "nowhere": McpServerSettings(url="http://127.0.0.1:1/mcp"),
        "unknown-command": McpServerSettings(command="/no/such/command"),
        "ends-at-once": McpServerSettings(command=sys.executable, args=["-c", ""]),
    }
    async with Toolbox(ToolSettings(mcp_servers=servers)) as toolbox:
        yield toolbox


@BOTH
async def test_models_are_told_names_descriptions_and_schemas(toolbox: Toolbox, server: str) -> None:
    specs = {spec.name: spec for spec in await toolbox.specs([McpTool(server=server)])}

    spec = specs[f"{server}__add"]
    assert spec.description == "Adds two numbers."
    assert spec.parameters["required"] == ["a", "b"]
    assert await toolbox.specs([McpTool(server=server, tools=["add"])]) == [spec]


@BOTH
async def test_a_call_is_answered_and_carries_its_idempotency_key(toolbox: Toolbox, server: str) -> None:
    tool = McpTool(server=server)

    added = await toolbox.call(tool, call(f"{server}__add", a=20, b=22), CONTEXT)
    meta = await toolbox.call(tool, call(f"{server}__meta"), CONTEXT)

    assert (added.content, added.is_error) == ("42", False)
    assert added.data == {"server": server, "tool": "add"}
    assert orjson.loads(meta.content)["idempotencyKey"] == CONTEXT.idempotency_key


@BOTH
async def test_what_a_tool_complains_of_is_for_the_model(toolbox: Toolbox, server: str) -> None:
    tool = McpTool(server=server)

    failed = await toolbox.call(tool, call(f"{server}__fail"), CONTEXT)
    misfit = await toolbox.call(tool, call(f"{server}__add", a="two", b=2), CONTEXT)
    invented = await toolbox.call(tool, call(f"{server}__subtract"), CONTEXT)

    assert failed.is_error
    assert "no such file: notes.txt" in failed.content
    assert misfit.is_error
    assert "$.a" in misfit.content
    assert "integer" in misfit.content
    assert invented.is_error


async def test_a_tool_that_the_flow_does_not_name_is_not_called(toolbox: Toolbox) -> None:
    output = await toolbox.call(McpTool(server="stdio", tools=["add"]), call("stdio__die"), CONTEXT)

    assert output.is_error


async def test_what_is_not_text_is_told_in_words(toolbox: Toolbox) -> None:
    tool = McpTool(server="stdio")

    picture = await toolbox.call(tool, call("stdio__picture"), CONTEXT)
    mixed = await toolbox.call(tool, call("stdio__mixed"), CONTEXT)
    bare = await toolbox.call(tool, call("stdio__bare"), CONTEXT)

    assert picture.content == "[12 bytes of image/png: not text, left out]\na cat"
    assert mixed.content == "milk, eggs\n[file:///cat.gif: not text, left out]\n[more: file:///more.txt]"
    assert bare.content == '{"answer":42}'


async def test_a_command_gets_its_environment_and_none_of_the_workers(
    fresh: Toolbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-the-workers-own")
    tool = McpTool(server="stdio")

    given = await fresh.call(tool, call("stdio__environment", name="KEY"), CONTEXT)
    kept = await fresh.call(tool, call("stdio__environment", name="OPENAI_API_KEY"), CONTEXT)

    assert (given.content, kept.content) == ("sesame-opens", "")


async def test_a_killed_command_fails_its_call_and_is_started_anew_for_the_next(toolbox: Toolbox) -> None:
    tool = McpTool(server="stdio")
    other = asyncio.create_task(toolbox.call(tool, call("stdio__hang"), CONTEXT))

    with pytest.raises(ToolCallError, match="ended its session") as caught:
        await toolbox.call(tool, call("stdio__die"), CONTEXT)
    with pytest.raises(ToolCallError, match="ended its session"):
        await other

    assert caught.value.retryable
    assert (await toolbox.call(tool, call("stdio__add", a=1, b=2), CONTEXT)).content == "3"


async def test_a_killed_http_server_fails_its_call_and_is_found_again_when_it_is_back(
    toolbox: Toolbox, web: McpOverHttp
) -> None:
    tool = McpTool(server="http")

    with pytest.raises(ToolCallError) as caught:
        await toolbox.call(tool, call("http__die"), CONTEXT)
    with pytest.raises(ToolCallError, match="cannot be reached") as refused:
        await toolbox.call(tool, call("http__add", a=1, b=2), CONTEXT)
    await web.start()

    assert caught.value.retryable
    assert refused.value.retryable
    assert (await toolbox.call(tool, call("http__add", a=1, b=2), CONTEXT)).content == "3"


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_transport_that_is_busy_fails_one_call_and_keeps_the_session(
    toolbox: Toolbox, web: McpOverHttp, status: int
) -> None:
    tool = McpTool(server="http")
    await toolbox.specs([tool])
    await _answer_with(web, status)

    with pytest.raises(ToolCallError, match=f"HTTP {status}") as caught:
        await toolbox.call(tool, call("http__add", a=1, b=2), CONTEXT)
    kept = await toolbox.specs([tool])
    await _answer_with(web, 0)

    assert kept
    assert caught.value.retryable
    assert (await toolbox.call(tool, call("http__add", a=1, b=2), CONTEXT)).content == "3"


async def test_a_refused_token_is_for_the_operator_and_not_shown(toolbox: Toolbox) -> None:
    with pytest.raises(ToolCallError, match="check its headers in PERDURE_TOOLS__MCP_SERVERS") as caught:
        await toolbox.specs([McpTool(server="stranger")])

    assert not caught.value.retryable
    assert "wrong-token" not in caught.value.detail
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_a_call_that_takes_too_long_may_be_tried_again(toolbox: Toolbox) -> None:
    await toolbox.specs([McpTool(server="slow")])

    with pytest.raises(ToolCallError, match=r"within 0\.5 s") as caught:
        await toolbox.call(McpTool(server="slow"), call("slow__hang"), CONTEXT)

    assert caught.value.retryable


@pytest.mark.parametrize(
    ("server", "retryable"), [("nowhere", True), ("unknown-command", False), ("ends-at-once", True)]
)
async def test_a_server_that_cannot_be_had_says_so(toolbox: Toolbox, server: str, retryable: bool) -> None:
    with pytest.raises(ToolCallError, match=server) as caught:
        await toolbox.specs([McpTool(server=server)])

    assert caught.value.retryable is retryable


@pytest.mark.parametrize("servers", [{}, {"other": command()}])
async def test_a_server_that_is_not_set_up_is_named(servers: dict[str, McpServerSettings]) -> None:
    async with Toolbox(ToolSettings(mcp_servers=servers)) as toolbox:
        with pytest.raises(BadToolError, match="no MCP server 'files': set it up in PERDURE_TOOLS__MCP_SERVERS"):
            await toolbox.specs([McpTool(server="files")])


@pytest.mark.parametrize(
    ("server", "grown"), [("stdio", "stdio__grown_up_"), ("http", "http__grown_up_"), ("former", "former__grown")]
)
async def test_a_changed_list_of_tools_is_asked_for_again(toolbox: Toolbox, server: str, grown: str) -> None:
    tool = McpTool(server=server)
    before = {spec.name for spec in await toolbox.specs([tool])}

    async with asyncio.timeout(10):
        new = set[str]()
        while not new:
            await toolbox.call(tool, call(f"{server}__grow"), CONTEXT)
            new = {spec.name for spec in await toolbox.specs([tool])} - before

    assert [name for name in new if name.startswith(grown)] == list(new)
    if server != "former":
        assert (await toolbox.call(tool, call(new.pop()), CONTEXT)).content == "grown"


async def test_a_caller_that_is_cancelled_leaves_the_session_to_the_others(fresh: Toolbox) -> None:
    tool = McpTool(server="stdio")
    first = asyncio.create_task(fresh.specs([tool]))
    second = asyncio.create_task(fresh.call(tool, call("stdio__add", a=1, b=2), CONTEXT))
    await asyncio.sleep(0)

    first.cancel()

    assert (await second).content == "3"


async def _answer_with(web: McpOverHttp, status: int) -> None:
    async with aiohttp.ClientSession() as session, session.post(f"{web.root}/status/{status}") as response:
        response.raise_for_status()
