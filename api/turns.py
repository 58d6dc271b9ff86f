"""A chat turn as server-sent events: its start, its words, its end, from wherever its reader stands."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from api.routes.chat import answer_of
from api.streaming import RECONNECT_MS, Phase, Place, event, follow, outlasting, read_again
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
    if not place.past(Phase.WORDS):
        yield event("sources", TurnSources(sources=[]), place.at(Phase.WORDS))
    words = Words()
    if not place.past(Phase.ANSWERED):
        try:
            async with aclosing(follow(runtime, execution, place)) as frames:
                async for seen in frames:
                    for shown in words.take(seen.frame):
                        if not seen.repeated:
                            yield _word(shown, seen.place)
        except TooSlowError:
            message = "You read more slowly than the model writes: connect again with the id of the last event."
            yield event(
                "error",
                TurnFailed(code="too_slow", message=message, session_id=session_id, execution_id=execution.id),
            )
            return
    execution = await read_again(runtime, execution)
    async for frame in _ending(runtime, execution, place, words):
        yield frame


async def _ending(runtime: Runtime, execution: Execution, place: Place, words: Words) -> AsyncGenerator[bytes]:
    answer = await outlasting(partial(answer_of, runtime, execution))
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
        step = words.last or ASSISTANT
        attempt = next((node.retry_count + 1 for node in execution.node_executions if node.id == step), 1)
        for shown in words.complete(step, answer.response, attempt=attempt, seen=bool(place.had)):
            # The answer is had with the second of the two: who loses the connection between them gets both again.
            yield _word(shown, None if isinstance(shown, Reset) else place.at(Phase.ANSWERED))
    if answer.sources and not place.past(Phase.SOURCED):
        yield event("sources", TurnSources(sources=answer.sources), place.at(Phase.SOURCED))
    yield event("end", answer, place.at(Phase.ENDED))


def _word(shown: Reset | Token, place: Place | None) -> bytes:
    return event("reset" if isinstance(shown, Reset) else "token", shown, place)
