"""Reading server-sent events as an `EventSource` does, on a connection that a test closes as it likes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Self

import aiohttp
import orjson
from pydantic import BaseModel, ConfigDict, JsonValue

from tests.support.product import JsonObject


class ReadEvent(BaseModel):
    """One event."""

    model_config = ConfigDict(frozen=True)

    name: str
    data: JsonObject
    id: str | None


class EventReader:
    """The events of one answer, in their order."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ReadEvent:
        fields: dict[str, str] = {}
        while line := (await self.response.content.readline()).decode():
            if line == "\n":
                if "data" in fields:
                    return ReadEvent(
                        name=fields.get("event", "message"), data=orjson.loads(fields["data"]), id=fields.get("id")
                    )
                fields = {}
            elif not line.startswith(":"):
                name, _, value = line.rstrip("\n").partition(": ")
                fields[name] = value
        raise StopAsyncIteration

    async def until(self, name: str, *, times: int = 1) -> list[ReadEvent]:
        """The events up to and including the so-manieth of this name."""
        events: list[ReadEvent] = []
        async for event in self:
            events.append(event)
            times -= event.name == name
            if not times:
                return events
        raise AssertionError(f"the stream ended without '{name}': {events}")

    async def until_said(self, words: int) -> list[ReadEvent]:
        """The events up to the one with which so many words of models have come: how many a frame has, time decides."""
        events: list[ReadEvent] = []
        async for event in self:
            events.append(event)
            if event.name == "token":
                words -= len(str(event.data["text"]).split())
            if words <= 0:
                return events
        raise AssertionError(f"the stream ended {words} words too early: {events}")

    async def rest(self) -> list[ReadEvent]:
        """All events to the end of the answer."""
        return [event async for event in self]


@asynccontextmanager
async def event_stream(
    http: aiohttp.ClientSession, url: str, *, last_event_id: str | None = None, **query: str
) -> AsyncGenerator[EventReader]:
    """Open a stream, and close the connection when the block is left."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else None
    async with http.get(url, params=query, headers=headers) as response:
        yield EventReader(response)


def indexes(events: list[ReadEvent]) -> list[JsonValue]:
    """The numbers of the token frames."""
    return [event.data["index"] for event in events if event.name == "token"]


def shown(events: list[ReadEvent]) -> str:
    """The text that a reader shows who follows the rule: a reset voids what was there."""
    text = ""
    for event in events:
        if event.name == "reset":
            text = ""
        elif event.name == "token":
            text += str(event.data["text"])
    return text
