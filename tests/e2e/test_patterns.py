"""Every pattern over HTTP with the worker in a process of its own, and `kill -9` of that worker in the middle of it.

Each is run twice: once in peace, which says how many model calls it takes, and once with a killed worker, which may
repeat the calls that were in flight at that moment and no other.
"""

from dataclasses import dataclass, field

import orjson
import pytest
from pydantic import JsonValue

from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedCall, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

DELAY_MS = 250
"""How long the model takes, so that a call is under way when the worker is killed."""

SUPERVISOR: dict[str, JsonValue] = {"llm_provider": "openai", "llm_model": "scripted"}


def says(**fields: JsonValue) -> str:
    """A filled-in form."""
    return orjson.dumps(fields).decode()


@dataclass(frozen=True)
class Pattern:
    """A team of this pattern, what its model says, and the call at which the worker is killed."""

    agents: list[JsonValue]
    behaviours: list[Behaviour] = field(default_factory=list[Behaviour])
    supervisor: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    kill_at: int = 2


PATTERNS: dict[str, Pattern] = {
    "sequential": Pattern([{"name": "One"}, {"name": "Two"}, {"name": "Three"}]),
    "parallel": Pattern(
        [{"name": "Left"}, {"name": "Right"}, {"name": "Both", "dependencies": ["Left", "Right"]}],
        supervisor={"enabled": True},
        kill_at=3,
    ),
    "hierarchical": Pattern(
        [{"name": "Digger"}, {"name": "Painter"}],
        [
            Behaviour(
                user="(?s)has done so far.*Decide what comes next",
                text=says(reason="all is there", action="finish", assignments=[], answer="A painted hole."),
            ),
            Behaviour(
                user="Decide what comes next",
                text=says(
                    reason="both are needed",
                    action="delegate",
                    assignments=[{"agent": "Digger", "task": "Dig."}, {"agent": "Painter", "task": "Paint."}],
                    answer="",
                ),
            ),
        ],
        kill_at=3,
    ),
    "adaptive": Pattern(
        [{"name": "One"}, {"name": "Two"}],
        [
            Behaviour(
                user="Size up the task",
                text=says(
                    complexity="simple", capabilities=["words"], reason="in turn", pattern="sequential", agent="One"
                ),
            ),
            Behaviour(user="does it do the whole task", text=says(reason="it is whole", sufficient=True)),
        ],
        kill_at=3,
    ),
    "consensus_building": Pattern(
        [{"name": "Ann"}, {"name": "Bob"}],
        [
            Behaviour(user="Vote for the best", text=says(reason="it is clear", answer="Answer 1")),
            Behaviour(user="Look for what is wrong", text="Agreed."),
        ],
        kill_at=4,
    ),
    "reflection": Pattern(
        [{"name": "Drafter"}, {"name": "Critic", "role": "critic"}],
        [
            Behaviour(user="(?s)Better draft.*Judge the draft", text=says(changes="", passes=True)),
            Behaviour(user="Judge the draft", text=says(changes="Say more.", passes=False)),
            Behaviour(user="A critic has read your draft", text="Better draft."),
        ],
        kill_at=3,
    ),
    "dynamic_routing": Pattern(
        [{"name": "Billing"}, {"name": "Repairs"}],
        [Behaviour(user="Choose the one agent", text=says(reason="it is broken", agent="Repairs"))],
    ),
    "swarm": Pattern(
        [{"name": "Desk"}, {"name": "Expert"}],
        [
            Behaviour(
                system="You are Desk",
                tool_calls=(ScriptedCall(name="hand_over", arguments={"agent": "Expert", "reason": "it is hard"}),),
            )
        ],
    ),
}


async def _run(product: Product, model: ScriptedModel, name: str) -> str:
    pattern = PATTERNS[name]
    await model.reset()
    await model.script(
        *(each.model_copy(update={"times": None, "delay_ms": DELAY_MS}) for each in pattern.behaviours),
        Behaviour(times=None, delay_ms=DELAY_MS),
    )
    flow: JsonObject = {
        "name": f"Team: {name}",
        "orchestration_type": name,
        "supervisor_config": {**SUPERVISOR, **pattern.supervisor},
        "agents": pattern.agents,
    }
    flow_id = (await product.post(f"{API}/agentflows", flow))["id"]
    execution = await product.post(f"{API}/flows/{flow_id}/execute", {"input_data": {"message": "Go."}})
    return str(execution["id"])


@pytest.mark.parametrize("name", PATTERNS)
async def test_a_killed_worker_repeats_what_was_in_flight_and_nothing_else(
    product: Product, model: ScriptedModel, name: str
) -> None:
    undisturbed = await product.ended(await _run(product, model, name))
    assert undisturbed["status"] == "completed", undisturbed["error_message"]
    calls = (await model.recorded()).total

    execution_id = await _run(product, model, name)
    await model.wait_for_requests(PATTERNS[name].kill_at)
    await product.kill("worker")
    in_flight = [seen for seen in await model.requests() if seen.finished_at is None]
    assert in_flight
    await product.start("worker")
    execution = await product.ended(execution_id)
    assert execution["status"] == "completed"
    assert (await model.recorded()).total == calls + len(in_flight)
    output, before = execution["output_data"], undisturbed["output_data"]
    assert isinstance(output, dict)
    assert isinstance(before, dict)
    assert output.keys() == before.keys()
