"""What routes ask for: the runtime, the caller, a connection to read with."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import HTTPConnection

from api.auth import AuthenticatorDep, Caller, OriginDep
from perdure.bootstrap import Runtime

__all__ = ["AuthenticatorDep", "Caller", "OriginDep", "RuntimeDep", "reading"]


def get_runtime(connection: HTTPConnection) -> Runtime:
    """Give what this process runs on."""
    runtime: Runtime = connection.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]


@asynccontextmanager
async def reading(runtime: Runtime) -> AsyncGenerator[AsyncConnection]:
    """Open a connection for a statement that only reads: it is of one moment by itself and needs no transaction."""
    async with runtime.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        yield connection
