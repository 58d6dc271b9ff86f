"""`/api/events/audit`: who did what, and the proof that nobody touched what it says."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from api.deps import Caller, RuntimeDep
from api.problems import problems
from perdure.bootstrap import Runtime
from perdure.domain.audit import AuditPage, AuditQuery, AuditVerdict
from perdure.storage.audit import export, read_audit, seal, verify

router = APIRouter(prefix="/api/events/audit", tags=["events"], responses=problems(401, 422, 503))

_FORMER_AGGREGATES = {"Workflow": ("Flow", "Execution")}
_FORMER_PREFIX = "Workflow"


@router.get("", operation_id="getAuditLog")
async def get_audit_log(
    *,
    caller: Caller,
    runtime: RuntimeDep,
    user_id: Annotated[int | None, Query(description="Who did it.")] = None,
    aggregate_type: Annotated[str | None, Query(description="`Workflow` is an older name of two of them.")] = None,
    event_type: Annotated[str | None, Query(description="`WorkflowCreated` is an older name of `FlowCreated`.")] = None,
    from_date: AwareDatetime | None = None,
    to_date: Annotated[AwareDatetime | None, Query(description="Before this instant.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> AuditPage:
    """The caller's log, newest first: changes, starts and ends of runs, approvals, logins, uses of keys.

    `total_count` is of all that match. Beyond 100,000 entries go on with `to_date`.
    """
    aggregates = _FORMER_AGGREGATES.get(aggregate_type, (aggregate_type,)) if aggregate_type else ()
    query = AuditQuery(
        tenant_id=caller.id,
        user_id=user_id,
        aggregate_types=aggregates,
        event_types=_event_types(event_type) if event_type else (),
        from_date=from_date,
        to_date=to_date,
    )
    async with runtime.single.connect() as connection:
        return await read_audit(connection, query, limit=limit, offset=offset)


def _event_types(named: str) -> tuple[str, ...]:
    if not named.startswith(_FORMER_PREFIX):
        return (named,)
    what = named.removeprefix(_FORMER_PREFIX)
    return f"Flow{what}", f"Execution{what}"


@router.get("/verify", operation_id="verifyAuditLog")
async def verify_audit_log(caller: Caller, runtime: RuntimeDep) -> AuditVerdict:
    """Seal what is not sealed yet, then check every entry of the caller's log against its chain of hashes."""
    await seal(runtime.sessions, caller.id)
    async with runtime.engine.begin() as connection:
        return await verify(connection, caller.id)


@router.get(
    "/export",
    operation_id="exportAuditLog",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "One `AuditLink` a line."}},
)
async def export_audit_log(caller: Caller, runtime: RuntimeDep) -> StreamingResponse:
    """All of the caller's log with its chain, as JSON lines, oldest first; docs/audit.md checks it without us."""
    await seal(runtime.sessions, caller.id)
    return StreamingResponse(
        _lines(runtime, caller.id),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'},
    )


async def _lines(runtime: Runtime, tenant_id: int) -> AsyncIterator[str]:
    async for link in export(runtime.single, tenant_id):
        yield f"{link.model_dump_json()}\n"
