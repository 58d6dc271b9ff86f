"""Forms that models fill in: schemas that demand every field, readers that forgive a missing one."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

AnySheet = TypeVar("AnySheet", bound="Sheet")


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


def limited(form: type[AnySheet], options: Mapping[str, Sequence[str]]) -> type[AnySheet]:
    """The form with these options for each of these fields in its schema, so that a model held to it takes no other.

    Models that are not held to schemas answer what they like: `check` in `Steps.decide` is still needed.
    """
    fields: dict[str, Any] = {}
    for name, allowed in options.items():
        info = form.model_fields[name]
        fields[name] = (
            info.annotation,
            Field(description=info.description, json_schema_extra={"enum": list[JsonValue](allowed)}),
        )
    return create_model(form.__name__, __base__=form, __doc__=form.__doc__, **fields)
