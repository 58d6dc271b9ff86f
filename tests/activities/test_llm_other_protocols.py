"""Anthropic and Google speak protocols of their own: the same call, the same failures, on small servers of theirs."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from pydantic import JsonValue

from perdure.domain.generation import Generation, GenerationRequest, ModelRef, PromptMessage, Usage
from perdure.llm import ModelCallError
from perdure.llm.models import Models
from tests.support.event_server import Event, Provider, event_server, models_at

ANTHROPIC: list[Event] = [
    (
        "message_start",
        {
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-sonnet-5",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 12, "output_tokens": 1},
            }
        },
    ),
    ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "Hello"}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": " Ann"}}),
    ("content_block_stop", {"index": 0}),
    ("message_delta", {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 5}}),
    ("message_stop", {}),
]


def _google(text: str, **extra: JsonValue) -> Event:
    content: JsonValue = {"role": "model", "parts": [{"text": text}]}
    usage: JsonValue = {"promptTokenCount": 12, "candidatesTokenCount": 5, "totalTokenCount": 17}
    return ("", {"candidates": [{"content": content, "index": 0, **extra}], "usageMetadata": usage})


GOOGLE = [_google("Hello"), _google(" Ann", finishReason="STOP")]


@pytest.fixture
async def provider() -> AsyncGenerator[Provider]:
    async with event_server() as provider:
        yield provider


@pytest.fixture
async def models(provider: Provider) -> AsyncGenerator[Models]:
    async with models_at(provider) as models:
        yield models


BOTH = pytest.mark.parametrize(
    ("model", "events"), [("anthropic:claude-sonnet-5", ANTHROPIC), ("google:gemini-2.5-flash", GOOGLE)]
)


async def generate(models: Models, model: str) -> tuple[Generation, list[str]]:
    pieces: list[str] = []
    request = GenerationRequest(
        model=ModelRef.parse(model),
        system_prompt="Be brief.",
        messages=(PromptMessage(role="user", content="I am Ann."),),
        max_tokens=50,
    )
    return await models.generate(request, on_text=pieces.append), pieces


@BOTH
async def test_the_answer_is_streamed_counted_and_priced(
    provider: Provider, models: Models, model: str, events: list[Event]
) -> None:
    provider.events = events
    generation, pieces = await generate(models, model)
    assert pieces == ["Hello", " Ann"]
    assert generation.text == "Hello Ann"
    assert generation.usage == Usage(input_tokens=12, output_tokens=5)
    assert generation.finish_reason == "stop"
    assert generation.cost_usd is not None
    assert 0 < generation.cost_usd < 0.001


@BOTH
async def test_a_stream_that_breaks_off_is_no_answer(
    provider: Provider, models: Models, model: str, events: list[Event]
) -> None:
    provider.events = events[:-2] or events[:1]
    with pytest.raises(ModelCallError) as caught:
        await generate(models, model)
    assert caught.value.retryable


@BOTH
async def test_cancelling_hangs_up_at_once(provider: Provider, models: Models, model: str, events: list[Event]) -> None:
    provider.events = events[:3]
    provider.hang = True
    call = asyncio.create_task(generate(models, model))
    await asyncio.wait_for(provider.called.wait(), 5)
    await asyncio.sleep(0.1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(provider.hung_up.wait(), 1)


def _anthropic_error(kind: str) -> JsonValue:
    return {"type": "error", "error": {"type": kind, "message": "no: sk-ant-secret-key-1"}}


def _google_error(status: str, *details: JsonValue) -> JsonValue:
    return {"error": {"code": 0, "status": status, "message": "no: AIzaSecretKey12345", "details": list(details)}}


_RETRY_INFO: JsonValue = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "14s"}
_BAD_KEY: JsonValue = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
_DAILY: JsonValue = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}
CLAUDE, GEMINI = "anthropic:claude-sonnet-5", "google:gemini-2.5-flash"


@pytest.mark.parametrize(
    ("model", "status", "error", "kind", "retryable", "wait"),
    [
        (CLAUDE, 401, _anthropic_error("authentication_error"), "authentication", False, None),
        (CLAUDE, 429, _anthropic_error("rate_limit_error"), "rate_limit", True, 3),
        (CLAUDE, 529, _anthropic_error("overloaded_error"), "server", True, None),
        (GEMINI, 400, _google_error("INVALID_ARGUMENT", _BAD_KEY), "authentication", False, None),
        (GEMINI, 429, _google_error("RESOURCE_EXHAUSTED", _RETRY_INFO), "rate_limit", True, 14),
        (GEMINI, 429, _google_error("RESOURCE_EXHAUSTED", _DAILY), "quota", False, None),
        (GEMINI, 503, _google_error("UNAVAILABLE"), "server", True, None),
    ],
)
async def test_failures_are_classified_alike(
    provider: Provider,
    models: Models,
    model: str,
    status: int,
    error: JsonValue,
    kind: str,
    retryable: bool,
    wait: float | None,
) -> None:
    provider.status, provider.error = status, error
    provider.headers = {"retry-after": "3"} if wait == 3 else {}
    with pytest.raises(ModelCallError) as caught:
        await generate(models, model)
    failed = caught.value
    assert (failed.kind, failed.retryable, failed.retry_after_seconds) == (kind, retryable, wait)
    assert "ecret" not in failed.detail
    assert len(provider.bodies) == 1
