"""What an agent is told."""

from collections.abc import Sequence

import orjson
from pydantic import JsonValue

from perdure.domain.runs import TEAMWORK
from perdure.domain.teams import Agent


def task_of(input_data: dict[str, JsonValue]) -> str:
    """The task of an agentflow: `message` where it is a text, else the whole input as JSON."""
    message = input_data.get("message")
    return message if isinstance(message, str) else orjson.dumps(input_data).decode()


def system_prompt(agent: Agent) -> str:
    """The agent's own prompt, or one made of its name, role and description."""
    if agent.system_prompt:
        return agent.system_prompt
    role = f", {agent.role}" if agent.role else ""
    description = f" {agent.description}" if agent.description else ""
    return f"You are {agent.name}{role}.{description}"


def with_context(task: str, earlier: Sequence[tuple[str, str]], question: str = "", *, heading: str = TEAMWORK) -> str:
    """The task, what was said or found before (`earlier`: label and text, in order), and what is asked about both."""
    parts = [task]
    if earlier:
        answers = "\n\n".join(f"### {label}\n{text}" for label, text in earlier)
        parts.append(f"## {heading}\n\n{answers}")
    if question:
        parts.append(f"## Your part\n\n{question}")
    return "\n\n".join(parts)
