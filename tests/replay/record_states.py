"""Golden histories as `/api/events` tells them: each run's events, and its state after every one of them.

The TypeScript client folds events by itself; its tests hold that fold against this file. `python -m
tests.replay.record_states` writes it anew; a test fails when it is not what today's code says.
"""

import asyncio
import json
from collections.abc import Sequence
from uuid import UUID, uuid5

from pydantic import JsonValue
from temporalio.contrib.pydantic import pydantic_data_converter

from perdure.domain.events import ExecutionEvent
from perdure.record.fold import RunFold
from perdure.record.mapping import to_events
from perdure.temporal.history import decode
from tests.replay.record import HISTORIES
from tests.replay.test_golden_histories import load
from tests.support.product import CHECKOUT
from tests.unit.test_record_runs import reset_after_a

RECORDED = CHECKOUT / "web" / "client" / "tests" / "fixtures" / "runs.json"
# Together they have every kind of event that a fold reads; what a longer one would add is only more of the same.
NAMES = (
    "agentflow_approved",
    "agentflow_cancelled",
    "agentflow_failed",
    "agentflow_forked",
    "agentflow_parallel_left_out",
    "agentflow_rejected_by_deadline",
    "agentflow_swarm",
    "chatflow_cut_off",
    "chatflow_failed",
    "chatflow_with_tools",
)
RESET = "reset"
_IDS = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
_USER = 1


async def recorded() -> dict[str, JsonValue]:
    """Each run's `events` and `states`, by name."""
    runs: dict[str, JsonValue] = {}
    for name in NAMES:
        history = await decode(pydantic_data_converter, load(HISTORIES / f"{name}.json").events)
        runs[name] = _told(name, to_events(history, "run"))
    base, again = reset_after_a()
    runs[RESET] = _told(RESET, [*base, *again])
    return runs


def _told(name: str, events: Sequence[ExecutionEvent]) -> JsonValue:
    execution_id = str(uuid5(_IDS, name))
    folded = RunFold()
    told: list[JsonValue] = []
    states: list[JsonValue] = []
    for event in events:
        folded.apply(event)
        told.append(event.to_event(execution_id, _USER).model_dump(mode="json"))
        state = folded.shown(execution_id)
        states.append(state.model_dump(mode="json") if state else None)
    return {"events": told, "states": states}


def text_of(runs: dict[str, JsonValue]) -> str:
    """What the file holds: a line for each event and each state, so that a difference can be read."""
    return json.dumps(runs, ensure_ascii=False, sort_keys=True).replace('{"aggregate_id"', '\n{"aggregate_id"') + "\n"


if __name__ == "__main__":
    RECORDED.parent.mkdir(exist_ok=True)
    RECORDED.write_text(text_of(asyncio.run(recorded())))
