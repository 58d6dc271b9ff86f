"""Model calls against a scripted OpenAI-compatible server in a process of its own."""

import asyncio
import time
from collections.abc import AsyncGenerator
from email.utils import formatdate

import pytest
from pydantic import JsonValue, SecretStr

from perdure.domain.generation import Generation, GenerationRequest, ModelRef, PromptMessage, Usage
from perdure.llm import FailureKind, ModelCallError, ProviderKeys
from perdure.llm.models import Models
from tests.support.scripted_model import Behaviour, ScriptedModel

KEY = "sk-thisisverysecret1234"


@pytest.fixture(scope="module")
async def server() -> AsyncGenerator[ScriptedModel]:
    async with ScriptedModel() as server:
        yield server


@pytest.fixture
async def scripted(server: ScriptedModel) -> ScriptedModel:
    await server.reset()
    return server


@pytest.fixture
async def models(scripted: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Models]:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    keys = ProviderKeys(
        openai_api_key=SecretStr(KEY), openai_base_url=scripted.base_url, ollama_base_url=scripted.base_url
    )
    async with Models(keys, local_base_url=lambda: scripted.base_url) as models:
        yield models


def asking(words: str = "hello", *, model: str = "openai:gpt-4o-mini", system: str = "") -> GenerationRequest:
    return GenerationRequest(
        model=ModelRef.parse(model),
        system_prompt=system,
        messages=(PromptMessage(role="user", content=words),),
    )


async def generate(models: Models, request: GenerationRequest) -> tuple[Generation, list[str]]:
    pieces: list[str] = []
    return await models.generate(request, on_text=pieces.append), pieces


async def failure(models: Models, request: GenerationRequest) -> ModelCallError:
    with pytest.raises(ModelCallError) as caught:
        await generate(models, request)
    return caught.value


async def test_the_answer_is_streamed_counted_and_priced(scripted: ScriptedModel, models: Models) -> None:
    await scripted.script(Behaviour(text="one two  three"))
    generation, pieces = await generate(models, asking("a question"))
    assert pieces == ["one", " two", "  three"]
    assert generation.text == "one two  three"
    assert generation.usage == Usage(input_tokens=3, output_tokens=3)
    assert generation.finish_reason == "stop"
    # gpt-4o-mini: 0.15 and 0.60 USD for a million tokens
    assert generation.cost_usd == pytest.approx(3 * 0.15e-6 + 3 * 0.6e-6)


async def test_the_prompt_goes_out_as_it_was_given(scripted: ScriptedModel, models: Models) -> None:
    request = GenerationRequest(
        model=ModelRef.parse("openai:gpt-4o-mini"),
        system_prompt="Be brief.",
        messages=(
            PromptMessage(role="user", content="I am Ann."),
            PromptMessage(role="assistant", content="Hello Ann."),
            PromptMessage(role="user", content="Who am I?"),
        ),
        temperature=0.5,
        max_tokens=77,
    )
    await generate(models, request)
    (seen,) = await scripted.requests()
    assert seen.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "I am Ann."},
        {"role": "assistant", "content": "Hello Ann."},
        {"role": "user", "content": "Who am I?"},
    ]
    assert {name: seen.body[name] for name in ("model", "stream", "temperature", "max_tokens", "stream_options")} == {
        "model": "gpt-4o-mini",
        "stream": True,
        "temperature": 0.5,
        # compatible servers know this name, not `max_completion_tokens`
        "max_tokens": 77,
        "stream_options": {"include_usage": True},
    }
    assert seen.headers["authorization"] == f"Bearer {KEY}"


async def test_an_address_alone_is_enough_for_a_server_without_keys(scripted: ScriptedModel) -> None:
    keys = ProviderKeys(openai_api_key=None, openai_base_url=scripted.base_url)
    async with Models(keys) as models:
        generation, _ = await generate(models, asking())
    assert generation.text.startswith("I read your prompt")


async def test_what_nobody_counted_or_priced_is_not_zero(scripted: ScriptedModel, models: Models) -> None:
    await scripted.script(Behaviour(usage=False))
    uncounted, _ = await generate(models, asking())
    assert uncounted.usage is None
    assert uncounted.cost_usd is None
    unpriced, _ = await generate(models, asking(model="openai:a-model-nobody-knows"))
    assert unpriced.usage is not None
    assert unpriced.cost_usd is None


@pytest.mark.parametrize(("model", "cost"), [("local:smollm2-135m-instruct", 0.0), ("ollama:llama3.2:3b", None)])
async def test_models_of_ones_own_machine(
    models: Models, scripted: ScriptedModel, model: str, cost: float | None
) -> None:
    generation, _ = await generate(models, asking(model=model))
    assert generation.cost_usd == cost
    (seen,) = await scripted.requests()
    assert seen.body["model"] == ModelRef.parse(model).name
    assert KEY not in seen.headers["authorization"]


async def test_the_local_model_answers_to_its_own_name_only(models: Models, scripted: ScriptedModel) -> None:
    error = await failure(models, asking(model="local:llama-70b"))
    assert (error.kind, error.retryable) == ("configuration", False)
    assert "smollm2-135m-instruct" in error.detail
    assert await scripted.requests() == ()


async def test_the_local_model_gets_a_connection_for_each_call(models: Models, scripted: ScriptedModel) -> None:
    # llama.cpp's server closes a connection after each stream, without saying so.
    await generate(models, asking(model="local:smollm2-135m-instruct"))
    await generate(models, asking())
    assert [seen.headers.get("connection") == "close" for seen in await scripted.requests()] == [True, False]


async def test_the_local_model_does_not_ramble(models: Models, scripted: ScriptedModel) -> None:
    unbounded = asking(model="local:smollm2-135m-instruct")
    await generate(models, unbounded)
    await generate(models, unbounded.model_copy(update={"max_tokens": 1000}))
    await generate(models, asking())
    assert [seen.body.get("max_tokens") for seen in await scripted.requests()] == [400, 1000, None]


@pytest.mark.parametrize(
    ("model", "setting"),
    [
        ("anthropic:claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
        ("google:gemini-2.5-flash", "GOOGLE_API_KEY"),
        ("nobody:x", "openai, anthropic, google, ollama, local"),
    ],
)
async def test_a_provider_that_is_not_configured_fails_at_once(
    models: Models, scripted: ScriptedModel, model: str, setting: str
) -> None:
    error = await failure(models, asking(model=model))
    assert (error.kind, error.retryable) == ("configuration", False)
    assert setting in error.detail
    assert error.detail.endswith("or choose another model.")
    assert "Writer" not in error.detail
    assert await scripted.requests() == ()


async def test_providers_without_key_address_or_embedded_model_say_what_to_set() -> None:
    async with Models(ProviderKeys(openai_api_key=None, openai_base_url=None)) as models:
        assert "OPENAI_API_KEY" in (await failure(models, asking())).detail
        local = await failure(models, asking(model="local:smollm2-135m-instruct"))
    assert "PERDURE_LLM__LOCAL_MODEL" in local.detail
    assert not local.retryable


def _error(code: str | None, message: str = "words of the provider") -> JsonValue:
    return {"error": {"message": message, "type": "some_error", "param": None, "code": code}}


@pytest.mark.parametrize(
    ("behaviour", "kind", "retryable", "wait"),
    [
        (Behaviour(status=400, body=_error("bad")), "rejected", False, None),
        (Behaviour(status=401, body=_error("invalid_api_key")), "authentication", False, None),
        (Behaviour(status=403, body=_error(None)), "authentication", False, None),
        (Behaviour(status=404, body=_error("model_not_found")), "not_found", False, None),
        (Behaviour(status=408, body=_error(None)), "timeout", True, None),
        (Behaviour(status=409, body=_error(None)), "server", True, None),
        (Behaviour(status=422, body=_error(None)), "rejected", False, None),
        (
            Behaviour(status=429, body=_error("rate_limit_exceeded"), headers={"Retry-After": "7"}),
            "rate_limit",
            True,
            7,
        ),
        (Behaviour(status=429, body=_error(None), headers={"retry-after-ms": "1500"}), "rate_limit", True, 1.5),
        (Behaviour(status=429, body=_error(None), headers={"Retry-After": "0.25"}), "rate_limit", True, 0.25),
        (Behaviour(status=429, body=_error("insufficient_quota")), "quota", False, None),
        (
            Behaviour(status=429, body=_error("insufficient_quota"), headers={"x-should-retry": "true"}),
            "quota",
            False,
            None,
        ),
        (Behaviour(status=400, body=_error(None), headers={"x-should-retry": "true"}), "rejected", True, None),
        (Behaviour(status=500), "server", True, None),
        (Behaviour(status=500, headers={"x-should-retry": "false"}), "server", False, None),
        (Behaviour(status=503, body=_error(None)), "server", True, None),
        (Behaviour(text="a b c d", drop_after_tokens=2), "connection", True, None),
        (Behaviour(text="a b c d", finish_reason=None), "interrupted", True, None),
        (Behaviour(text="a b", stream_error={"message": "no", "code": "server_error"}), "server", True, None),
        (Behaviour(text="a b", stream_error={"message": "no", "code": "insufficient_quota"}), "quota", False, None),
        (Behaviour(text="a", finish_reason="content_filter"), "content_filter", False, None),
    ],
)
async def test_failures_are_classified_by_status_header_and_code(
    models: Models,
    scripted: ScriptedModel,
    behaviour: Behaviour,
    kind: FailureKind,
    retryable: bool,
    wait: float | None,
) -> None:
    await scripted.script(behaviour)
    error = await failure(models, asking())
    assert (error.kind, error.retryable, error.retry_after_seconds) == (kind, retryable, wait)
    assert error.detail.startswith("openai:gpt-4o-mini ")
    assert "Writer" not in error.detail
    assert error.detail.endswith(".")
    assert "Error" not in error.detail
    # One call, whatever it was: retries are Temporal's.
    assert len(await scripted.requests()) == 1


async def test_a_date_to_come_back_at_becomes_seconds(models: Models, scripted: ScriptedModel) -> None:
    later = formatdate(time.time() + 30, usegmt=True)
    await scripted.script(Behaviour(status=429, body=_error(None), headers={"Retry-After": later}))
    error = await failure(models, asking())
    assert error.retry_after_seconds == pytest.approx(29.5, abs=1)


@pytest.mark.parametrize("status", [400, 401, 403, 429])
async def test_no_key_gets_into_a_failure_or_what_hangs_on_it(
    models: Models, scripted: ScriptedModel, status: int
) -> None:
    echo = f"Incorrect API key provided: {KEY}, also seen as sk-this****1234 and Bearer {KEY}"
    await scripted.script(Behaviour(status=status, body=_error("invalid_api_key", echo)))
    error = await failure(models, asking())
    assert "secret" not in error.detail
    assert "sk-" not in error.detail
    # Temporal stores an error's chain.
    assert error.__cause__ is None
    assert error.__context__ is None


async def test_a_server_that_is_not_there_is_a_lost_connection() -> None:
    async with Models(ProviderKeys(openai_base_url="http://127.0.0.1:9/v1")) as models:
        error = await failure(models, asking())
    assert (error.kind, error.retryable) == ("connection", True)
    assert error.detail == (
        "openai:gpt-4o-mini at 127.0.0.1:9 could not be reached, or the connection broke. "
        "Check OPENAI_BASE_URL and the network if it stays so."
    )


async def test_a_password_in_the_address_is_for_a_person_to_mend_and_is_not_told() -> None:
    async with Models(ProviderKeys(openai_base_url="http://ann:hunter2@127.0.0.1:9/v1")) as models:
        error = await failure(models, asking())
    assert (error.kind, error.retryable) == ("configuration", False)
    assert "hunter2" not in error.detail


async def test_an_address_that_is_none_is_for_a_person_to_mend() -> None:
    async with Models(ProviderKeys(openai_base_url="nowhere")) as models:
        error = await failure(models, asking())
    assert (error.kind, error.retryable) == ("configuration", False)


@pytest.mark.parametrize("behaviour", [Behaviour(delay_ms=60_000), Behaviour(text="a b c", hang_after_tokens=1)])
async def test_cancelling_hangs_up_at_once(models: Models, scripted: ScriptedModel, behaviour: Behaviour) -> None:
    await scripted.script(behaviour)
    call = asyncio.create_task(generate(models, asking()))
    await scripted.wait_for_requests(1)
    await asyncio.sleep(0.1)
    cancelled_at = time.time()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    seen = await scripted.wait_for_disconnect(0, seconds=1)
    assert seen.disconnected_at is not None
    assert seen.disconnected_at - cancelled_at < 1


async def test_a_stream_that_stalls_is_broken_off(scripted: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perdure.llm.providers.STALL_SECONDS", 0.3)
    await scripted.script(Behaviour(text="a b c", hang_after_tokens=1))
    async with Models(ProviderKeys(openai_base_url=scripted.base_url)) as models:
        error = await failure(models, asking())
    assert (error.kind, error.retryable) == ("timeout", True)


async def test_a_chunk_that_strays_from_the_protocol_is_still_read(models: Models, scripted: ScriptedModel) -> None:
    # Not among the reasons OpenAI names: its typed chunk refuses it, and the lenient reading takes over.
    await scripted.script(Behaviour(text="a b", finish_reason="eos_token"))
    generation, _ = await generate(models, asking())
    assert (generation.text, generation.finish_reason) == ("a b", "eos_token")


async def test_many_calls_share_connections(models: Models, scripted: ScriptedModel) -> None:
    for _ in range(3):
        answers = await asyncio.gather(*(generate(models, asking(f"question {number}")) for number in range(20)))
        assert len({generation.text for generation, _ in answers}) == 20
    assert (await scripted.recorded()).total == 60
