"""Every pattern over HTTP with the worker in a process of its own, and `kill -9` of that worker in the middle of each.

All run at once, twice: in peace, which says how many model calls each takes, and with a worker that is killed when the
second stage of every one is under way, which may repeat the calls that were in flight and no other.
"""

from collections import Counter
from dataclasses import dataclass, field

import orjson
import pytest
from pydantic import JsonValue

from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedCall, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

STAGE_MS = 1500
"""How long each model call takes in the run that is disturbed, so that all patterns are in step when it is."""


def says(**fields: JsonValue) -> str:
    """A filled-in form."""
    return orjson.dumps(fields).decode()


@dataclass(frozen=True)
class Pattern:
    """A team of this pattern, what its model says, and how many calls its first stage has."""

    agents: list[JsonValue]
    behaviours: list[Behaviour] = field(default_factory=list[Behaviour])
    supervisor: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    first_stage: int = 1


PATTERNS: dict[str, Pattern] = {
    "sequential": Pattern([{"name": "One"}, {"name": "Two"}, {"name": "Three"}]),
    "parallel": Pattern(
        [{"name": "Left"}, {"name": "Right"}, {"name": "Both", "dependencies": ["Left", "Right"]}],
        supervisor={"enabled": True},
        first_stage=2,
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
    ),
    "consensus_building": Pattern(
        [{"name": "Ann"}, {"name": "Bob"}],
        [
            Behaviour(user="Vote for the best", text=says(reason="it is clear", answer="Answer 1")),
            Behaviour(user="Look for what is wrong", text="Agreed."),
        ],
        first_stage=2,
    ),
    "reflection": Pattern(
        [{"name": "Drafter"}, {"name": "Critic", "role": "critic"}],
        [
            Behaviour(user="(?s)Better draft.*Judge the draft", text=says(changes="", passes=True)),
            Behaviour(user="Judge the draft", text=says(changes="Say more.", passes=False)),
            Behaviour(user="A critic has read your draft", text="Better draft."),
        ],
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


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and how many model calls it took."""

    execution: JsonObject
    calls: int

    @property
    def told(self) -> set[str]:
        """What its output tells of."""
        output = self.execution["output_data"]
        return set(output) if isinstance(output, dict) else set()


async def _started(product: Product, model: ScriptedModel, *, delay_ms: float) -> dict[str, str]:
    """Start a run of every pattern; their ids."""
    await model.reset()
    scripted = [each for pattern in PATTERNS.values() for each in pattern.behaviours]
    await model.script(
        *(each.model_copy(update={"times": None, "delay_ms": delay_ms}) for each in scripted),
        Behaviour(times=None, delay_ms=delay_ms),
    )
    started: dict[str, str] = {}
    for name, pattern in PATTERNS.items():
        flow: JsonObject = {
            "name": f"Team: {name}",
            "orchestration_type": name,
            # The model's name says which run a request is of.
            "supervisor_config": {"llm_provider": "openai", "llm_model": name, **pattern.supervisor},
            "agents": pattern.agents,
        }
        flow_id = (await product.post(f"{API}/agentflows", flow))["id"]
        execution = await product.post(f"{API}/flows/{flow_id}/execute", {"input_data": {"message": "Go."}})
        started[name] = str(execution["id"])
    return started


async def _ended(product: Product, model: ScriptedModel, started: dict[str, str]) -> dict[str, Outcome]:
    executions = {name: await product.ended(execution_id) for name, execution_id in started.items()}
    calls = Counter(str(seen.body.get("model")) for seen in await model.requests())
    return {name: Outcome(executions[name], calls[name]) for name in started}


async def test_a_killed_worker_repeats_what_was_in_flight_and_nothing_else(
    product: Product, model: ScriptedModel
) -> None:
    undisturbed = await _ended(product, model, await _started(product, model, delay_ms=0))
    assert {name: each.execution["error_message"] for name, each in undisturbed.items()} == dict.fromkeys(PATTERNS)

    started = await _started(product, model, delay_ms=STAGE_MS)
    in_second_stage: set[str] = set()
    while in_second_stage != set(PATTERNS):
        seen = Counter(str(request.body.get("model")) for request in await model.requests())
        in_second_stage = {name for name, pattern in PATTERNS.items() if seen[name] > pattern.first_stage}
    await product.kill("worker")
    in_flight = Counter(
        str(request.body.get("model")) for request in await model.requests() if request.finished_at is None
    )
    assert set(in_flight) == set(PATTERNS)
    await product.start("worker")
    disturbed = await _ended(product, model, started)
    assert {name: each.execution["status"] for name, each in disturbed.items()} == dict.fromkeys(PATTERNS, "completed")
    assert {name: each.calls for name, each in disturbed.items()} == {
        name: each.calls + in_flight[name] for name, each in undisturbed.items()
    }
    assert {name: each.told for name, each in disturbed.items()} == {
        name: each.told for name, each in undisturbed.items()
    }
