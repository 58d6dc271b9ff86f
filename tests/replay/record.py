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

from perdure.executions import cancel_execution
from perdure.temporal.client import TASK_QUEUE
from tests.support.running import Lab, lab_runtime, lab_worker, new_lab
from tests.support.scripted_model import Behaviour, ScriptedModel

HISTORIES = Path(__file__).parent / "histories"


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


async def agentflow_without_agents(lab: Lab) -> str:
    """The supervisor answers alone."""
    return str((await lab.run(await lab.agentflow(), message="Go.")).id)


async def chatflow_completed(lab: Lab) -> str:
    """A second turn."""
    flow = await lab.chatflow()
    await lab.run(flow, message="One", session_id="s")
    return str((await lab.run(flow, message="Two", session_id="s")).id)


async def chatflow_failed(lab: Lab) -> str:
    """A knowledge base that does not exist."""
    flow = await lab.chatflow(rag_config={"enabled": True, "knowledgebase_ids": ["kb"]})
    return str((await lab.run(flow, message="Hi")).id)


async def chatflow_cancelled(lab: Lab) -> str:
    """Cancelled while the model writes."""
    await lab.model.script(Behaviour(hang_after_tokens=1))
    return await _cancelled(lab, await lab.start(await lab.chatflow(), message="Hi"))


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


async def summary(lab: Lab) -> str:
    """Older turns folded into a summary."""
    flow = await lab.chatflow(memory_config={"type": "summary", "summary_threshold": 1})
    workflow_id = f"summary-{(await lab.run(flow, message='One', session_id='s')).id}"
    await lab.runtime.client.get_workflow_handle(workflow_id).result()
    return workflow_id


async def reconcile(lab: Lab) -> str:
    """One pass of housekeeping."""
    workflow_id = f"reconcile-{uuid4()}"
    await lab.runtime.client.execute_workflow("Reconcile", id=workflow_id, task_queue=TASK_QUEUE)
    return workflow_id


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
        chatflow_completed,
        chatflow_failed,
        chatflow_cancelled,
        chatflow_in_order,
        chatflow_waited,
        chatflow_cut_off,
        chatflow_cut_off_waiting,
        chatflow_cutting,
        chatflow_embedded,
        summary,
        reconcile,
    )
}


async def record(names: list[str]) -> None:
    """Run each scenario and write what Temporal recorded of it."""
    HISTORIES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            lab_runtime(Path(folder)) as runtime,
            ScriptedModel() as model,
            lab_worker(runtime, model),
        ):
            for name in names:
                lab = await new_lab(runtime, model)
                workflow_id = await SCENARIOS[name](lab)
                history = await runtime.client.get_workflow_handle(workflow_id).fetch_history()
                (HISTORIES / f"{name}.json").write_text(history.to_json() + "\n")
                print(f"{name}: {len(history.events)} events")  # noqa: T201 - a script


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1:] or list(SCENARIOS)))
