"""A chat turn as server-sent events: its start, sources, words and end, from wherever its reader stands."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from api.routes.chat import answer_of
from api.streaming import RECONNECT_MS, Phase, Place, Seen, event, follow, outlasting, read_again
from api.tool_frames import Sources, ToolFrames
from api.words import Reset, Words
from perdure.bootstrap import Runtime
from perdure.domain.executions import Execution, ExecutionStatus
from perdure.domain.runs import ASSISTANT
from perdure.live import Token, TooSlowError


class TurnStarted(BaseModel):
    """The turn is accepted; from here on it goes on whoever watches."""

    model_config = ConfigDict(frozen=True)

    session_id: str
    execution_id: UUID


class TurnSources(BaseModel):
    """What the answer draws on, as far as it is known."""

    model_config = ConfigDict(frozen=True)

    sources: Sequence[dict[str, JsonValue]]


class TurnFailed(BaseModel):
    """The turn gave no answer, or it can no longer be followed."""

    model_config = ConfigDict(frozen=True)

    code: str
    """`failed`, `cancelled`, or `too_slow`: connect again, and it goes on."""
    message: str
    session_id: str
    execution_id: UUID


async def turn_events(runtime: Runtime, execution: Execution, place: Place) -> AsyncGenerator[bytes]:
    """Yield a turn's frames from a place on: those after it and no others."""
    session_id = execution.session_id or ""
    if not place.past(Phase.STARTED):
        started = TurnStarted(session_id=session_id, execution_id=execution.id)
        yield event("start", started, place.at(Phase.STARTED), retry_ms=RECONNECT_MS)
    telling = _Telling(place)
    if not place.past(Phase.ANSWERED):
        try:
            async with aclosing(follow(runtime, execution, place)) as frames:
                async for seen in frames:
                    for frame in telling.take(seen):
                        yield frame
        except TooSlowError:
            message = "You read more slowly than the model writes: connect again with the id of the last event."
            yield event(
                "error",
                TurnFailed(code="too_slow", message=message, session_id=session_id, execution_id=execution.id),
            )
            return
    execution = await read_again(runtime, execution)
    async for frame in _ending(runtime, execution, place, telling):
        yield frame


class _Telling:
    """What the reader of a turn is told of its live frames: first what the answer draws on, then its words."""

    def __init__(self, place: Place) -> None:
        self.words = Words()
        self.sources = Sources()
        self._tools = ToolFrames()
        self._place = place.at(Phase.WORDS)
        # Every id from the first word on says that there were sources before it.
        self.is_sourced = place.past(Phase.WORDS)

    def take(self, seen: Seen) -> list[bytes]:
        """The events of the next frame; none of those that the reader has had."""
        frames: list[bytes] = []
        found = self.sources.take(seen.frame)
        tool = self._tools.take(seen.frame)
        words = self.words.take(seen.frame)
        if not seen.repeated:
            if found:
                frames.append(self.tell_sources(seen.place))
            if (words or tool) and not self.is_sourced:
                frames.append(self.tell_sources(self._place))
            if tool:
                frames.append(event("tool", tool, seen.place))
            frames += [_word(shown, seen.place) for shown in words]
        self._place = seen.place
        return frames

    def tell_sources(self, place: Place) -> bytes:
        """The event of what is known by now."""
        self.is_sourced = True
        return event("sources", TurnSources(sources=self.sources.all), place)


async def _ending(runtime: Runtime, execution: Execution, place: Place, telling: _Telling) -> AsyncGenerator[bytes]:
    answer = await outlasting(partial(answer_of, runtime, execution))
    told = telling.sources.all
    if not telling.is_sourced:
        told = answer.sources
        yield event("sources", TurnSources(sources=told), place.at(Phase.WORDS))
    if answer.response is None:
        cancelled = execution.status is ExecutionStatus.CANCELLED
        failed = TurnFailed(
            code="cancelled" if cancelled else "failed",
            message=answer.error_message or "",
            session_id=answer.session_id,
            execution_id=execution.id,
        )
        yield event("error", failed, place.at(Phase.ENDED))
        return
    if not place.past(Phase.ANSWERED):
        step, attempt = _answering_step(execution)
        for shown in telling.words.complete(step, answer.response, attempt=attempt, seen=bool(place.had)):
            # The answer is had with the second of the two: who loses the connection between them gets both again.
            yield _word(shown, None if isinstance(shown, Reset) else place.at(Phase.ANSWERED))
    if answer.sources != told and not place.past(Phase.SOURCED):
        yield event("sources", TurnSources(sources=answer.sources), place.at(Phase.SOURCED))
    yield event("end", answer, place.at(Phase.ENDED))


def _answering_step(execution: Execution) -> tuple[str, int]:
    """The model call that gave the answer, and at which attempt; before it there are those that called tools."""
    calls = [node for node in execution.node_executions if node.node_type == ASSISTANT]
    return (calls[-1].id, calls[-1].retry_count + 1) if calls else (ASSISTANT, 1)


def _word(shown: Reset | Token, place: Place | None) -> bytes:
    return event("reset" if isinstance(shown, Reset) else "token", shown, place)
