"""What both clients do with httpx in the same way."""

from typing import TypeVar

import httpx

from perdure.client.calls import Call
from perdure.client.errors import ApiError
from perdure.client.following import READ_SECONDS

Answer = TypeVar("Answer")

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
WATCH_TIMEOUT = httpx.Timeout(READ_SECONDS, connect=10.0)
CHAT_SECONDS = 600.0
"""How long a chat turn is waited for; a turn that takes longer goes on."""

PATIENCE_SECONDS = 60.0
"""How long whoever watches bears with an API that does not answer."""


def headers_of(token: str) -> dict[str, str]:
    """What is sent with every call."""
    return {"Authorization": f"Bearer {token}"}


def timeout_of(call: Call[Answer]) -> httpx.Timeout:
    """How long the answer to a call may take."""
    return TIMEOUT if call.seconds is None else httpx.Timeout(call.seconds, connect=10.0)


def read(call: Call[Answer], response: httpx.Response) -> Answer:
    """Read an answer that has come whole.

    Raises:
        ApiError: it is a refusal.
    """
    check(response)
    return call.answer.validate_json(response.content)


def check(response: httpx.Response) -> None:
    """Raise ApiError for a refusal that has come whole."""
    if not response.is_success:
        raise ApiError.of(response.status_code, response.headers, response.content)
