"""What a run put down and what people told it → events: notes from markers, decisions from updates."""

from pydantic import TypeAdapter
from temporalio.api.update.v1 import Request

from perdure.domain.approvals import DECIDE, ApprovalDecision
from perdure.domain.events import ApprovalDecided, StepReused
from perdure.domain.notes import AnyNote, Note
from perdure.domain.reuse import Reused
from perdure.record.reading import Reading, Recorded

_note: TypeAdapter[Note] = TypeAdapter(AnyNote)


def marker_set(recorded: Recorded, _reading: Reading) -> Note | StepReused | None:
    """A marker of a local activity: a note, a reused step, or nothing that users care for."""
    match recorded.local_activity:
        case "note":
            return _note.validate_python(recorded.values[0])
        case "reuse":
            return Reused.model_validate(recorded.values[0]).event
        case _:
            return None


def update_admitted(recorded: Recorded, reading: Reading) -> None:
    """Remember a decision that comes again after a reset; what is accepted later carries no input then."""
    _remember(reading, recorded.event.workflow_execution_update_admitted_event_attributes.request, recorded)


def update_accepted(recorded: Recorded, reading: Reading) -> None:
    """Remember a decision until its outcome is known."""
    _remember(reading, recorded.event.workflow_execution_update_accepted_event_attributes.accepted_request, recorded)


def _remember(reading: Reading, request: Request, recorded: Recorded) -> None:
    if recorded.values and request.input.name == DECIDE:
        reading.decisions[request.meta.update_id] = ApprovalDecision.model_validate(recorded.values[0])


def update_completed(recorded: Recorded, reading: Reading) -> ApprovalDecided | None:
    """A person decided; whether it counted is in the outcome."""
    attributes = recorded.event.workflow_execution_update_completed_event_attributes
    decided = reading.decisions.get(attributes.meta.update_id)
    if decided is None:
        return None
    failed = attributes.outcome.HasField("failure")
    return ApprovalDecided(**decided.model_dump(), refused=attributes.outcome.failure.message if failed else None)
