"""The door for OpenAI's clients: the official one talks to the running server."""

from collections.abc import AsyncGenerator
from uuid import uuid4

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from pydantic import JsonValue

from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CHAT: JsonObject = {"llm_provider": "openai", "llm_model": "gpt-4o-mini", "system_prompt": "Be kind."}
WORDS = "one two three four five"


@pytest.fixture
async def client(product: Product) -> AsyncGenerator[AsyncOpenAI]:
    key = await product.post("/api/auth/api-keys", {"name": uuid4().hex})
    async with AsyncOpenAI(base_url=f"{product.base_url}/v1", api_key=str(key["key"])) as client:
        yield client


async def chatflow(product: Product, **fields: JsonValue) -> str:
    flow = await product.post(f"{API}/chatflows", {"name": "FAQ", "chat_config": CHAT, **fields})
    return str(flow["id"])


async def agentflow(product: Product, *agents: JsonObject) -> str:
    config: JsonObject = {"llm_provider": "openai", "llm_model": "gpt-4o-mini"}
    flow = await product.post(
        f"{API}/agentflows", {"name": "Team", "supervisor_config": config, "agents": list(agents)}
    )
    return str(flow["id"])


def said(text: str) -> ChatCompletionMessageParam:
    return {"role": "user", "content": text}


async def chunks_of(client: AsyncOpenAI, model: str, text: str = "Hi") -> list[ChatCompletionChunk]:
    stream = await client.chat.completions.create(
        model=model, messages=[said(text)], stream=True, stream_options={"include_usage": True}
    )
    return [chunk async for chunk in stream]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


async def test_a_chatflow_answers_as_a_model_does(product: Product, model: ScriptedModel, client: AsyncOpenAI) -> None:
    await model.script(Behaviour(text=WORDS))
    flow_id = await chatflow(product)
    answer = await client.chat.completions.with_raw_response.create(model=flow_id, messages=[said("Hi")])
    completion = answer.parse()
    execution_id = answer.headers["X-Execution-Id"]
    assert completion.id == f"chatcmpl-{execution_id}"
    assert completion.object == "chat.completion"
    assert completion.model == flow_id
    (choice,) = completion.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", WORDS, "stop")
    execution = await product.get(f"{API}/executions/{execution_id}")
    metrics = execution["metrics"]
    assert isinstance(metrics, dict)
    assert completion.usage is not None
    assert completion.usage.total_tokens == metrics["llm_tokens"]
    assert completion.usage.completion_tokens == 5
    assert completion.usage.prompt_tokens + 5 == completion.usage.total_tokens


async def test_words_come_one_by_one_while_the_model_writes(
    product: Product, model: ScriptedModel, client: AsyncOpenAI
) -> None:
    await model.script(Behaviour(text=WORDS, hang_after_tokens=2))
    flow_id = await chatflow(product)
    stream = await client.chat.completions.create(model=flow_id, messages=[said("Hi")], stream=True)
    chunks: list[ChatCompletionChunk] = []
    while text_of(chunks) != "one two":
        chunks.append(await anext(stream))
    assert chunks[0].choices[0].delta.content == ""
    assert chunks[0].choices[0].delta.role == "assistant"
    execution_id = chunks[0].id.removeprefix("chatcmpl-")
    assert (await product.get(f"{API}/executions/{execution_id}"))["status"] == "running"
    await product.post(f"{API}/executions/{execution_id}/cancel")
    with pytest.raises(openai.APIError, match="cancelled"):
        await anext(stream)


async def test_a_stream_is_the_whole_answer_with_its_usage(
    product: Product, model: ScriptedModel, client: AsyncOpenAI
) -> None:
    await model.script(Behaviour(text=WORDS, token_delay_ms=5))
    chunks = await chunks_of(client, await chatflow(product))
    assert text_of(chunks) == WORDS
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    usage = chunks[-1].usage
    assert chunks[-1].choices == []
    assert usage is not None
    assert usage.completion_tokens == 5
    assert len({chunk.id for chunk in chunks}) == 1


async def test_without_a_session_the_messages_sent_are_the_conversation(
    product: Product, model: ScriptedModel, client: AsyncOpenAI
) -> None:
    flow_id = await chatflow(product)
    answer = await client.chat.completions.create(
        model=flow_id,
        messages=[
            {"role": "system", "content": "Be brief."},
            said("I am Ada."),
            {"role": "assistant", "content": "Hello Ada."},
            {"role": "user", "content": [{"type": "text", "text": "Who am I?"}]},
        ],
    )
    (request,) = await model.requests()
    assert [(message["role"], message.get("content")) for message in request.messages] == [
        ("system", "Be kind.\n\nBe brief."),
        ("user", "I am Ada."),
        ("assistant", "Hello Ada."),
        ("user", "Who am I?"),
    ]
    execution = await product.get(f"{API}/executions/{answer.id.removeprefix('chatcmpl-')}")
    assert execution["session_id"] is None


@pytest.mark.parametrize("by_header", [True, False])
async def test_a_session_remembers_by_itself(
    product: Product, model: ScriptedModel, client: AsyncOpenAI, *, by_header: bool
) -> None:
    await model.script(Behaviour(text="Hello Ada."), Behaviour(text="Ada."))
    flow_id = await chatflow(product)
    session = f"ada-{uuid4().hex}"

    async def ask(*messages: ChatCompletionMessageParam) -> str | None:
        answer = await client.chat.completions.create(
            model=flow_id,
            messages=messages,
            user="somebody" if by_header else session,
            extra_headers={"X-Session-Id": session} if by_header else None,
        )
        return answer.choices[0].message.content

    await ask(said("I am Ada."))
    # What the client remembers is not what counts.
    assert await ask(said("I am Bob."), {"role": "assistant", "content": "Hi Bob."}, said("Who am I?")) == "Ada."
    last = (await model.requests())[-1]
    assert [message.get("content") for message in last.messages] == [
        "Be kind.",
        "I am Ada.",
        "Hello Ada.",
        "Who am I?",
    ]
    listed = await product.get(f"{API}/executions?session_id={session}")
    assert listed["total"] == 2
    with pytest.raises(openai.ConflictError):
        await client.chat.completions.create(model=await chatflow(product), messages=[said("Hi")], user=session)


async def test_a_team_answers_with_the_words_of_its_last_agent(
    product: Product, model: ScriptedModel, client: AsyncOpenAI
) -> None:
    await model.script(Behaviour(text="a draft of it"), Behaviour(text=WORDS, token_delay_ms=50))
    flow_id = await agentflow(product, {"name": "One"}, {"name": "Two"})
    chunks = await chunks_of(client, flow_id, "Why?")
    assert text_of(chunks) == WORDS
    assert len(chunks) > 5
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens == 9


async def test_a_team_is_given_the_conversation_as_its_task(
    product: Product, model: ScriptedModel, client: AsyncOpenAI
) -> None:
    flow_id = await agentflow(product)
    await client.chat.completions.create(
        model=flow_id,
        messages=[
            {"role": "developer", "content": "Be brief."},
            said("I am Ada."),
            {"role": "assistant", "content": "Hello Ada."},
            said("Who am I?"),
        ],
    )
    (request,) = await model.requests()
    assert request.last_user_message == (
        "Be brief.\n\n## The conversation so far\n\nUser: I am Ada.\n\nAssistant: Hello Ada.\n\n"
        "## What to answer now\n\nWho am I?"
    )


async def test_a_second_attempt_goes_on_where_it_says_the_same(
    product: Product, model: ScriptedModel, client: AsyncOpenAI
) -> None:
    await model.script(
        Behaviour(text="one two xx", drop_after_tokens=2),
        Behaviour(text=WORDS),
        Behaviour(text="other words", drop_after_tokens=2),
        Behaviour(text=WORDS),
    )
    flow_id = await chatflow(product)
    assert text_of(await chunks_of(client, flow_id)) == WORDS
    assert text_of(await chunks_of(client, flow_id)) == f"other words\n\n{WORDS}"


async def test_models_are_the_flows_that_the_caller_may_run(product: Product, client: AsyncOpenAI) -> None:
    name = f"Mine {uuid4().hex}"
    mine = await chatflow(product, name=name)
    idle = await chatflow(product, is_active=False)
    await product.log_in("eve@example.com")
    try:
        hers, shared = await chatflow(product), await chatflow(product, is_public=True)
    finally:
        await product.log_in("ada@example.com")
    models = {each.id: each async for each in client.models.list()}
    assert {mine, shared} <= models.keys()
    assert not {idle, hers} & models.keys()
    assert models[mine].object == "model"
    assert models[mine].owned_by != models[shared].owned_by
    assert (await client.models.retrieve(name)).id == mine
    first = await client.models.list(extra_query={"page_size": 1})
    assert len(first.data) == 2
    assert (first.model_extra or {})["has_more"] is True
    assert (await client.chat.completions.create(model=name, messages=[said("Hi")])).choices
    assert (await client.chat.completions.create(model=shared, messages=[said("Hi")])).choices
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve(hers)


async def test_errors_are_openais(product: Product, model: ScriptedModel, client: AsyncOpenAI) -> None:
    flow_id = await chatflow(product)
    for unknown in (str(uuid4()), "no such flow", await agentflow(product) + "x"):
        with pytest.raises(openai.NotFoundError) as missing:
            await client.chat.completions.create(model=unknown, messages=[said("Hi")])
        assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.AuthenticationError) as stranger:
        await client.with_options(api_key="pdr_wrong").models.list()
    assert stranger.value.code == "invalid_api_key"
    with pytest.raises(openai.ConflictError):
        await client.chat.completions.create(
            model=await chatflow(product, is_active=False), messages=[said("Hi")], stream=True
        )
    name = f"Twice {uuid4().hex}"
    for _ in range(2):
        await chatflow(product, name=name)
    with pytest.raises(openai.BadRequestError) as twice:
        await client.chat.completions.create(model=name, messages=[said("Hi")])
    assert twice.value.code == "model_ambiguous"
    assert (await model.recorded()).total == 0
    await model.script(Behaviour(status=400, body={"error": {"message": "no"}}, times=None))
    with pytest.raises(openai.InternalServerError) as failed:
        await client.chat.completions.create(model=flow_id, messages=[said("Hi")])
    assert (failed.value.status_code, failed.value.code, failed.value.type) == (502, "run_failed", "server_error")
    # The client has not tried again: that would be another run.
    assert (await model.recorded()).total == 1
    with pytest.raises(openai.APIError) as streamed:
        await chunks_of(client, flow_id)
    assert streamed.value.code == "run_failed"


REFUSED: list[tuple[JsonObject, str]] = [
    ({"n": 2}, "n"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ({"logprobs": True}, "logprobs"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "nobody", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "messages.0"),
    ({"messages": [{"role": "user", "content": " "}]}, "messages.0"),
    ({"messages": [{"role": "tool", "content": "x"}, {"role": "user", "content": "x"}]}, "messages.0"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "messages.0.content.0"),
    ({"stream": "perhaps"}, "stream"),
]


@pytest.mark.parametrize(("fields", "param"), REFUSED)
async def test_what_a_flow_cannot_do_is_refused(
    product: Product, model: ScriptedModel, fields: JsonObject, param: str
) -> None:
    body: JsonObject = {"model": await chatflow(product), "messages": [{"role": "user", "content": "Hi"}], **fields}
    status, answer = await product.call("POST", "/v1/chat/completions", body)
    assert status == 400
    assert isinstance(answer, dict)
    error = answer["error"]
    assert isinstance(error, dict)
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert error["message"]
    assert (await model.recorded()).total == 0


async def test_settings_of_a_model_are_the_flows_own_business(
    product: Product, model: ScriptedModel, client: AsyncOpenAI
) -> None:
    answer = await client.chat.completions.create(
        model=await chatflow(product), messages=[said("Hi")], n=1, temperature=0.1, max_tokens=5, stop="x", seed=1
    )
    assert answer.choices[0].message.content
    (request,) = await model.requests()
    assert "seed" not in request.body


async def test_what_is_not_there_is_told_in_the_same_shape(product: Product) -> None:
    for method, path, expected in (("GET", "/v1/embeddings", 404), ("GET", "/v1/chat/completions", 405)):
        status, answer = await product.call(method, path)
        assert status == expected
        assert isinstance(answer, dict)
        assert isinstance(answer["error"], dict)
