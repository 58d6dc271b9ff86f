"""Any instance of a pydantic model, for property tests: a strategy made from the types of its fields."""

from datetime import UTC, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin
from uuid import UUID

from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue
from pydantic.fields import FieldInfo

Model = TypeVar("Model", bound=BaseModel)

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
"""Whatever PostgreSQL and JSON can keep."""

_TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds the zone
_COUNTS = st.integers(0, 2**31)
JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | _COUNTS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
_SCALARS: dict[object, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: _COUNTS.map(lambda number: number + 1),
    float: st.floats(0, 1e6),
    bool: st.booleans(),
    datetime: _TIMES,
    UUID: st.uuids(),
    NoneType: st.none(),
}


def instances(model: type[Model]) -> st.SearchStrategy[Model]:
    """Instances of a model; constraints beyond types are not looked at, but numbers are positive."""
    return st.builds(model, **{name: _field(field) for name, field in model.model_fields.items()})


def _field(field: FieldInfo) -> st.SearchStrategy[Any]:
    found = _of(field.annotation)
    return found if field.is_required() else st.just(field.get_default(call_default_factory=True)) | found


def _of(annotation: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - any type may be a field's
    if annotation is JsonValue:
        return JSON
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin = get_origin(annotation)
    return _of_class(annotation) if origin is None else _of_parts(origin, get_args(annotation))


def _of_class(annotation: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - as above
    if issubclass(annotation, BaseModel):
        return instances(annotation)
    return st.sampled_from(list(cast("type[Enum]", annotation)))


def _of_parts(origin: Any, arguments: tuple[Any, ...]) -> st.SearchStrategy[Any]:  # noqa: ANN401 - as above
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in {Union, UnionType}:
        return st.one_of([_of(argument) for argument in arguments])
    if origin is dict:
        return st.dictionaries(_of(arguments[0]), _of(arguments[1]), max_size=3)
    listed = st.lists(_of(arguments[0]), max_size=3)
    return listed.map(tuple) if origin is tuple else listed
