"""Giving the work to another agent: what a model is told of it, and whether its calls do so."""

from collections.abc import Sequence

from pydantic import JsonValue

from perdure.domain.generation import ToolCall, ToolSpec
from perdure.domain.teams import Agent
from perdure.orchestration.roster import find, names_of
from perdure.orchestration.steps import Handoff

HAND_OVER = "hand_over"
"""The tool by which an agent of a swarm gives the work to another; the workflow itself carries it out."""


def hand_over_tools(others: Sequence[Agent]) -> tuple[ToolSpec, ...]:
    """The tool by which an agent hands over to one of these; none where there is nobody."""
    if not others:
        return ()
    names = names_of(others)
    who = "; ".join(f"{names[agent.id]}: {agent.role or agent.description or 'no description'}" for agent in others)
    return (
        ToolSpec(
            name=HAND_OVER,
            description=f"Give the task to another agent who is better suited to go on, and end your part. {who}"[
                :4000
            ],
            parameters={
                "type": "object",
                "properties": {
                    "agent": {"type": "string", "enum": list[JsonValue](names.values())},
                    "reason": {"type": "string"},
                },
                "required": ["agent", "reason"],
            },
        ),
    )


def handoff_of(calls: Sequence[ToolCall], others: Sequence[Agent]) -> Handoff | None:
    """The first of a model's calls that hands over to one of these, None where none does."""
    for call in calls:
        to = find(str(call.arguments.get("agent")), others) if call.name == HAND_OVER else None
        if to is not None:
            return Handoff(to=to.id, reason=str(call.arguments.get("reason", "")))
    return None
