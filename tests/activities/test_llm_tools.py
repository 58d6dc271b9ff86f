"""Tool calls and structured answers, against a scripted OpenAI-compatible server in a process of its own."""

import json
from collections.abc import AsyncGenerator

import aiohttp
import pytest
from pydantic import JsonValue, SecretStr

from perdure.domain.generation import Generation, GenerationRequest, ModelRef, PromptMessage, ToolCall, ToolSpec
from perdure.llm import ModelCallError, ProviderKeys
from perdure.llm.models import Models
from tests.support.scripted_model import Behaviour, ScriptedCall, ScriptedModel

WEATHER = ToolSpec(
    name="weather",
    description="The weather at a place.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
CLOCK = ToolSpec(name="clock", description="The time.", parameters={"type": "object", "properties": {}})
VERDICT: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"passed": {"type": "boolean"}, "reason": {"type": "string"}},
    "required": ["passed", "reason"],
    "additionalProperties": False,
}
QUESTION = PromptMessage(role="user", content="Is it raining in Oslo?")


@pytest.fixture(scope="module")
async def server() -> AsyncGenerator[ScriptedModel]:
    async with ScriptedModel() as server:
        yield server


@pytest.fixture
async def scripted(server: ScriptedModel) -> ScriptedModel:
    await server.reset()
    return server


@pytest.fixture
async def models(scripted: ScriptedModel) -> AsyncGenerator[Models]:
    keys = ProviderKeys(
        openai_api_key=SecretStr("sk-not-a-key"), openai_base_url=scripted.base_url, ollama_base_url=scripted.base_url
    )
    async with Models(keys, local_base_url=scripted.base_url) as models:
        yield models


def asking(
    *messages: PromptMessage,
    model: str = "openai:gpt-4o-mini",
    tools: tuple[ToolSpec, ...] = (WEATHER, CLOCK),
    output_schema: dict[str, JsonValue] | None = None,
) -> GenerationRequest:
    return GenerationRequest(
        model=ModelRef.parse(model),
        system_prompt="Be brief.",
        messages=(QUESTION, *messages),
        tools=tools,
        output_schema=output_schema,
    )


async def generate(models: Models, request: GenerationRequest) -> tuple[Generation, list[str]]:
    pieces: list[str] = []
    return await models.generate(request, on_text=pieces.append), pieces


async def test_a_tool_is_offered_called_and_its_result_sent_back(scripted: ScriptedModel, models: Models) -> None:
    await scripted.script(
        Behaviour(last="Oslo", tool_calls=(ScriptedCall(name="weather", arguments={"city": "Oslo"}),)),
        Behaviour(tool="^rain$", text="Yes, it is."),
    )
    asked, pieces = await generate(models, asking())
    (call,) = asked.tool_calls
    assert (call.name, call.arguments, call.malformed) == ("weather", {"city": "Oslo"}, None)
    assert (asked.text, pieces, asked.finish_reason) == ("", [], "tool_call")
    answer, _ = await generate(
        models,
        asking(
            PromptMessage(role="assistant", content=asked.text, tool_calls=asked.tool_calls),
            PromptMessage(role="tool", content="rain", tool_call_id=call.id, tool_name=call.name),
        ),
    )
    assert (answer.text, answer.tool_calls, answer.finish_reason) == ("Yes, it is.", (), "stop")
    first, second = await scripted.requests()
    assert [tool["function"]["name"] for tool in first.tools] == ["weather", "clock"]
    offered = first.tools[0]["function"]
    assert offered.get("description") == "The weather at a place."
    assert offered.get("parameters", {})["properties"] == {"city": {"type": "string"}}
    assert first.body["tool_choice"] == "auto"
    assert second.messages[2:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": call.id, "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": call.id, "content": "rain"},
    ]


async def test_text_and_several_calls_in_one_answer(scripted: ScriptedModel, models: Models) -> None:
    calls = (
        ScriptedCall(id="call_a", name="weather", arguments={"city": "Oslo", "days": [1, 2, {"of": None}]}),
        ScriptedCall(id="call_b", name="clock"),
        ScriptedCall(id="call_c", name="weather", arguments={"city": "Bergen"}),
    )
    await scripted.script(Behaviour(text="Let me look.", tool_calls=calls))
    generation, pieces = await generate(models, asking())
    assert generation.text == "Let me look."
    assert pieces == ["Let", " me", " look."]
    assert generation.tool_calls == tuple(
        ToolCall(id=call.id or "", name=call.name, arguments=json.loads(json.dumps(call.arguments))) for call in calls
    )
    assert generation.usage is not None
    assert generation.cost_usd is not None
    results = [
        PromptMessage(role="tool", content=f"result {each.id}", tool_call_id=each.id, tool_name=each.name)
        for each in generation.tool_calls
    ]
    said = PromptMessage(role="assistant", content=generation.text, tool_calls=generation.tool_calls)
    await generate(models, asking(said, *results, PromptMessage(role="user", content="Well?")))
    sent = (await scripted.requests())[1].messages
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool", "tool", "tool", "user"]
    assert sent[2].get("content") == "Let me look."
    assert [message.get("tool_call_id") for message in sent[3:6]] == ["call_a", "call_b", "call_c"]


@pytest.mark.parametrize("written", ['{"city": "Os', '["Oslo"]', "Oslo", '{"degrees": NaN}', "null"])
async def test_arguments_that_are_no_object_are_kept_as_written(
    scripted: ScriptedModel, models: Models, written: str
) -> None:
    await scripted.script(Behaviour(tool_calls=(ScriptedCall(id="call_a", name="weather", arguments=written),)))
    generation, _ = await generate(models, asking())
    assert generation.tool_calls == (ToolCall(id="call_a", name="weather", malformed=written),)
    # The model sees its own words again, in a form that every provider takes.
    await generate(
        models,
        asking(
            PromptMessage(role="assistant", content="", tool_calls=generation.tool_calls),
            PromptMessage(role="tool", content="no JSON object", tool_call_id="call_a", tool_name="weather"),
        ),
    )
    (call,) = (await scripted.requests())[1].messages[2].get("tool_calls", [])
    assert written in json.loads(call["function"]["arguments"]).values()


async def test_no_arguments_at_all_are_an_empty_object(scripted: ScriptedModel, models: Models) -> None:
    await scripted.script(Behaviour(tool_calls=(ScriptedCall(id="call_a", name="clock", arguments=""),)))
    generation, _ = await generate(models, asking())
    assert generation.tool_calls == (ToolCall(id="call_a", name="clock"),)


async def test_calls_end_an_answer_whatever_the_provider_names_its_end(scripted: ScriptedModel, models: Models) -> None:
    call = ScriptedCall(name="clock")
    await scripted.script(
        Behaviour(tool_calls=(call,), finish_reason="stop"),
        Behaviour(tool_calls=(call,), finish_reason="length"),
    )
    reasons = [(await generate(models, asking(model="ollama:llama3.2:3b")))[0].finish_reason for _ in range(2)]
    assert reasons == ["tool_call", "length"]


async def test_a_stream_that_breaks_off_in_a_call_is_no_answer(scripted: ScriptedModel, models: Models) -> None:
    call = ScriptedCall(name="weather", arguments={"city": "a long name of a city"})
    await scripted.script(Behaviour(tool_calls=(call,), drop_after_tokens=2))
    with pytest.raises(ModelCallError) as caught:
        await generate(models, asking())
    assert caught.value.retryable


@pytest.mark.parametrize(
    "model", ["openai:gpt-4o-mini", "openai:gpt-4.1", "local:smollm2-135m-instruct", "ollama:llama3.2:3b"]
)
async def test_a_schema_is_enforced_by_the_provider(scripted: ScriptedModel, models: Models, model: str) -> None:
    text = ' {"passed": true,  "reason": "so"}\n'
    await scripted.script(Behaviour(text=text))
    generation, pieces = await generate(models, asking(model=model, tools=(), output_schema=VERDICT))
    # Not a blank is taken away.
    assert generation.text == "".join(pieces) == text
    (seen,) = await scripted.requests()
    assert seen.response_format is not None
    assert seen.response_format["type"] == "json_schema"
    described = seen.response_format["json_schema"]
    assert isinstance(described, dict)
    assert described["schema"] == VERDICT
    assert seen.system_prompt == "Be brief."
    assert seen.tools == []


async def test_a_schema_beside_tools(scripted: ScriptedModel, models: Models) -> None:
    await generate(models, asking(output_schema=VERDICT))
    (seen,) = await scripted.requests()
    assert seen.response_format is not None
    assert len(seen.tools) == 2


@pytest.mark.parametrize(
    "model", ["openai:gpt-4", "openai:gpt-4-turbo", "openai:gpt-3.5-turbo", "ollama:gpt-oss:120b-cloud"]
)
async def test_a_model_that_cannot_enforce_a_schema_is_told_it(
    scripted: ScriptedModel, models: Models, model: str
) -> None:
    await scripted.script(Behaviour(system="Be brief", text="not JSON"))
    generation, _ = await generate(models, asking(model=model, output_schema=VERDICT))
    assert generation.text == "not JSON"
    (seen,) = await scripted.requests()
    assert seen.response_format is None
    assert "reason" in seen.system_prompt
    assert seen.last_message == QUESTION.content
    assert len(seen.tools) == 2


async def test_text_alone_asks_for_nothing_else(scripted: ScriptedModel, models: Models) -> None:
    await generate(models, asking(tools=()))
    (seen,) = await scripted.requests()
    assert seen.body.keys() == {"model", "messages", "stream", "stream_options"}


async def test_the_scripted_model_calls_tools_unstreamed_too(scripted: ScriptedModel) -> None:
    await scripted.script(Behaviour(tool_calls=(ScriptedCall(id="call_a", name="clock", arguments={"zone": "UTC"}),)))
    body = {"model": "scripted", "messages": [{"role": "assistant", "content": None}]}
    async with aiohttp.ClientSession() as http, http.post(f"{scripted.base_url}/chat/completions", json=body) as answer:
        (choice,) = (await answer.json())["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_a", "type": "function", "function": {"name": "clock", "arguments": '{"zone":"UTC"}'}}
        ],
    }
