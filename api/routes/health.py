"""`/health`: whether the process is up, and whether what it needs answers. No token needed."""

import asyncio
from collections.abc import Awaitable
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from api.bodies import StrictJsonRoute
from api.deps import ReaderDep, RuntimeDep
from api.problems import problems
from perdure.bootstrap import Runtime
from perdure.domain.errors import UnavailableError
from perdure.storage.engine import Single

_SECONDS = 2.0

router = APIRouter(prefix="/health", tags=["health"], route_class=StrictJsonRoute)


class Live(BaseModel):
    """The process answers."""

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """The process and what it needs answer."""

    status: Literal["ready"] = "ready"
    database: Literal["answers"] = "answers"
    temporal: Literal["answers"] = "answers"


@router.get("/live", operation_id="getLiveness")
async def is_live() -> Live:
    """Say that the process is up."""
    return Live()


@router.get("/ready", operation_id="getReadiness", responses=problems(503))
async def is_ready(runtime: RuntimeDep, reader: ReaderDep, response: Response) -> Ready:
    """Ask the database and Temporal, each for 2 s at most; 503 names what does not answer."""
    response.headers["Cache-Control"] = "no-store"
    answers = await asyncio.gather(_answers(_ask_database(reader)), _answers(_ask_temporal(runtime)))
    silent = [name for name, answer in zip(("the database", "Temporal"), answers, strict=True) if not answer]
    if silent:
        verb = "do" if len(silent) > 1 else "does"
        raise UnavailableError(f"Not ready: {' and '.join(silent)} {verb} not answer.")
    return Ready()


async def _answers(question: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(_SECONDS):
            await question
    except (OSError, SQLAlchemyError, RPCError, RuntimeError):
        return False
    return True


async def _ask_database(reader: Single) -> None:
    async with reader.connect() as connection:
        await connection.execute(text("SELECT 1"))


async def _ask_temporal(runtime: Runtime) -> None:
    if not await runtime.client.service_client.check_health():
        raise RuntimeError("Temporal says that it is not serving.")
