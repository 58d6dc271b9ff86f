"""The two flows of the demo, worded for a model of 135 million parameters: one plain request each, short answers."""

from pydantic import JsonValue

from perdure.embedded.local_model import MODEL_NAME

_MODEL: dict[str, JsonValue] = {"llm_provider": "local", "llm_model": MODEL_NAME}
_HELPFUL = "You are a helpful AI assistant."


def _agent(name: str, role: str, system_prompt: str, priority: int) -> JsonValue:
    return {
        **_MODEL,
        "name": name,
        "role": role,
        "system_prompt": system_prompt,
        "priority": priority,
        "temperature": 0,
        "max_tokens": 60,
    }


TEAM: dict[str, JsonValue] = {
    "name": "Demo: a team of three",
    "description": "Three agents answer a question one after another; each sees what the others wrote.",
    "orchestration_type": "sequential",
    "tags": ["demo"],
    "agents": [
        _agent("Thinker", "finds a reason", f"{_HELPFUL} Give one reason in one sentence.", 1),
        _agent("Dreamer", "finds another", f"{_HELPFUL} Give another reason in one sentence.", 2),
        _agent("Editor", "writes it up", "You rewrite text for a newspaper in two sentences.", 3),
    ],
}
TASK = "Why do people like the sea?"

CHAT: dict[str, JsonValue] = {
    "name": "Demo: a chat assistant",
    "description": "Remembers the last messages of the conversation.",
    "tags": ["demo"],
    "chat_config": {
        **_MODEL,
        "system_prompt": f"{_HELPFUL} Answer in one short sentence.",
        "temperature": 0,
        "max_tokens": 40,
    },
    "memory_config": {"type": "buffer", "max_messages": 10},
}
TURNS = ("The secret word is lighthouse. Please remember it.", "What is the secret word?")
