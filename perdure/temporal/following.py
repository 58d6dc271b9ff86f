"""Following an execution's history as it is written, over resets and continuations."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from uuid import UUID

from temporalio.service import RPCError, RPCStatusCode

from perdure.domain.events import (
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionTerminated,
    ExecutionTimedOut,
    RunReset,
)
from perdure.record.mapping import Mapper
from perdure.temporal.history import Records, decode
from perdure.temporal.starting import run_handle

_ENDINGS = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled, ExecutionTerminated, ExecutionTimedOut)


@dataclass(frozen=True)
class News:
    """What was recorded since the last time."""

    events: Sequence[ExecutionEvent]
    over: bool
    """Whether nothing comes after them."""


class Follower:
    """Follows one execution by one open call; each event comes once, however often `follow` is called.

    Calling it again goes on after a failure: what was told before is known by the place where it stands in its history.
    """

    def __init__(self, records: Records, execution_id: UUID) -> None:
        self._records = records
        self._client = records.client
        self._execution_id = execution_id
        self._known: set[tuple[str, int]] = set()

    async def follow(self) -> AsyncGenerator[News]:
        """Yield events as they are recorded, until the execution is over.

        Raises:
            RPCError: Temporal does not answer, or does not know the execution (any more).
        """
        run_id: str | None = None
        while run_id != (latest := await self._latest_run()):
            # A run that was reset or continued has ended, and another one goes on.
            run_id = latest
            async for news in self._follow_run(run_id):
                yield news
                if news.over:
                    return

    async def _follow_run(self, run_id: str) -> AsyncGenerator[News]:
        handle = self._client.get_workflow_handle(str(self._execution_id), run_id=run_id)
        pages = handle.fetch_history_events(wait_new_event=True)
        mapper: Mapper | None = None
        while mapper is None or pages.next_page_token is not None:
            await pages.fetch_next_page()
            page = pages.current_page
            if not page:
                continue
            if mapper is None:
                mapper = Mapper(page[0].workflow_execution_started_event_attributes.original_execution_run_id)
            continued = bool(page[0].workflow_execution_started_event_attributes.continued_execution_run_id)
            mapped = mapper.add(await decode(self._client.data_converter, page))
            over = pages.next_page_token is None and run_id == await self._latest_run()
            if not over:
                mapped = [event for event in mapped if not isinstance(event.data, _ENDINGS)]
            events = await self._new_of(mapped, continued=continued)
            if events or over:
                yield News(events, over)

    async def _new_of(self, mapped: Sequence[ExecutionEvent], *, continued: bool) -> list[ExecutionEvent]:
        events: list[ExecutionEvent] = []
        new = [event for event in mapped if _address(event) not in self._known]
        if new and (continued or any(isinstance(event.data, RunReset) for event in new)):
            # What was before this run is told by the whole record, which knows how runs follow each other.
            whole = await self._records.read(self._execution_id)
            events += self._number(whole.events if whole else [])
        return events + self._number(new)

    def _number(self, found: Sequence[ExecutionEvent]) -> list[ExecutionEvent]:
        """Those that are new, numbered on."""
        events: list[ExecutionEvent] = []
        for event in found:
            again = _address(event) in self._known or (isinstance(event.data, ExecutionStarted) and self._known)
            if not again:
                self._known.add(_address(event))
                events.append(event.model_copy(update={"version": len(self._known)}))
        return events

    async def _latest_run(self) -> str:
        return (await run_handle(self._client, self._execution_id).describe()).run_id


def is_unknown(error: RPCError) -> bool:
    """Whether Temporal says that it does not know what it was asked for."""
    return error.status is RPCStatusCode.NOT_FOUND


def _address(event: ExecutionEvent) -> tuple[str, int]:
    return event.run_id, event.history_event_id
