"""Answers that shall be objects: the JSON in what a model wrote, and whether it fits."""

from pydantic import JsonValue, TypeAdapter, ValidationError

from perdure.domain.schemas import misfit

_json: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


def bare_json(text: str) -> str:
    """The object in an answer: models like to wrap it in a fence or in words."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text


def checked(text: str, schema: dict[str, JsonValue] | None) -> tuple[JsonValue, str | None]:
    """The object that an answer is, and what is wrong with it; None, None where none was asked for."""
    if schema is None:
        return None, None
    try:
        data = _json.validate_json(bare_json(text))
    except ValidationError:
        return None, "It is no JSON."
    wrong = misfit(data, schema)
    return (data, None) if wrong is None else (None, wrong)
