"""Record the golden histories anew: `python -m tests.replay.record [NAME …]`.

Do that only for a new scenario. A history that exists is what a run of an earlier build left behind; if today's code
cannot replay it, the code must be mended (`workflow.patched`), not the history.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID, uuid4

from pydantic import JsonValue
from temporalio.client import WorkflowHistory

from perdure.domain.executions import Execution
from perdure.domain.knowledge import Document, IngestionInput, KnowledgeBase
from perdure.executions import cancel_execution
from perdure.forks import ForkAsked
from perdure.record.prefixes import child_of
from perdure.temporal.client import TASK_QUEUE
from perdure.temporal.ingesting import ingestion_id
from perdure.temporal.reindexing import reindex_workflow_id
from perdure.temporal.runs import runs_of
from perdure.temporal.starting import run_handle
from tests.support.deciding import new_user, owner_of, say, until
from tests.support.forking import fork
from tests.support.knowledge import Library
from tests.support.resetting import send_back
from tests.support.running import Lab, lab_runtime, lab_worker, new_lab
from tests.support.scripted_embeddings import EmbeddingBehaviour
from tests.support.scripted_model import Behaviour, ScriptedCall, ScriptedModel
from tests.support.sizing import sizing

HISTORIES = Path(__file__).parent / "histories"
CHECKOUT = Path(__file__).resolve().parents[2]

SUPERVISOR: dict[str, JsonValue] = {"enabled": True, "llm_provider": "openai", "llm_model": "scripted"}


async def agentflow_completed(lab: Lab) -> str:
    """Three agents; the second answers at its second attempt."""
    await lab.model.script(
        Behaviour(text="one"),
        Behaviour(status=429, headers={"Retry-After": "1"}, body={"error": {"message": "slow down"}}),
    )
    flow = await lab.agentflow(
        agents=[{"name": "One"}, {"name": "Two", "dependencies": ["One"]}, {"name": "Three", "priority": 2}]
    )
    return str((await lab.run(flow, message="Go.")).id)


async def agentflow_long_task(lab: Lab) -> str:
    """A task that is kept once and referred to."""
    flow = await lab.agentflow(agents=[{"name": "One"}, {"name": "Two"}])
    return str((await lab.run(flow, message="word " * 1000)).id)


async def agentflow_failed(lab: Lab) -> str:
    """The first of two agents gives up."""
    await lab.model.script(Behaviour(status=400, body={"error": {"message": "no"}}))
    return str((await lab.run(await lab.agentflow(agents=[{"name": "One"}, {"name": "Two"}]), message="Go.")).id)


async def agentflow_cancelled(lab: Lab) -> str:
    """Cancelled in a model call."""
    await lab.model.script(Behaviour(hang_after_tokens=1))
    return await _cancelled(lab, await lab.start(await lab.agentflow(agents=[{"name": "One"}]), message="Go."))


async def agentflow_forked(lab: Lab) -> str:
    """One step reused with its tool's output, one edited, the last one run."""
    await lab.model.script(Behaviour(tool_calls=(ScriptedCall(name="python", arguments={"code": "print(1)"}),)))
    tool: JsonValue = {"type": "python"}
    agents: list[JsonValue] = [{"id": "a", "name": "A", "tools": [tool]}, {"id": "b", "name": "B"}, {"name": "C"}]
    parent = await lab.run(await lab.agentflow(agents=agents), message="Go.")
    return str((await fork(lab, parent.id, ForkAsked(edits={"b": "mine"}))).id)


async def agentflow_reset(lab: Lab) -> str:
    """Sent back to its second agent twice: after its end, and after that agent gave up."""
    no = Behaviour(status=400, body={"error": {"message": "no"}})
    await lab.model.script(Behaviour(text="first"), Behaviour(text="old"), Behaviour(text="third"), no)
    agents: list[JsonValue] = [{"id": each, "name": each.title()} for each in ("one", "two", "three")]
    execution_id = (await lab.run(await lab.agentflow(agents=agents), message="Go.")).id
    for _ in range(2):
        await send_back(lab, execution_id, "two")
        await lab.finish(execution_id)
    return str(execution_id)


async def agentflow_reset_approved(lab: Lab) -> str:
    """Sent back to before a decision that is given again by itself, and then in the middle of its first model call."""
    flow = await lab.agentflow(agents=[{"id": "w", "name": "Writer", "requires_approval": True}])
    execution_id = await lab.start(flow, message="Go.")
    await until(lab, execution_id, "ApprovalRequested")
    await say(lab, await owner_of(lab), execution_id, "agent:1:w", "approve")
    await lab.finish(execution_id)
    await lab.model.script(Behaviour(hang_after_tokens=1))
    await send_back(lab, execution_id)
    await lab.model.wait_for_requests(2)
    await send_back(lab, execution_id, "w")
    await lab.finish(execution_id)
    return str(execution_id)


async def _calling(lab: Lab) -> Execution:
    """One agent that calls two flows at once: a chat, which answers, and a team, which fails."""
    chat = await lab.chatflow(name="Chat")
    team = await lab.agentflow(name="Team", agents=[{"name": "Failing"}])
    called = {"ask_chat": chat.id, "ask_team": team.id}
    tools: JsonValue = [{"type": "run_flow", "name": name, "flow_id": str(called[name])} for name in called]
    calls = tuple(ScriptedCall(name=name, arguments={"message": f"For {name}."}) for name in called)
    await lab.model.script(
        Behaviour(system="Boss", last="^Go", tool_calls=calls),
        Behaviour(user="For ask_team", status=400, body={"error": {"message": "no"}}),
        Behaviour(user="For ask_chat", text="Here you are."),
        Behaviour(text="Done."),
    )
    return await lab.run(await lab.agentflow(agents=[{"id": "b", "name": "Boss", "tools": tools}]), message="Go.")


async def _called(lab: Lab, name: str) -> str:
    nodes = {node.node_label: node for node in (await _calling(lab)).node_executions}
    return str((nodes[name].input_data or {})["execution_id"])


async def agentflow_calling_flows(lab: Lab) -> str:
    """Two child executions, one of which fails."""
    return str((await _calling(lab)).id)


async def agentflow_called(lab: Lab) -> str:
    """A child execution that fails."""
    return await _called(lab, "Team")


async def chatflow_called(lab: Lab) -> str:
    """A child execution that answers, in a session of its own."""
    return await _called(lab, "Chat")


async def _hanging_child(lab: Lab) -> tuple[UUID, UUID]:
    """A run, and the one that it calls, whose model does not come to an end."""
    team = await lab.agentflow(name="Team", agents=[{"name": "Hanging"}])
    tools: JsonValue = [{"type": "run_flow", "flow_id": str(team.id)}]
    call = ScriptedCall(name="run_flow", arguments={"message": "Hang."})
    await lab.model.script(
        Behaviour(system="Boss", tool_calls=(call,), times=1), Behaviour(user="^Hang", hang_after_tokens=1)
    )
    flow = await lab.agentflow(agents=[{"id": "b", "name": "Boss", "tools": tools}])
    execution_id = await lab.start(flow, message="Go.")
    events = await until(lab, execution_id, "StepScheduled", count=2)
    await lab.model.wait_for_requests(2)
    child = child_of(events[-1].to_event(str(execution_id), None).event_data)
    return execution_id, UUID(child)


async def agentflow_cancelled_calling(lab: Lab) -> str:
    """Cancelled with a child execution under way."""
    execution_id, _ = await _hanging_child(lab)
    await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)
    await lab.finish(execution_id)
    return str(execution_id)


async def agentflow_child_terminated(lab: Lab) -> str:
    """Its child execution is ended from outside, and the agent goes on."""
    execution_id, child_id = await _hanging_child(lab)
    await run_handle(lab.runtime.client, child_id).terminate()
    await lab.finish(execution_id)
    return str(execution_id)


async def agentflow_fallback(lab: Lab) -> str:
    """The agent's second model answers."""
    await lab.model.script(Behaviour(status=400, body={"error": {"message": "no"}}))
    agent: JsonValue = {"id": "w", "name": "Writer", "fallback_models": ["openai:second"], "max_retries": 0}
    return str((await lab.run(await lab.agentflow(agents=[agent]), message="Go.")).id)


async def agentflow_approved_by_deadline(lab: Lab) -> str:
    """One of two agrees, to a task that he edits; the deadline approves what was asked first."""
    other = await new_user(lab)
    policy: JsonValue = {
        "approvers": [other.email, "nobody@example.org"],
        "quorum": 2,
        "deadline_seconds": 3,
        "default_decision": "approve",
    }
    flow = await lab.agentflow(agents=[{"id": "w", "name": "Writer", "requires_approval": policy}])
    execution_id = await lab.start(flow, message="Go.")
    await until(lab, execution_id, "ApprovalRequested")
    await say(lab, other, execution_id, "agent:1:w", "edit", edited={"task": "Go slowly."})
    await lab.finish(execution_id)
    return str(execution_id)


async def agentflow_cancelled_at_once(lab: Lab) -> str:
    """Cancelled with two model calls and an approval open."""
    await lab.model.script(Behaviour(hang_after_tokens=1, times=2))
    agents: list[JsonValue] = [
        {"id": "a", "name": "A"},
        {"id": "b", "name": "B"},
        {"id": "c", "name": "C", "requires_approval": True},
    ]
    execution_id = await lab.start(await lab.agentflow(orchestration_type="parallel", agents=agents), message="Go.")
    await until(lab, execution_id, "ApprovalRequested")
    await lab.model.wait_for_requests(2)
    await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)
    await lab.finish(execution_id)
    return str(execution_id)


async def chatflow_forked(lab: Lab) -> str:
    """The second turn of a session once more, beside it."""
    flow = await lab.chatflow()
    await lab.run(flow, message="My name is Ada.", session_id="s")
    parent = await lab.run(flow, message="What is my name?", session_id="s")
    return str((await fork(lab, parent.id, ForkAsked(from_step="assistant"))).id)


async def agentflow_without_agents(lab: Lab) -> str:
    """The supervisor answers alone."""
    return str((await lab.run(await lab.agentflow(), message="Go.")).id)


async def agentflow_approved(lab: Lab) -> str:
    """Two of two agree before the agent begins, one of them edits; one tool call is rejected."""
    others = [await new_user(lab), await new_user(lab)]
    policy: JsonValue = {"approvers": [other.email for other in others], "quorum": 2}
    tool: JsonValue = {"type": "http_request", "requires_approval": True}
    await lab.model.script(Behaviour(tool_calls=(ScriptedCall(name="http_request", arguments={"url": "http://x"}),)))
    flow = await lab.agentflow(agents=[{"id": "w", "name": "Writer", "requires_approval": policy, "tools": [tool]}])
    execution_id = await lab.start(flow, message="Go.")
    await until(lab, execution_id, "ApprovalRequested")
    edited: dict[str, JsonValue] = {"task": "Go slowly."}
    await say(lab, others[0], execution_id, "agent:1:w", "edit", edited=edited)
    await until(lab, execution_id, "ApprovalCounted")
    await say(lab, others[1], execution_id, "agent:1:w", "approve")
    await until(lab, execution_id, "ApprovalRequested", count=2)
    await say(lab, await owner_of(lab), execution_id, "w/1-http_request", "reject")
    await lab.finish(execution_id)
    return str(execution_id)


async def agentflow_rejected_by_deadline(lab: Lab) -> str:
    """Nobody decides in time."""
    policy: JsonValue = {"deadline_seconds": 0.3}
    flow = await lab.agentflow(agents=[{"name": "Writer", "requires_approval": policy}])
    return str((await lab.run(flow, message="Go.")).id)


async def agentflow_adaptive(lab: Lab) -> str:
    """At once is not enough, one after another is."""
    await lab.model.script(
        Behaviour(user="Size up", text=sizing("parallel")),
        Behaviour(user="Judge the answer", text='{"reason": "Too short.", "sufficient": false}'),
        Behaviour(user="Size up", text=sizing("sequential")),
        Behaviour(user="Judge the answer", text='{"reason": "All there.", "sufficient": true}'),
    )
    flow = await lab.agentflow(orchestration_type="adaptive", agents=[{"name": "Ann"}, {"name": "Bob"}])
    return str((await lab.run(flow, message="Go.")).id)


async def agentflow_consensus(lab: Lab) -> str:
    """Three agents answer, criticise and vote at once; one abstains."""
    await lab.model.script(
        Behaviour(user="Vote for", text='{"reason": "It is clear.", "answer": 2}', times=2),
        Behaviour(user="Vote for|cannot be used", text="None of them.", times=2),
    )
    flow = await lab.agentflow(
        orchestration_type="consensus_building",
        agents=[{"name": "One"}, {"name": "Two"}, {"name": "Three"}],
        orchestration_config={"max_rounds": 1},
    )
    return str((await lab.run(flow, message="Go.")).id)


async def agentflow_reflection(lab: Lab) -> str:
    """The second draft passes."""
    await lab.model.script(
        Behaviour(system="critic", text='{"changes": "Shorter.", "passes": false}'),
        Behaviour(system="critic", text='{"changes": "", "passes": true}'),
    )
    flow = await lab.agentflow(
        orchestration_type="reflection", agents=[{"name": "Writer"}, {"name": "Reader", "role": "critic"}]
    )
    return str((await lab.run(flow, message="Go.")).id)


async def agentflow_routing(lab: Lab) -> str:
    """The choice is valid at the second attempt."""
    await lab.model.script(
        Behaviour(system="supervisor", text='{"reason": "It fits.", "agent": "Nobody"}'),
        Behaviour(system="supervisor", text='{"reason": "It fits.", "agent": "Two"}'),
    )
    flow = await lab.agentflow(orchestration_type="dynamic_routing", agents=[{"name": "One"}, {"name": "Two"}])
    return str((await lab.run(flow, message="Go.")).id)


async def agentflow_swarm(lab: Lab) -> str:
    """The work goes from the first agent to the third and back."""
    to_three = ScriptedCall(name="hand_over", arguments={"agent": "Three", "reason": "It knows."}, id="call-1")
    to_one = ScriptedCall(name="hand_over", arguments={"agent": "One", "reason": "It began."}, id="call-2")
    await lab.model.script(
        Behaviour(system="One", text="I began.", tool_calls=(to_three,)),
        Behaviour(system="Three", tool_calls=(to_one,)),
    )
    flow = await lab.agentflow(orchestration_type="swarm", agents=[{"name": "One"}, {"name": "Two"}, {"name": "Three"}])
    return str((await lab.run(flow, message="Go.")).id)


async def agentflow_parallel(lab: Lab) -> str:
    """Two at once, a third when one of them is done, no more than two at a time, and the supervisor's answer."""
    await lab.model.script(Behaviour(system="Two", text="two", delay_ms=800))
    flow = await lab.agentflow(
        orchestration_type="parallel",
        orchestration_config={"max_parallel": 2},
        supervisor_config=SUPERVISOR,
        agents=[{"name": "One"}, {"name": "Two"}, {"name": "Three", "dependencies": ["One"]}, {"name": "Four"}],
    )
    return str((await lab.run(flow, message="Go.")).id)


async def agentflow_parallel_left_out(lab: Lab) -> str:
    """One of three gives up, is asked once more by the supervisor's wish, gives up again and is left out."""
    await lab.model.script(
        Behaviour(system="You are One", status=400, body={"error": {"message": "no"}}, times=2),
        Behaviour(system="supervisor", text='{"reason": "Once more.", "choice": "retry"}'),
        Behaviour(system="supervisor", text='{"reason": "Enough.", "choice": "go_on"}'),
    )
    flow = await lab.agentflow(
        orchestration_type="parallel",
        orchestration_config={"on_agent_failure": "ask_supervisor"},
        agents=[{"name": "One"}, {"name": "Two"}, {"name": "Three", "dependencies": ["One"]}],
    )
    return str((await lab.run(flow, message="Go.")).id)


async def agentflow_hierarchical(lab: Lab) -> str:
    """Two delegations at once, one with a long task; one of them mended; the answer written after the decision."""
    long_task = "long " * 1000
    both = f'[{{"agent": "One", "task": "{long_task}"}}, {{"agent": "Two", "task": "Do that."}}]'
    decisions = (
        f'{{"action": "delegate", "assignments": {both}}}',
        '{"action": "mend", "assignments": [{"agent": "One", "task": "Shorter."}]}',
        "not a decision",
        '{"action": "finish"}',
    )
    await lab.model.script(*(Behaviour(system="You decide", text=text) for text in decisions))
    flow = await lab.agentflow(
        orchestration_type="hierarchical", supervisor_config=SUPERVISOR, agents=[{"name": "One"}, {"name": "Two"}]
    )
    return str((await lab.run(flow, message="Go.")).id)


async def agentflow_hierarchical_rule_based(lab: Lab) -> str:
    """A rule chooses the agent, the supervisor makes the answer."""
    config: dict[str, JsonValue] = {"decision_strategy": "rule_based", "rules": [{"when": ["go"], "agent": "Two"}]}
    flow = await lab.agentflow(
        orchestration_type="hierarchical",
        supervisor_config={**SUPERVISOR, **config},
        agents=[{"name": "One"}, {"name": "Two"}],
    )
    return str((await lab.run(flow, message="Go.")).id)


async def chatflow_completed(lab: Lab) -> str:
    """A second turn."""
    flow = await lab.chatflow()
    await lab.run(flow, message="One", session_id="s")
    return str((await lab.run(flow, message="Two", session_id="s")).id)


async def chatflow_told(lab: Lab) -> str:
    """A turn without a session: its caller keeps the conversation."""
    told: JsonValue = [{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}]
    return str((await lab.run(await lab.chatflow(), message="Three", messages=told)).id)


async def chatflow_failed(lab: Lab) -> str:
    """A knowledge base that does not exist."""
    flow = await lab.chatflow(rag_config={"enabled": True, "knowledgebase_ids": ["kb"]})
    return str((await lab.run(flow, message="Hi")).id)


async def chatflow_cancelled(lab: Lab) -> str:
    """Cancelled while the model writes."""
    await lab.model.script(Behaviour(hang_after_tokens=1))
    return await _cancelled(lab, await lab.start(await lab.chatflow(), message="Hi"))


async def ingestion_completed(lab: Lab) -> str:
    """Three batches; the second is embedded at the second attempt."""
    await lab.model.script_embeddings(EmbeddingBehaviour(after=1, status=503))
    library = Library(lab)
    base = await library.scripted(chunk_size=50, chunk_overlap=0)
    text = "\n\n".join(f"word{number} " * 20 for number in range(300))
    return await _ingested(library, await library.upload(base, "long.txt", text))


async def ingestion_failed(lab: Lab) -> str:
    """A file that cannot be read."""
    library = Library(lab)
    return await _ingested(library, await library.upload(await library.make(), "broken.pdf", "%PDF-1.7 nothing"))


async def ingestion_of_a_deleted_document(lab: Lab) -> str:
    """Deleted while its second batch is embedded."""
    await lab.model.script_embeddings(EmbeddingBehaviour(after=1, status=503))
    library = Library(lab)
    base = await library.scripted(chunk_size=50, chunk_overlap=0)
    text = "\n\n".join(f"word{number} " * 20 for number in range(300))
    document = await library.upload(base, "long.txt", text)
    await lab.model.wait_for_embedding_calls(2)
    await library.delete(document)
    return await _ingested(library, document)


async def chatflow_in_order(lab: Lab) -> str:
    """A first turn, which takes its place."""
    return str((await lab.run(await lab.chatflow(), message="One", session_id="s")).id)


async def chatflow_waited(lab: Lab) -> str:
    """A turn that waits for the one before."""
    await lab.model.script(Behaviour(user="^One$", text="one", delay_ms=1000))
    flow = await lab.chatflow()
    first, second = [await lab.start(flow, message=message, session_id="s") for message in ("One", "Two")]
    await lab.finish(first)
    await lab.finish(second)
    return str(second)


async def _cut(lab: Lab) -> tuple[UUID, UUID, UUID]:
    """Three turns of which each cuts off those before."""
    await lab.model.script(Behaviour(user="^One$", hang_after_tokens=1))
    flow = await lab.chatflow(
        chat_config={"llm_provider": "openai", "llm_model": "scripted", "concurrent_turns": "interrupt"}
    )
    first = await lab.start(flow, message="One", session_id="s")
    await lab.model.wait_for_requests(1)
    second, third = [await lab.start(flow, message=message, session_id="s") for message in ("Two", "Three")]
    for turn in (first, second, third):
        await lab.finish(turn)
    return first, second, third


async def chatflow_cut_off(lab: Lab) -> str:
    """Cut off by the next message while it writes."""
    return str((await _cut(lab))[0])


async def chatflow_cut_off_waiting(lab: Lab) -> str:
    """Cut off before its turn came; it waits for its place all the same."""
    return str((await _cut(lab))[1])


async def chatflow_cutting(lab: Lab) -> str:
    """Cuts off the two before, and answers."""
    return str((await _cut(lab))[2])


async def chatflow_embedded(lab: Lab) -> str:
    """A turn that is embedded after its answer."""
    flow = await lab.chatflow(memory_config={"type": "vector"})
    return str((await lab.run(flow, message="One", session_id="s")).id)


async def chatflow_summarized(lab: Lab) -> str:
    """A turn that is shown a summary of the first ones."""
    flow = await lab.chatflow(memory_config={"type": "summary", "max_messages": 4, "summary_threshold": 4})
    turns = [await lab.run(flow, message=f"Message {number}", session_id="s") for number in range(3)]
    await lab.runtime.client.get_workflow_handle(f"summary-{turns[0].id}").result()
    return str((await lab.run(flow, message="And now?", session_id="s")).id)


async def chatflow_retrieving(lab: Lab) -> str:
    """Passages are found, put in order by a model, and shown with the conversation."""
    library = Library(lab)
    base = await library.make()
    for name, text in (("ships.md", "Ships float because they displace water."), ("bread.md", "Bread rises of yeast.")):
        await library.add(base, name, text)
    rag: JsonValue = {"enabled": True, "knowledgebase_ids": [str(base.id)], "top_k": 1, "reranking_enabled": True}
    await lab.model.script(Behaviour(system="^You order passages", text='{"order": [2, 1]}'))
    flow = await lab.chatflow(rag_config=rag)
    return str((await lab.run(flow, message="Why do ships float?", session_id="s")).id)


async def chatflow_with_tools(lab: Lab) -> str:
    """One call is approved, one names no tool; then the model answers."""
    code = ScriptedCall(name="python", arguments={"code": "1 + 1"})
    await lab.model.script(
        Behaviour(last="^One$", tool_calls=(code, ScriptedCall(name="nothing", arguments={}))), Behaviour(text="Two.")
    )
    tool: JsonValue = {"type": "python", "requires_approval": True}
    execution_id = await lab.start(await lab.chatflow(tools=[tool]), message="One", session_id="s")
    await until(lab, execution_id, "ApprovalRequested")
    await say(lab, await owner_of(lab), execution_id, "assistant/1-python", "approve")
    await lab.finish(execution_id)
    return str(execution_id)


async def summary(lab: Lab) -> str:
    """Older turns folded into a summary."""
    flow = await lab.chatflow(memory_config={"type": "summary", "summary_threshold": 1})
    workflow_id = f"summary-{(await lab.run(flow, message='One', session_id='s')).id}"
    await lab.runtime.client.get_workflow_handle(workflow_id).result()
    return workflow_id


async def reindex_completed(lab: Lab) -> str:
    """Three batches; the second is embedded at the second attempt."""
    library = Library(lab)
    base = await library.make(chunk_size=50, chunk_overlap=0)
    await library.add(base, "long.txt", "\n\n".join(f"word{number} " * 20 for number in range(300)))
    await lab.model.script_embeddings(EmbeddingBehaviour(after=1, status=503))
    return await _reindexed(library, base)


async def reindex_failed(lab: Lab) -> str:
    """The new model's key is refused."""
    library = Library(lab)
    base = await library.make()
    await library.add(base, "ships.txt", "Ships float.")
    await lab.model.script_embeddings(EmbeddingBehaviour(status=401))
    return await _reindexed(library, base)


async def reindex_superseded(lab: Lab) -> str:
    """Another model is chosen while a batch is embedded."""
    library = Library(lab)
    base = await library.make()
    await library.add(base, "ships.txt", "Ships float.")
    await lab.model.script_embeddings(EmbeddingBehaviour(hang=True))
    changing = await library.change(base, **CHANGED)
    await lab.model.wait_for_embedding_calls(1)
    await library.change(base, embedding_model="openai:scripted", embedding_dimension=32)
    await library.reindexed(changing)
    return _reindex_id(changing)


async def reconcile(lab: Lab) -> str:
    """One pass of housekeeping."""
    workflow_id = f"reconcile-{uuid4()}"
    await lab.runtime.client.execute_workflow("Reconcile", id=workflow_id, task_queue=TASK_QUEUE)
    return workflow_id


async def archive(lab: Lab) -> str:
    """One pass of the archive."""
    workflow_id = f"archive-{uuid4()}"
    await lab.runtime.client.execute_workflow("Archive", id=workflow_id, task_queue=TASK_QUEUE)
    return workflow_id


CHANGED: dict[str, JsonValue] = {"embedding_model": "openai:scripted", "embedding_dimension": 64}


async def _reindexed(library: Library, base: KnowledgeBase) -> str:
    changing = await library.change(base, **CHANGED)
    await library.reindexed(changing)
    return _reindex_id(changing)


def _reindex_id(base: KnowledgeBase) -> str:
    if base.reindex is None:
        raise ValueError("no re-index was started")
    return reindex_workflow_id(base.reindex.id)


async def _ingested(library: Library, document: Document) -> str:
    await library.ended(document)
    return ingestion_id(IngestionInput(knowledgebase_id=document.knowledgebase_id, document_id=document.id))


async def _cancelled(lab: Lab, execution_id: UUID) -> str:
    await lab.model.wait_for_requests(1)
    await cancel_execution(lab.runtime, execution_id, user_id=lab.user_id)
    await lab.finish(execution_id)
    return str(execution_id)


SCENARIOS: dict[str, Callable[[Lab], Awaitable[str]]] = {
    scenario.__name__: scenario
    for scenario in (
        agentflow_completed,
        agentflow_long_task,
        agentflow_failed,
        agentflow_cancelled,
        agentflow_without_agents,
        agentflow_approved,
        agentflow_rejected_by_deadline,
        agentflow_adaptive,
        agentflow_consensus,
        agentflow_reflection,
        agentflow_routing,
        agentflow_swarm,
        agentflow_parallel,
        agentflow_parallel_left_out,
        agentflow_hierarchical,
        agentflow_hierarchical_rule_based,
        agentflow_forked,
        agentflow_reset,
        agentflow_reset_approved,
        agentflow_calling_flows,
        agentflow_called,
        agentflow_cancelled_calling,
        agentflow_child_terminated,
        agentflow_fallback,
        agentflow_approved_by_deadline,
        agentflow_cancelled_at_once,
        chatflow_forked,
        chatflow_completed,
        chatflow_told,
        chatflow_failed,
        chatflow_cancelled,
        ingestion_completed,
        ingestion_failed,
        ingestion_of_a_deleted_document,
        reindex_completed,
        reindex_failed,
        reindex_superseded,
        chatflow_in_order,
        chatflow_waited,
        chatflow_cut_off,
        chatflow_cut_off_waiting,
        chatflow_cutting,
        chatflow_embedded,
        chatflow_with_tools,
        chatflow_called,
        chatflow_summarized,
        chatflow_retrieving,
        summary,
        reconcile,
        archive,
    )
}


async def record(names: list[str]) -> None:
    """Run each scenario and write what Temporal recorded of it."""
    HISTORIES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            ScriptedModel() as model,
            lab_runtime(Path(folder), model) as runtime,
            lab_worker(runtime),
        ):
            for name in names:
                lab = await new_lab(runtime, model)
                workflow_id = await SCENARIOS[name](lab)
                history = await runtime.client.get_workflow_handle(workflow_id).fetch_history()
                *former, _ = await runs_of(runtime.client, workflow_id, history.events)
                for number, run in enumerate(former, 1):
                    write(f"{name}.{number}", WorkflowHistory(workflow_id, run.history))
                write(name, history)


def write(name: str, history: WorkflowHistory) -> None:
    """Keep a history; those of runs before a reset are numbered."""
    # Stack traces name the files of whoever records.
    text = history.to_json().replace(f"{CHECKOUT}/", "")
    (HISTORIES / f"{name}.json").write_text(f"{text}\n")
    print(f"{name}: {len(history.events)} events")  # noqa: T201 - a script


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1:] or list(SCENARIOS)))
