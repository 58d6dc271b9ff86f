"""JSON Schemas that flows bring: whether they are any, and whether an answer fits one."""

from collections.abc import Iterator
from typing import cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from pydantic import JsonValue


def check_schema(schema: dict[str, JsonValue]) -> None:
    """Raise ValueError with a sentence when this is no JSON Schema of an object."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"This is no JSON Schema: {error.message}.") from None
    if schema.get("type") != "object":
        raise ValueError('Models answer with objects: the schema needs "type": "object".')


def misfit(data: JsonValue, schema: dict[str, JsonValue]) -> str | None:
    """What is wrong with `data`, in one sentence that begins with the place; None where it fits."""
    found = cast("Iterator[ValidationError]", Draft202012Validator(schema).iter_errors(data))  # pyright: ignore[reportUnknownMemberType] the stubs leave the second parameter open
    error = next(found, None)
    return None if error is None else f"{error.json_path}: {error.message}."
