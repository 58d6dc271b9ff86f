"""What a scripted model says when an adaptive team has it size up a task."""

import json


def sizing(pattern: str, agent: str = "Ann") -> str:
    """The filled-in form, as JSON."""
    return json.dumps(
        {"complexity": "moderate", "capabilities": [], "reason": "It fits.", "pattern": pattern, "agent": agent}
    )
