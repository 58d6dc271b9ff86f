"""Forms that models fill in: schemas that demand every field, readers that forgive a missing one."""

from typing import cast

from pydantic import BaseModel, ConfigDict, JsonValue


def _demand_everything(schema: dict[str, JsonValue]) -> None:
    """What strict structured output asks for: every field required, no other, no defaults. Titles only cost tokens."""
    fields = cast("dict[str, dict[str, JsonValue]]", schema["properties"])
    for each in fields.values():
        each.pop("default", None)
        each.pop("title", None)
    schema.pop("title", None)
    schema["required"] = list[JsonValue](fields)
    schema["additionalProperties"] = False


class Sheet(BaseModel):
    """A form for `Steps.decide`. Small models leave out what is empty and add what nobody asked: both is read."""

    model_config = ConfigDict(frozen=True, extra="ignore", json_schema_extra=_demand_everything)
