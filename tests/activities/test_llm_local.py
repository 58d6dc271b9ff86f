"""Structured answers and tools with the embedded model itself."""

import json
from collections.abc import AsyncGenerator

import pytest
from pydantic import JsonValue

from perdure.domain.generation import GenerationRequest, ModelRef, PromptMessage, ToolCall, ToolSpec
from perdure.embedded.data_folder import DataFolder
from perdure.embedded.local_model import MODEL_NAME, LocalModel
from perdure.llm import ProviderKeys
from perdure.llm.models import Models

CHOICE: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "agent": {"enum": ["writer", "critic"]},
        "sure": {"type": "boolean"},
        "steps": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 2},
    },
    "required": ["agent", "sure", "steps"],
    "additionalProperties": False,
}
WEATHER = ToolSpec(
    name="weather",
    description="The weather at a place.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


@pytest.fixture(scope="module")
async def models(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Models]:
    folder = DataFolder.at(tmp_path_factory.mktemp("local-model"))
    folder.prepare()
    async with LocalModel(folder) as model, Models(ProviderKeys(), local_base_url=model.base_url) as models:
        yield models


def asking(
    *messages: PromptMessage, tools: tuple[ToolSpec, ...] = (), output_schema: dict[str, JsonValue] | None = None
) -> GenerationRequest:
    return GenerationRequest(
        model=ModelRef(provider="local", name=MODEL_NAME),
        messages=messages,
        temperature=0,
        max_tokens=150,
        tools=tools,
        output_schema=output_schema,
    )


async def test_its_answer_is_held_to_the_schema(models: Models) -> None:
    pieces: list[str] = []
    question = PromptMessage(role="user", content="Who mends this text, the writer or the critic? Answer me.")
    generation = await models.generate(asking(question, output_schema=CHOICE), on_text=pieces.append)
    assert generation.finish_reason == "stop"
    assert "".join(pieces) == generation.text
    answer = json.loads(generation.text)
    assert answer["agent"] in {"writer", "critic"}
    assert isinstance(answer["sure"], bool)
    assert len(answer["steps"]) <= 2


async def test_it_reads_tool_calls_and_results(models: Models) -> None:
    generation = await models.generate(
        asking(
            PromptMessage(role="user", content="What is the weather in Oslo?"),
            PromptMessage(
                role="assistant",
                content="",
                tool_calls=(ToolCall(id="call_a", name="weather", arguments={"city": "Oslo"}),),
            ),
            PromptMessage(role="tool", content="rain", tool_call_id="call_a", tool_name="weather"),
            tools=(WEATHER,),
        ),
        on_text=lambda _text: None,
    )
    assert generation.text or generation.tool_calls
