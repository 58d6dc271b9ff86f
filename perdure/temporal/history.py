"""Reading a run's history, its payloads decoded: converter, codec and external storage included."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import cast
from uuid import UUID

from pydantic import JsonValue
from pydantic_core import from_json
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.client import Client
from temporalio.converter import DataConverter

from perdure.domain.events import ExecutionEvent
from perdure.record.fold import RunState, fold
from perdure.record.mapping import Mapper
from perdure.record.reading import Recorded
from perdure.storage.archive import archived_runs, read_archived
from perdure.storage.engine import Single
from perdure.temporal.runs import Run, fetch_history, in_order, run_of, runs_of


@dataclass(frozen=True)
class RunHistory:
    """What an execution has done: its events over all its runs in Temporal's sense, and what the latest began with."""

    run_id: str
    """The latest of the runs."""
    input: JsonValue
    events: list[ExecutionEvent]
    taken: bool
    """Whether a worker has begun with the latest."""

    @property
    def state(self) -> RunState:
        """Where the run stands after its last event."""
        return fold(self.events)


class Records:
    """The record of every run: Temporal's histories, and the archive of those that Temporal has forgotten."""

    def __init__(self, client: Client, single: Single) -> None:
        self.client = client
        self._single = single

    async def read(self, execution_id: UUID) -> RunHistory | None:
        """Read the history of an execution, over resets and continuations. None when it is kept nowhere (any more)."""
        runs = await self.runs(execution_id)
        if not runs:
            return None
        latest = runs[-1]
        return RunHistory(
            run_id=latest.run_id,
            input=(await decode(self.client.data_converter, latest.history[:1]))[0].values[0],
            events=await events_of(self.client.data_converter, runs),
            taken=any(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED for event in latest.history),
        )

    async def runs(self, execution_id: UUID) -> list[Run]:
        """The runs, in Temporal's sense, that this execution had and that are kept, in the order of their beginnings.

        None of them when Temporal has forgotten all and the archive has none.
        """
        latest, archived = await asyncio.gather(
            fetch_history(self.client, str(execution_id)), self._archived_runs(execution_id)
        )
        found = await runs_of(self.client, str(execution_id), latest) if latest else []
        missing = set(archived) - {run.run_id for run in found}
        if not missing:
            return found
        async with self._single.connect() as connection:
            kept = await read_archived(connection, execution_id, list(missing))
        return in_order([*found, *(run_of(History.FromString(each).events) for each in kept)])

    async def _archived_runs(self, execution_id: UUID) -> list[str]:
        async with self._single.connect() as connection:
            return await archived_runs(connection, execution_id)


async def events_of(converter: DataConverter, runs: Sequence[Run]) -> list[ExecutionEvent]:
    """The events of an execution from the histories of its runs, given in the order in which these began."""
    mapper = Mapper(runs[0].run_id)
    events: list[ExecutionEvent] = []
    known: set[str] = set()
    for run in runs:
        recorded = await decode(converter, run.history)
        if run.own and run.base_run_id in known:
            mapper.next_run(run.run_id)
            mapper.copied(recorded[: run.own])
            events += mapper.add(recorded[run.own :])
        else:
            # The first one, a continuation, or one whose base is kept nowhere.
            mapper.next_run(run.base_run_id if run.own else run.run_id)
            events += mapper.add(recorded)
        known.add(run.run_id)
    return events


async def decode(converter: DataConverter, history: Sequence[HistoryEvent]) -> list[Recorded]:
    """Decode what the mapping reads of each event, to plain JSON values."""
    return [
        Recorded(
            event=event,
            values=await _values(converter, _payloads(event)),
            details=await _values(converter, _details(event)),
            local_activity=_local_activity(event),
        )
        for event in history
    ]


async def _values(converter: DataConverter, payloads: Sequence[Payload]) -> tuple[JsonValue, ...]:
    return tuple(cast("list[JsonValue]", await converter.decode(payloads))) if payloads else ()


_PAYLOADS: Mapping[str, Callable[[HistoryEvent], Sequence[Payload]]] = {
    path.partition(".")[0]: attrgetter(path)
    for path in (
        "workflow_execution_started_event_attributes.input.payloads",
        "workflow_execution_completed_event_attributes.result.payloads",
        "activity_task_scheduled_event_attributes.input.payloads",
        "activity_task_completed_event_attributes.result.payloads",
        "start_child_workflow_execution_initiated_event_attributes.input.payloads",
        "child_workflow_execution_completed_event_attributes.result.payloads",
        "workflow_execution_update_admitted_event_attributes.request.input.args.payloads",
        "workflow_execution_update_accepted_event_attributes.accepted_request.input.args.payloads",
    )
}
"""Where the events that the mapping reads keep what was said in them."""


_TOLD = frozenset({"note", "reuse"})
"""The local activities whose results are events of the run."""


def _payloads(event: HistoryEvent) -> Sequence[Payload]:
    if _local_activity(event) in _TOLD:
        return event.marker_recorded_event_attributes.details["result"].payloads
    read = _PAYLOADS.get(event.WhichOneof("attributes") or "")
    return read(event) if read else ()


def _local_activity(event: HistoryEvent) -> str | None:
    """The type of the local activity that a marker tells of; its facts are JSON that Temporal's own core writes."""
    if event.event_type != EventType.EVENT_TYPE_MARKER_RECORDED:
        return None
    facts = event.marker_recorded_event_attributes.details["data"].payloads
    return str(from_json(facts[0].data).get("activity_type")) if facts else None


def _details(event: HistoryEvent) -> Sequence[Payload]:
    if event.WhichOneof("attributes") != "activity_task_failed_event_attributes":
        return ()
    return event.activity_task_failed_event_attributes.failure.application_failure_info.details.payloads
