"""A model's arguments against what it was told of them."""

from typing import cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match  # pyright: ignore[reportUnknownVariableType] - its result is untyped
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import SchemaRegistry

from perdure.domain.generation import ToolCall, ToolSpec

LONGEST_COMPLAINT = 500
"""Characters of a validator's words; they quote the argument, which may be a whole document."""

# Empty: a reference to elsewhere is not fetched.
_NOTHING_ELSE: SchemaRegistry = Registry()


def problem_with(call: ToolCall, spec: ToolSpec) -> str | None:
    """What is wrong with the arguments, as a sentence that the model can act on; None where they fit the schema.

    A schema that is itself none, or that leads elsewhere, says nothing: its tool checks the arguments on its own.
    """
    if call.malformed is not None:
        return "The arguments are not a JSON object. Call the tool again with one that fits its schema."
    validator = _validator(spec.parameters)
    try:
        validator.check_schema(spec.parameters)
        error = cast("ValidationError | None", best_match(validator.iter_errors(call.arguments)))
    except (SchemaError, Unresolvable):
        return None
    if error is None:
        return None
    words = error.message if len(error.message) <= LONGEST_COMPLAINT else error.message[:LONGEST_COMPLAINT] + "…"
    return f"The arguments do not fit ({error.json_path}: {words}). Call the tool again with arguments that do."


def _validator(schema: dict[str, JsonValue]) -> Validator:
    chosen: type[Validator] = validator_for(schema, default=Draft202012Validator)
    return chosen(schema, registry=_NOTHING_ELSE)
