"""Every pattern of a team can be forked: decisions, votes and parallel stages are reused like any other step."""

import pytest

from perdure.domain.executions import ExecutionStatus
from perdure.forks import ForkAsked
from tests.e2e.test_patterns import PATTERNS
from tests.support.forking import fork, kinds
from tests.support.running import Lab


@pytest.mark.parametrize("name", sorted(PATTERNS))
async def test_a_fork_at_the_end_calls_nothing_and_one_at_the_last_step_that_alone(lab: Lab, name: str) -> None:
    pattern = PATTERNS[name]
    await lab.model.script(*(each.model_copy(update={"times": None}) for each in pattern.behaviours))
    supervisor = {"llm_provider": "openai", "llm_model": "scripted", **pattern.supervisor}
    flow = await lab.agentflow(orchestration_type=name, agents=pattern.agents, supervisor_config=supervisor)
    parent = await lab.run(flow, message="Dig a hole and paint it.")
    assert parent.status is ExecutionStatus.COMPLETED, parent.error_message
    history = await lab.runtime.records.read(parent.id)
    assert history is not None
    did = await kinds(lab, parent.id)
    paid = len(await lab.model.requests())
    whole = await fork(lab, parent.id, ForkAsked(from_version=len(history.events)))
    assert len(await lab.model.requests()) == paid
    assert (whole.status, whole.output_data) == (parent.status, parent.output_data)
    assert sorted(await kinds(lab, whole.id)) == sorted(("StepReused", step_id) for _, step_id in did)
    assert (whole.metrics.llm_calls, whole.metrics.llm_tokens, whole.metrics.reused_steps) == (0, 0, len(did))
    last = did[-1][1]
    forked = await fork(lab, parent.id, ForkAsked(from_step=last))
    assert forked.status is ExecutionStatus.COMPLETED
    done = [step_id for kind, step_id in await kinds(lab, forked.id) if kind == "StepScheduled"]
    # Votes are cast at the same time: the other one was in flight.
    assert last in done
    assert len(done) == (2 if name == "consensus_building" else 1)
    assert len(await lab.model.requests()) == paid + len(done)
