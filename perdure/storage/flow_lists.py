"""Lists of flows, fast among a hundred thousand: which index serves what is said in migration 0002."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    GenerativeSelect,
    Subquery,
    Text,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from perdure.domain.flow_lists import FlowPage, FlowQuery, Scope, SortBy, SortOrder
from perdure.storage.flows import VIEW_COLUMNS, view_of
from perdure.storage.tables import FlowActivityRow, FlowRow, FlowTotalRow

_SORT_KEYS: dict[SortBy, InstrumentedAttribute[Any]] = {
    SortBy.NAME: FlowRow.name_key,
    SortBy.CREATED_AT: FlowRow.created_at,
    SortBy.UPDATED_AT: FlowRow.updated_at,
    SortBy.EXECUTION_COUNT: FlowActivityRow.execution_count,
}
_VIEW_NAMES = tuple(column.key for column in VIEW_COLUMNS)

_USER = bindparam("user_id", type_=BigInteger)
_FLOW_TYPE = bindparam("flow_type", type_=Text)
_IS_ACTIVE: ColumnElement[bool] = bindparam("is_active")
_CATEGORY = bindparam("category", type_=Text)
_TAGS = bindparam("tags", type_=ARRAY(Text))
_WORDS = bindparam("words", type_=Text)


@dataclass(frozen=True)
class Shape:
    """What makes one list's statement differ from another's; the values are parameters."""

    sort_by: SortBy
    sort_order: SortOrder
    scope: Scope
    by_flow_type: bool
    by_is_active: bool
    by_category: bool
    by_tags: bool
    by_words: bool


def shape_and_parameters(user_id: int, query: FlowQuery) -> tuple[Shape, dict[str, Any]]:
    """Split a query into its shape and the values."""
    words = (query.search or "").strip()
    shape = Shape(
        sort_by=query.sort_by,
        sort_order=query.sort_order,
        scope=query.scope,
        by_flow_type=query.flow_type is not None,
        by_is_active=query.is_active is not None,
        by_category=query.category is not None,
        by_tags=bool(query.tags),
        by_words=bool(words),
    )
    parameters: dict[str, Any] = {
        "user_id": user_id,
        "flow_type": query.flow_type and query.flow_type.value,
        "is_active": query.is_active,
        "category": query.category,
        "tags": query.tags or None,
        "words": words or None,
        "length": query.page_size,
        "start": (query.page - 1) * query.page_size,
    }
    return shape, {name: value for name, value in parameters.items() if value is not None}


async def list_flows(connection: AsyncConnection | AsyncSession, user_id: int, query: FlowQuery) -> FlowPage:
    """Read one page and the total, in one statement and so of one moment."""
    shape, parameters = shape_and_parameters(user_id, query)
    found = await connection.execute(list_statement(shape), parameters)
    rows = found.mappings().all()
    total = int(rows[0]["total"])
    flows = [view_of({name: row[name] for name in _VIEW_NAMES}) for row in rows if row["id"] is not None]
    return FlowPage(flows=flows, total=total, page=query.page, page_size=query.page_size)


# Building a statement takes longer than running it.
@lru_cache(maxsize=1024)
def list_statement(shape: Shape) -> Executable:
    """Build the statement of a list: always a row, with `total`; the flow's columns are null when the page is empty."""
    searching = shape.by_tags or shape.by_words
    page, counting = _by_matching(shape) if searching else _by_index(shape)
    total = counting.subquery("counted")
    return (
        select(total.c.total, *VIEW_COLUMNS)
        .select_from(total)
        .outerjoin(page, true())
        .outerjoin(FlowRow, FlowRow.id == page.c.id)
        .outerjoin(FlowActivityRow, FlowActivityRow.flow_id == page.c.id)
        .order_by(*_order(shape, page.c.sort_key, page.c.id))
    )


def _by_index(shape: Shape) -> tuple[Subquery, GenerativeSelect]:
    """An index has the page in order, and the total is kept or counted from an index alone."""
    conditions = _conditions(shape)
    page = _cut(_matching(shape, conditions), shape)
    if shape.by_category or shape.scope is Scope.PUBLIC:
        return page, select(func.count().label("total")).select_from(FlowRow).where(*conditions)
    return page, _kept_total(shape)


def _kept_total(shape: Shape) -> GenerativeSelect:
    kept = [FlowTotalRow.user_id == _USER]
    if shape.by_flow_type:
        kept.append(FlowTotalRow.flow_type == _FLOW_TYPE)
    if shape.by_is_active:
        kept.append(FlowTotalRow.is_active == _IS_ACTIVE)
    return select(func.coalesce(func.sum(FlowTotalRow.flows), 0).label("total")).where(*kept)


def _by_matching(shape: Shape) -> tuple[Subquery, GenerativeSelect]:
    """All that match are found once, then counted and sorted: the total needs them all anyway."""
    matched = _matching(shape, _conditions(shape)).cte("matched")
    total = select(func.count().label("total")).select_from(matched)
    return _cut(select(matched.c.id, matched.c.sort_key), shape), total


def _matching(shape: Shape, conditions: list[ColumnElement[bool]]) -> GenerativeSelect:
    if shape.sort_by is not SortBy.EXECUTION_COUNT:
        return select(FlowRow.id, _SORT_KEYS[shape.sort_by].label("sort_key")).where(*conditions)
    activity = and_(FlowActivityRow.flow_id == FlowRow.id, FlowActivityRow.user_id == FlowRow.user_id)
    if shape.scope is Scope.OWN:
        conditions = [*conditions, FlowActivityRow.user_id == _USER]
    if shape.by_flow_type:
        conditions = [*conditions, FlowActivityRow.flow_type == _FLOW_TYPE]
    return (
        select(FlowActivityRow.flow_id.label("id"), FlowActivityRow.execution_count.label("sort_key"))
        .join(FlowRow, activity)
        .where(*conditions)
    )


def _cut(matching: GenerativeSelect, shape: Shape) -> Subquery:
    """Cut the page out by ids and sort keys alone; whole rows are read for the page only."""
    ordered = matching.order_by(*_order(shape, literal_column("sort_key"), literal_column("id")))
    length, start = bindparam("length", type_=BigInteger), bindparam("start", type_=BigInteger)
    return ordered.limit(length).offset(start).subquery("page")


def _order(shape: Shape, *keys: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    # Ties go the same way as the key, so that one index serves both directions.
    return [key.desc() if shape.sort_order is SortOrder.DESC else key.asc() for key in keys]


def _conditions(shape: Shape) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [FlowRow.deleted_at.is_(None)]
    if shape.scope is Scope.OWN:
        conditions.append(FlowRow.user_id == _USER)
    else:
        conditions.extend((FlowRow.is_public == true(), FlowRow.user_id != _USER))
    if shape.by_flow_type:
        conditions.append(FlowRow.flow_type == _FLOW_TYPE)
    if shape.by_is_active:
        conditions.append(FlowRow.is_active == _IS_ACTIVE)
    if shape.by_category:
        conditions.append(FlowRow.category == _CATEGORY)
    if shape.by_tags:
        conditions.append(_tagged(shape))
    if shape.by_words:
        conditions.extend(_found(shape))
    return conditions


def _tagged(shape: Shape) -> ColumnElement[bool]:
    if shape.scope is Scope.PUBLIC:
        return FlowRow.tags.overlap(_TAGS)
    return func.owned_tags(FlowRow.user_id, FlowRow.tags).op("&&")(func.owned_tags(_USER, _TAGS))


def _found(shape: Shape) -> list[ColumnElement[bool]]:
    folded = func.search_fold(_WORDS)
    # Exact, and nothing in the words is a wildcard; the letter groups only say where to look.
    exact = func.strpos(FlowRow.search_text, folded) > 0
    if shape.scope is Scope.PUBLIC:
        return [exact]
    grams = func.search_grams(FlowRow.user_id, FlowRow.search_text)
    return [grams.op("@>")(func.search_needles(_USER, folded)), exact]
