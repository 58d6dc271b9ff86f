"""The one place where a provider's error becomes a `ModelCallError`.

By status, header and machine code, never by an error's wording: 408, 409, 429, 5xx, timeouts and lost connections are
retried, other 4xx and used-up quota are not, and `x-should-retry` has the last word on what a status alone would say.
"""

import math
import re
from collections.abc import Iterable
from http import HTTPStatus

import aiohttp
import httpx2
from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
    UnexpectedModelBehavior,
    UserError,
)

from perdure.domain.generation import ModelRef
from perdure.llm.errors import FailureKind, ModelCallError
from perdure.llm.keys import ADDRESS_NAMES, KEY_NAMES

PROVIDER_ERRORS: tuple[type[Exception], ...] = (
    AgentRunError,
    UserError,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    aiohttp.ClientError,
    OSError,  # ssl.SSLError, TimeoutError and ConnectionError among them
)
"""What a call may raise when the provider or the way to it fails. Anything else is a bug of ours and goes on as one."""

RETRIED_STATUSES = frozenset({408, 409, 429})
SERVER_ERRORS = range(500, 600)
LONGEST_QUOTE = 300
"""Characters of a provider's own words that go into a sentence."""

_KEY_LIKE = re.compile(r"\b(?:sk|pk|rk|gsk|xai|key)[-_][\w*.-]{6,}|\bAIza[\w*-]{6,}|\bBearer\s+\S+", re.IGNORECASE)


def classify(
    error: Exception, model: ModelRef, secrets: Iterable[str] = (), *, address: str | None = None
) -> ModelCallError:
    """Turn one of `PROVIDER_ERRORS` into the sentence, kind and retry advice the rest of the system works with.

    Args:
        error: what the model layer raised.
        model: the one that was asked.
        secrets: keys to cut out of the provider's own words.
        address: `host:port` that was asked, where it is known.
    """
    kind = _kind(error)
    return ModelCallError(
        _sentence(kind, error, model, secrets, address),
        kind=kind,
        retryable=_retryable(kind, error),
        retry_after_seconds=_retry_after(error),
    )


_KINDS: tuple[tuple[type[Exception], FailureKind], ...] = (
    # Subclasses before their bases. An HTTP error belongs to one of these categories as well.
    (UserError, "configuration"),
    (httpx2.InvalidURL, "configuration"),
    (httpx2.UnsupportedProtocol, "configuration"),
    (ContentFilterError, "content_filter"),
    (ModelQuotaExceededError, "quota"),
    (ModelRateLimitError, "rate_limit"),
    (ModelAuthenticationError, "authentication"),
    (ModelNotFoundError, "not_found"),
    (ModelContextWindowExceededError, "context_window"),
    (ModelRequestRejectedError, "rejected"),
    (ModelUnavailableError, "server"),
    (ModelServerError, "server"),
    (ModelRequestTimeout, "timeout"),
    (httpx2.TimeoutException, "timeout"),
    (TimeoutError, "timeout"),
    (httpx2.HTTPError, "connection"),
    (httpx2.StreamError, "connection"),
    (aiohttp.ClientError, "connection"),
    (OSError, "connection"),
)


def _kind(error: Exception) -> FailureKind:
    if isinstance(error, ModelConnectionError):
        return _kind_of_transport_error(error)
    for category, kind in _KINDS:
        if isinstance(error, category):
            return kind
    if isinstance(error, ModelHTTPError):
        return _kind_of_status(error.status_code)
    # What is left of the model layer's own errors: a stream that ended without saying so, or that broke off with an
    # error the provider gave no code; and an answer that is not what the protocol says.
    return "unreadable" if isinstance(error, UnexpectedModelBehavior) else "interrupted"


def _kind_of_transport_error(error: ModelConnectionError) -> FailureKind:
    """What happened on the way, as the lowest layer saw it.

    The layers in between know less: the aiohttp adapter reports a refused connection as a timeout.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
            return "configuration"
        if isinstance(cause, aiohttp.ClientConnectionError) and not isinstance(cause, TimeoutError):
            return "connection"
        cause = cause.__cause__
    return "timeout" if isinstance(error, ModelTimeoutError) else "connection"


def _kind_of_status(status: int) -> FailureKind:
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return "timeout"
    return "server" if status in SERVER_ERRORS or status == HTTPStatus.CONFLICT else "rejected"


_PASSING: frozenset[FailureKind] = frozenset(
    {"rate_limit", "server", "timeout", "connection", "interrupted", "unreadable"}
)


def _retryable(kind: FailureKind, error: Exception) -> bool:
    if kind == "quota":
        return False
    if isinstance(error, ModelHTTPError):
        if error.provider_retry_hint is not None:
            return error.provider_retry_hint
        return error.status_code in RETRIED_STATUSES or error.status_code in SERVER_ERRORS
    return kind in _PASSING


def _retry_after(error: Exception) -> float | None:
    if not isinstance(error, ModelAPIError):
        return None
    if error.retry_after is not None:
        return error.retry_after
    # The model layer reads whole seconds, milliseconds and HTTP dates; some gateways send fractions of a second.
    written = (error.headers or {}).get("retry-after") if isinstance(error, ModelHTTPError) else None
    try:
        seconds = float(written or "nan")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def redact(text: str, secrets: Iterable[str]) -> str:
    """Cut known keys, and what looks like one, out of a provider's words."""
    for secret in secrets:
        text = text.replace(secret, "[key]")
    return _KEY_LIKE.sub("[key]", text)


_WHAT: dict[FailureKind, str] = {
    "configuration": "cannot be called as configured",
    "authentication": "refused the worker's key or what it may do",
    "not_found": "does not know this model, or its address is wrong",
    "quota": "says the account's quota or credit is used up",
    "context_window": "says the prompt is longer than the model can read",
    "rejected": "rejected the request",
    "content_filter": "withheld the answer with its content filter",
    "rate_limit": "is limiting the rate of requests",
    "server": "failed to answer",
    "timeout": "did not answer in time",
    "connection": "could not be reached, or the connection broke",
    "interrupted": "ended its answer in the middle",
    "unreadable": "sent an answer that cannot be read",
}

_ADVICE: dict[FailureKind, str] = {
    "configuration": "Check {setting} and the model's settings",
    "authentication": "Check {key} for the worker, and the account's access to the model",
    "not_found": "Check the model's name and {setting}",
    "quota": "Top up the account or raise its limit, then run again",
    "context_window": "Shorten the prompt or the history, or choose a model with a larger context",
    "rejected": "Change the request or choose another model",
    "content_filter": "Rephrase the prompt or choose another model",
    "rate_limit": "Lower the load or raise the account's limit if it stays so",
    "server": "See the provider's status page if it stays so",
    "timeout": "Check the provider's status and the network if it stays so",
    "connection": "Check {setting} and the network if it stays so",
    "interrupted": "Check for a proxy that cuts long answers off if it stays so",
    "unreadable": "Check that {setting} leads to a server that speaks this provider's protocol",
}


_ABOUT_THE_WAY: frozenset[FailureKind] = frozenset({"connection", "timeout", "not_found"})
"""Failures that a wrong address may cause: their sentences tell it."""

_WEB_PAGE = re.compile(r"\s*<(?:!doctype|html|head|body|\?xml)\b", re.IGNORECASE)


def _sentence(kind: FailureKind, error: Exception, model: ModelRef, secrets: Iterable[str], address: str | None) -> str:
    status = f" (HTTP {error.status_code})" if isinstance(error, ModelHTTPError) else ""
    at = f" at {address}" if address and kind in _ABOUT_THE_WAY else ""
    provider = model.provider
    advice = _ADVICE[kind].format(
        key=KEY_NAMES.get(provider, "the API key"), setting=ADDRESS_NAMES.get(provider, "the provider's address")
    )
    return f"{model}{at} {_WHAT[kind]}{status}.{_said(kind, error, secrets)} {advice}."


def _said(kind: FailureKind, error: Exception, secrets: Iterable[str]) -> str:
    """The provider's own words, where they help: shortened, on one line, without keys, ending in a full stop."""
    words = _words(error)
    if _WEB_PAGE.match(words):
        return " It sent a web page, as gateways and proxies do."
    words = " ".join(redact(words, secrets).split())
    if not words or kind == "authentication":
        return ""
    if len(words) > LONGEST_QUOTE:
        words = words[:LONGEST_QUOTE] + "…"
    return f" It said: {words}" if words[-1] in ".!?…" else f" It said: {words}."


def _words(error: Exception) -> str:
    if not isinstance(error, ModelAPIError):
        return ""
    body: object = error.body
    if isinstance(body, dict):
        inner: object = body.get("error", body)  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType] the body is the provider's JSON, as yet unread
        body = inner.get("message") if isinstance(inner, dict) else inner  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType] the same
    return body if isinstance(body, str) else ""
