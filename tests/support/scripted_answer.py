"""What the scripted model says, as OpenAI's protocol has it: see `tests.support.scripted_model`."""

import hashlib
import re
import time
from collections.abc import Iterator
from typing import Any

import orjson

from tests.support.scripted_wire import Behaviour, ChatBody, ChatMessage, MessageToolCall, ScriptedCall

ARGUMENTS_PIECE = 8
"""Characters of a call's arguments that are streamed at once."""


def tokens_of(text: str) -> list[str]:
    """Split a text into what is streamed one by one: words with the blanks before them."""
    return re.findall(r"\s*\S+|\s+$", text)


class Answer:
    """The bytes of one answer, streamed or whole."""

    def __init__(self, body: ChatBody, behaviour: Behaviour) -> None:
        text = behaviour.text
        if text is None and not behaviour.tool_calls:
            digest = hashlib.blake2b(orjson.dumps(body.get("messages")), digest_size=4).hexdigest()
            text = f"I read your prompt {digest} well."
        self._text = text
        self._behaviour = behaviour
        self._model = body.get("model", "scripted")
        number = f"{time.monotonic_ns():x}"
        self._id = f"chatcmpl-{number}"
        self._wants_usage = behaviour.usage and (
            not body.get("stream") or bool((body.get("stream_options") or {}).get("include_usage"))
        )
        # One token per four characters of the prompt: what it costs is not the point, that it is counted is.
        prompt_tokens = sum(_length(message) for message in body.get("messages", [])) // 4 + 1
        self._calls = [_called(f"call_{number}_{index}", call) for index, call in enumerate(behaviour.tool_calls)]
        self._tokens: list[dict[str, Any]] = [{"content": token} for token in tokens_of(text or "")]
        self._tokens += [delta for index, call in enumerate(self._calls) for delta in _deltas(index, call)]
        self.dropped = behaviour.drop_after_tokens is not None
        if behaviour.drop_after_tokens is not None:
            self._tokens = self._tokens[: behaviour.drop_after_tokens]
        self.token_count = len(self._tokens)
        self._usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": self.token_count,
            "total_tokens": prompt_tokens + self.token_count,
        }

    def whole(self) -> bytes:
        """The body of an answer that is not streamed."""
        message: dict[str, Any] = {"role": "assistant", "content": self._text}
        if self._calls:
            message["tool_calls"] = self._calls
        choice = {"index": 0, "message": message, "finish_reason": self._behaviour.finish_reason}
        answer: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self._model,
            "choices": [choice],
        }
        if self._wants_usage:
            answer["usage"] = self._usage
        return orjson.dumps(answer)

    def frames(self) -> list[bytes]:
        """The server-sent events of a streamed answer, the tokens first."""
        frames = [self._chunk(delta) for delta in self._tokens]
        if self.dropped:
            return frames
        if self._behaviour.stream_error is not None:
            frames.append(b"data: " + orjson.dumps({"error": self._behaviour.stream_error}) + b"\n\n")
            return frames
        if self._behaviour.finish_reason is not None:
            frames.append(self._chunk({}, self._behaviour.finish_reason))
        if self._wants_usage:
            frames.append(self._chunk(None))
        frames.append(b"data: [DONE]\n\n")
        return frames

    def _chunk(self, delta: dict[str, Any] | None, finish_reason: str | None = None) -> bytes:
        chunk: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": self._model,
            "choices": [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        }
        if delta is None:
            chunk["usage"] = self._usage
        return b"data: " + orjson.dumps(chunk) + b"\n\n"


def _length(message: ChatMessage) -> int:
    """Characters of a message; calls of tools count as their JSON text."""
    calls = message.get("tool_calls")
    return len(str(message.get("content") or "")) + (len(orjson.dumps(calls)) if calls else 0)


def _called(unused_id: str, call: ScriptedCall) -> MessageToolCall:
    arguments = call.arguments if isinstance(call.arguments, str) else orjson.dumps(call.arguments).decode()
    return {"id": call.id or unused_id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _deltas(index: int, call: MessageToolCall) -> Iterator[dict[str, Any]]:
    """A call as OpenAI streams it: id and name first, then its arguments in pieces."""
    arguments = call["function"]["arguments"]
    start = {**call, "index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
    yield {"tool_calls": [start]}
    for at in range(0, len(arguments), ARGUMENTS_PIECE):
        piece = arguments[at : at + ARGUMENTS_PIECE]
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
