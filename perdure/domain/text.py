"""Text that every part can keep."""

from pydantic import JsonValue


def storable(text: str) -> str:
    """Take out what PostgreSQL cannot store in a text and JSON cannot carry: NUL, and halves of surrogate pairs.

    Models and providers send such things now and then; a run must not be stuck on one.
    """
    return text.replace("\x00", "").encode(errors="replace").decode()


def storable_json(value: JsonValue) -> JsonValue:
    """The same for every text in a JSON value, the names of its fields included: JSONB takes no NUL either."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [storable_json(each) for each in value]
    if isinstance(value, dict):
        return {storable(name): storable_json(each) for name, each in value.items()}
    return value
