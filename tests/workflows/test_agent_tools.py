"""Tools in an agent's loop on the real server: each call an activity of its own, kept whole, safe to repeat."""

from collections.abc import AsyncGenerator

import pytest
from pydantic import JsonValue

from perdure.domain.executions import ExecutionStatus, NodeStatus
from perdure.storage.transcripts import read_whole
from tests.support.http_site import Site, serving
from tests.support.knowledge import Library
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour, ScriptedCall


@pytest.fixture
async def site() -> AsyncGenerator[Site]:
    async with serving() as running:
        yield running


def asks(url: str, **more: JsonValue) -> ScriptedCall:
    return ScriptedCall(name="http_request", arguments={"url": url, **more})


async def test_an_agent_reads_what_its_tool_found(lab: Lab, site: Site) -> None:
    await lab.model.script(
        Behaviour(user="What is there", text="Let me look.", tool_calls=(asks(f"{site.url}/page"),)),
        Behaviour(tool="hello", text="It says hello."),
    )
    flow = await lab.agentflow(agents=[{"id": "s", "name": "Scout", "tools": ["http_request"]}])
    execution = await lab.run(flow, message="What is there?")
    assert execution.output_data == {"response": "It says hello.", "agent": "Scout"}
    assert [(node.id, node.node_type, node.status) for node in execution.node_executions] == [
        ("s", "agent", NodeStatus.COMPLETED),
        ("s/1-http_request", "tool", NodeStatus.COMPLETED),
        ("s:2", "agent", NodeStatus.COMPLETED),
    ]
    assert (execution.metrics.llm_calls, execution.metrics.tool_calls) == (2, 1)
    first, second = await lab.model.requests()
    assert [tool["function"]["name"] for tool in first.tools] == ["http_request"]
    assert [message["role"] for message in second.messages] == ["system", "user", "assistant", "tool"]
    history = await lab.runtime.records.read(execution.id)
    assert history is not None
    assert [node.model_dump(include={"id", "status"}) for node in history.state.ledger.nodes] == [
        node.model_dump(include={"id", "status"}) for node in execution.node_executions
    ]


async def test_calls_of_one_answer_are_made_at_once_and_told_in_their_order(lab: Lab, site: Site) -> None:
    await lab.model.script(
        Behaviour(last="Look", tool_calls=(asks(f"{site.url}/missing"), asks(f"{site.url}/page"))),
        Behaviour(tool="hello", text="Seen."),
    )
    flow = await lab.agentflow(agents=[{"id": "s", "name": "Scout", "tools": ["http_request"]}])
    execution = await lab.run(flow, message="Look at both.")
    assert execution.status is ExecutionStatus.COMPLETED
    told = [message for message in (await lab.model.requests())[1].messages if message["role"] == "tool"]
    assert ["404" in str(message.get("content")) for message in told] == [True, False]
    outputs = [node.output_data for node in execution.node_executions if node.node_type == "tool"]
    assert [output and output["is_error"] for output in outputs] == [True, False]


async def test_a_call_with_effects_carries_one_key_at_every_attempt(lab: Lab, site: Site) -> None:
    await lab.model.script(
        Behaviour(last="Order", tool_calls=(asks(f"{site.url}/broken", method="POST", body="one"),)),
        Behaviour(tool="failed", text="The shop is closed."),
    )
    flow = await lab.agentflow(agents=[{"id": "b", "name": "Buyer", "tools": ["http_request"], "max_retries": 1}])
    execution = await lab.run(flow, message="Order one.")
    assert execution.output_data is not None
    assert execution.output_data["response"] == "The shop is closed."
    keys = [headers["idempotency-key"] for _, _, headers, _ in site.seen]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    history = await lab.history(execution.id)
    assert keys[0] == f"{history.run_id}:b/1-http_request"
    (step,) = (node for node in execution.node_executions if node.node_type == "tool")
    assert (step.status, step.retry_count) == (NodeStatus.FAILED, 1)


async def test_a_long_output_is_cut_for_the_model_and_kept_whole(lab: Lab, site: Site) -> None:
    site.pages["/long"] = ("text/plain", b"word " * 10_000)
    await lab.model.script(
        Behaviour(last="Read", tool_calls=(asks(f"{site.url}/long"),)),
        Behaviour(tool="more characters are left out", text="Long."),
    )
    flow = await lab.agentflow(agents=[{"id": "r", "name": "Reader", "tools": ["http_request"]}])
    execution = await lab.run(flow, message="Read it.")
    assert execution.output_data is not None
    assert execution.output_data["response"] == "Long."
    (step,) = (node for node in execution.node_executions if node.node_type == "tool")
    assert step.output_data is not None
    assert len(str(step.output_data["text"])) < 25_000
    assert int(str(step.output_data["characters"])) > 50_000
    async with lab.runtime.single.connect() as connection:
        whole = await read_whole(connection, execution.id, step.id)
    assert whole is not None
    assert len(whole) == step.output_data["characters"]


async def test_an_mcp_server_that_is_not_set_up_fails_the_run_with_what_to_set(lab: Lab) -> None:
    flow = await lab.agentflow(agents=[{"name": "Scout", "tools": [{"type": "mcp", "server": "nowhere"}]}])
    execution = await lab.run(flow, message="Go.")
    assert execution.status is ExecutionStatus.FAILED
    assert "PERDURE_TOOLS__MCP_SERVERS" in (execution.error_message or "")
    assert await lab.model.requests() == ()


async def test_python_runs_in_the_sandbox(lab: Lab) -> None:
    code = ScriptedCall(name="python", arguments={"code": "sum(n * n for n in range(10))"})
    await lab.model.script(Behaviour(last="squares", tool_calls=(code,)), Behaviour(tool="285", text="It is 285."))
    execution = await lab.run(
        await lab.agentflow(agents=[{"name": "Sage", "tools": ["python"]}]), message="The squares?"
    )
    assert execution.output_data is not None
    assert execution.output_data["response"] == "It is 285."


async def test_an_agent_searches_knowledge_bases_and_the_run_says_what_it_saw(lab: Lab) -> None:
    library = Library(lab)
    base = await library.make()
    document = await library.add(base, "ships.md", "Ships float because they displace water.")
    search = ScriptedCall(name="knowledge_search", arguments={"query": "Why do ships float?"})
    await lab.model.script(Behaviour(last="float", tool_calls=(search,)), Behaviour(tool="displace", text="Water."))
    tool: JsonValue = {"type": "knowledge_search", "knowledgebase_ids": [str(base.id)]}
    flow = await lab.agentflow(agents=[{"name": "Reader", "tools": [tool]}])
    execution = await lab.run(flow, message="Why do ships float?")
    assert execution.output_data is not None
    assert execution.output_data["response"] == "Water."
    (step,) = (node for node in execution.node_executions if node.node_type == "tool")
    assert step.output_data is not None
    assert str(document.id) in str(step.output_data["data"])
