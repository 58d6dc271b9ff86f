"""All events as one union: for the store, the stream, the console and generated types."""

from functools import cache
from typing import Annotated, cast, get_args

from pydantic import BaseModel, Field, JsonValue, TypeAdapter

from perdure.domain.changes import ChangeEventData
from perdure.domain.events import Event, ExecutionEventData

EventData = Annotated[ExecutionEventData | ChangeEventData, Field(discriminator="type")]

event_data_adapter: TypeAdapter[ExecutionEventData | ChangeEventData] = TypeAdapter(EventData)


def _members(union: object) -> list[type[BaseModel]]:
    return list(get_args(get_args(union)[0]))


EXECUTION_EVENTS = {member.model_fields["type"].default: member for member in _members(ExecutionEventData)}
CHANGE_EVENTS = {member.model_fields["type"].default: member for member in _members(ChangeEventData)}
"""The models of event data by the event's type."""


def typed(event: Event) -> ExecutionEventData | ChangeEventData | None:
    """What an event tells, typed. None: a type that this build does not know.

    Raises ValidationError where its data are not those of its type.
    """
    if event.event_type not in EXECUTION_EVENTS | CHANGE_EVENTS:
        return None
    return event_data_adapter.validate_python({**event.event_data, "type": event.event_type})


@cache
def event_schema() -> dict[str, JsonValue]:
    """The JSON Schema (2020-12) of every event, envelope included: one branch for each type."""
    definitions: dict[str, JsonValue] = event_data_adapter.json_schema(mode="serialization").pop("$defs")
    envelope = Event.model_json_schema(mode="serialization")
    branches: list[JsonValue] = []
    for members, aggregates in ((EXECUTION_EVENTS, True), (CHANGE_EVENTS, False)):
        for name, member in members.items():
            data = cast("dict[str, JsonValue]", definitions[name])
            # The type stands in the envelope, not in the data.
            cast("dict[str, JsonValue]", data["properties"]).pop("type", None)
            data["required"] = [field for field in cast("list[str]", data.get("required", [])) if field != "type"]
            aggregate = "Execution" if aggregates else str(getattr(member, "aggregate_type", ""))
            own: dict[str, JsonValue] = {
                "aggregate_type": {"const": aggregate},
                "event_type": {"const": name},
                "event_data": {"$ref": f"#/$defs/{name}"},
            }
            branches.append(
                {
                    "title": name,
                    "type": "object",
                    "description": data.get("description", ""),
                    "properties": {**envelope["properties"], **own},
                    "required": envelope["required"],
                }
            )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Event",
        "oneOf": branches,
        "$defs": definitions,
    }
