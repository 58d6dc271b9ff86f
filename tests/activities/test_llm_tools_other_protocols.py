"""Tools and structured answers in the protocols of Anthropic and Google."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pydantic import JsonValue

from perdure.domain.generation import Generation, GenerationRequest, ModelRef, PromptMessage, ToolCall, ToolSpec
from perdure.llm.models import Models
from tests.support.event_server import Event, Provider, event_server, models_at

CLAUDE, GEMINI = "anthropic:claude-sonnet-5", "google:gemini-2.5-flash"
WEATHER = ToolSpec(
    name="weather",
    description="The weather at a place.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
VERDICT: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"passed": {"type": "boolean"}},
    "required": ["passed"],
    "additionalProperties": False,
}
CONVERSATION = (
    PromptMessage(role="user", content="Is it raining?"),
    PromptMessage(
        role="assistant",
        content="Let me look.",
        tool_calls=(
            ToolCall(id="call_a", name="weather", arguments={"city": "Oslo"}),
            ToolCall(id="call_b", name="weather", malformed="Bergen"),
        ),
    ),
    PromptMessage(role="tool", content="rain", tool_call_id="call_a", tool_name="weather"),
    PromptMessage(role="tool", content="no JSON object", tool_call_id="call_b", tool_name="weather"),
)


def _event(name: str, **data: JsonValue) -> Event:
    return name, data


def _claude(*blocks: tuple[dict[str, JsonValue], list[dict[str, JsonValue]]], stop: str) -> list[Event]:
    """A stream of content blocks, each with the deltas that fill it."""
    message: JsonValue = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 1},
    }
    events: list[Event] = [_event("message_start", message=message)]
    for index, (block, deltas) in enumerate(blocks):
        events.append(_event("content_block_start", index=index, content_block=block))
        events += [_event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(_event("content_block_stop", index=index))
    ended: JsonValue = {"stop_reason": stop, "stop_sequence": None}
    events.append(_event("message_delta", delta=ended, usage={"output_tokens": 5}))
    return [*events, _event("message_stop")]


def _claudes_call(name: str, *pieces: str) -> tuple[dict[str, JsonValue], list[dict[str, JsonValue]]]:
    deltas: list[dict[str, JsonValue]] = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": {}}, deltas


def _gemini(*parts: JsonValue, **extra: JsonValue) -> Event:
    usage: JsonValue = {"promptTokenCount": 12, "candidatesTokenCount": 5, "totalTokenCount": 17}
    content: JsonValue = {"role": "model", "parts": list(parts)}
    return ("", {"candidates": [{"content": content, "index": 0, **extra}], "usageMetadata": usage})


TEXT = _claude(({"type": "text", "text": ""}, [{"type": "text_delta", "text": "Hi"}]), stop="end_turn")
CLAUDES_CALLS = _claude(
    ({"type": "text", "text": ""}, [{"type": "text_delta", "text": "Let me look."}]),
    _claudes_call("weather", '{"city": ', '"Oslo"}'),
    _claudes_call("clock"),
    stop="tool_use",
)
GEMINIS_CALLS = [
    _gemini({"text": "Let me look."}),
    _gemini(
        {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}},
        {"functionCall": {"name": "clock", "args": {}}},
        finishReason="STOP",
    ),
]


@pytest.fixture
async def provider() -> AsyncGenerator[Provider]:
    async with event_server() as provider:
        yield provider


@pytest.fixture
async def models(provider: Provider) -> AsyncGenerator[Models]:
    async with models_at(provider) as models:
        yield models


async def ask(
    models: Models,
    model: str,
    *messages: PromptMessage,
    tools: tuple[ToolSpec, ...] = (),
    output_schema: dict[str, JsonValue] | None = None,
) -> tuple[Generation, list[str]]:
    pieces: list[str] = []
    request = GenerationRequest(
        model=ModelRef.parse(model),
        system_prompt="Be brief.",
        messages=messages or CONVERSATION[:1],
        tools=tools,
        output_schema=output_schema,
    )
    return await models.generate(request, on_text=pieces.append), pieces


@pytest.mark.parametrize(("model", "events"), [(CLAUDE, CLAUDES_CALLS), (GEMINI, GEMINIS_CALLS)])
async def test_text_and_calls_in_one_answer(
    provider: Provider, models: Models, model: str, events: list[Event]
) -> None:
    provider.events = events
    generation, pieces = await ask(models, model, tools=(WEATHER,))
    assert (generation.text, pieces, generation.finish_reason) == ("Let me look.", ["Let me look."], "tool_call")
    assert [(call.name, call.arguments) for call in generation.tool_calls] == [
        ("weather", {"city": "Oslo"}),
        ("clock", {}),
    ]
    # Google names no ids, and a result needs one to go back under.
    assert len({call.id for call in generation.tool_calls} - {""}) == 2


async def test_what_claude_is_sent(provider: Provider, models: Models) -> None:
    provider.events = TEXT
    await ask(models, CLAUDE, *CONVERSATION, tools=(WEATHER,))
    (body,) = provider.bodies
    (tool,) = body["tools"]
    assert (tool["name"], tool["description"]) == ("weather", WEATHER.description)
    assert tool["input_schema"]["required"] == ["city"]
    _, said, results = body["messages"]
    assert [block["type"] for block in said["content"]] == ["text", "tool_use", "tool_use"]
    assert said["content"][1]["input"] == {"city": "Oslo"}
    assert list(said["content"][2]["input"].values()) == ["Bergen"]
    assert results["role"] == "user"
    assert [(block["type"], block["tool_use_id"]) for block in results["content"]] == [
        ("tool_result", "call_a"),
        ("tool_result", "call_b"),
    ]
    assert "rain" in json.dumps(results["content"][0]["content"])


async def test_what_gemini_is_sent(provider: Provider, models: Models) -> None:
    provider.events = [_gemini({"text": "Hi"}, finishReason="STOP")]
    await ask(models, GEMINI, *CONVERSATION, tools=(WEATHER,))
    (body,) = provider.bodies
    (declared,) = body["tools"][0]["functionDeclarations"]
    assert (declared["name"], declared["description"]) == ("weather", WEATHER.description)
    _, said, results = body["contents"]
    calls = [part["functionCall"] for part in said["parts"] if "functionCall" in part]
    assert calls[0]["args"] == {"city": "Oslo"}
    assert list(calls[1]["args"].values()) == ["Bergen"]
    assert results["role"] == "user"
    assert [part["functionResponse"]["name"] for part in results["parts"]] == ["weather", "weather"]
    assert "rain" in json.dumps(results["parts"][0])


def _schema_sent(body: dict[str, Any]) -> bool:
    """Whether the provider was asked to hold the answer to a schema."""
    return "output_config" in body or "responseMimeType" in body.get("generationConfig", {})


@pytest.mark.parametrize(
    ("model", "tools", "enforced"),
    [
        (CLAUDE, (), True),
        (CLAUDE, (WEATHER,), True),
        ("anthropic:claude-behind-a-gateway", (), False),
        (GEMINI, (), True),
        (GEMINI, (WEATHER,), False),
        ("google:gemini-3-pro-preview", (WEATHER,), True),
    ],
)
async def test_a_schema_is_enforced_where_the_model_can_have_that_and_told_elsewhere(
    provider: Provider, models: Models, model: str, tools: tuple[ToolSpec, ...], enforced: bool
) -> None:
    provider.events = TEXT if model.startswith("anthropic") else [_gemini({"text": "Hi"}, finishReason="STOP")]
    generation, _ = await ask(models, model, tools=tools, output_schema=VERDICT)
    assert generation.text == "Hi"
    (body,) = provider.bodies
    assert _schema_sent(body) is enforced
    instructions = json.dumps(body.get("system") or body.get("systemInstruction"))
    assert "Be brief." in instructions
    assert ("passed" in instructions) is not enforced
