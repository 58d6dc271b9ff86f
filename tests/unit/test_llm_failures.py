"""Provider errors that a server cannot easily be made to cause, and what is cut out of their words."""

import aiohttp
import httpx2
import pytest
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
    UserError,
)

from perdure.domain.generation import ModelRef
from perdure.llm import FailureKind
from perdure.llm.failures import LONGEST_QUOTE, PROVIDER_ERRORS, classify, redact

MODEL = ModelRef(provider="openai", name="gpt-4o-mini")


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (ModelTimeoutError("m", "slow"), "timeout", True),
        (ModelConnectionError("m", "gone"), "connection", True),
        (ModelAPIError("m", "broke off"), "interrupted", True),
        (UnexpectedModelBehavior("not JSON"), "unreadable", True),
        (UserError("that setting does not exist"), "configuration", False),
        (httpx2.ReadTimeout("slow"), "timeout", True),
        (httpx2.ReadError("reset"), "connection", True),
        (httpx2.UnsupportedProtocol("ftp"), "configuration", False),
        (httpx2.InvalidURL("no"), "configuration", False),
        (aiohttp.ClientPayloadError("cut"), "connection", True),
        (TimeoutError(), "timeout", True),
        (ConnectionResetError(), "connection", True),
        (ModelHTTPError(418, "m"), "rejected", False),
        (ModelHTTPError(502, "m"), "server", True),
    ],
)
def test_errors_of_every_layer_have_a_kind(error: Exception, kind: FailureKind, retryable: bool) -> None:
    assert isinstance(error, PROVIDER_ERRORS)
    failure = classify(error, MODEL)
    assert (failure.kind, failure.retryable) == (kind, retryable)
    assert failure.detail.startswith("openai:gpt-4o-mini ")


def test_a_refused_connection_is_not_taken_for_a_timeout() -> None:
    """What the SDK's aiohttp adapter makes of it: a connect timeout, caused by what really happened."""
    error = ModelTimeoutError("m", "Request timed out.")
    error.__cause__ = httpx2.ConnectTimeout("refused")
    error.__cause__.__cause__ = aiohttp.ClientConnectionError("refused")
    assert classify(error, MODEL).kind == "connection"
    error.__cause__.__cause__ = aiohttp.ServerTimeoutError("slow")
    assert classify(error, MODEL).kind == "timeout"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("key abc123 is wrong", "key [key] is wrong"),
        ("provided: sk-proj-****abcd.", "provided: [key]"),
        ("AIzaSyA1234567", "[key]"),
        ("Authorization: Bearer xyz", "Authorization: [key]"),
        ("the model gpt-4o-mini-2024-07-18 is overloaded", "the model gpt-4o-mini-2024-07-18 is overloaded"),
        ("task-oriented keyboards", "task-oriented keyboards"),
    ],
)
def test_keys_are_cut_out_and_nothing_else(said: str, left: str) -> None:
    assert redact(said, ["abc123"]) == left


def test_a_long_message_is_quoted_in_part_and_on_one_line() -> None:
    failure = classify(ModelHTTPError(400, "m", {"message": "bad\n\nthing " * 200}), MODEL)
    assert "\n" not in failure.detail
    assert len(failure.detail) < LONGEST_QUOTE + 200


@pytest.mark.parametrize("page", ["<html><body>502 Bad Gateway</body></html>", "\n<!DOCTYPE html>\n<title>Sign in"])
@pytest.mark.parametrize("status", [403, 502])
def test_a_web_page_is_told_of_and_not_quoted(page: str, status: int) -> None:
    failure = classify(ModelHTTPError(status, "m", page), MODEL)
    assert f"(HTTP {status}). It sent a web page" in failure.detail
    assert "<" not in failure.detail


@pytest.mark.parametrize("text", ["gpt-4", ":gpt-4", "openai:", ""])
def test_a_model_is_named_with_its_provider(text: str) -> None:
    with pytest.raises(ValueError, match="provider:model"):
        ModelRef.parse(text)


def test_a_models_name_may_hold_colons() -> None:
    assert ModelRef.parse("ollama:llama3.2:3b") == ModelRef(provider="ollama", name="llama3.2:3b")
    assert str(ModelRef.parse("ollama:llama3.2:3b")) == "ollama:llama3.2:3b"
