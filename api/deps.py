"""What routes ask for: the runtime, the caller, a connection to read with.

Every dependency is a coroutine, even where it awaits nothing: FastAPI sends plain functions through a thread, which
costs more than they do.
"""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.auth import AuthenticatorDep, Caller, OriginDep, Watcher
from perdure.bootstrap import Runtime
from perdure.storage.engine import Single

__all__ = ["AuthenticatorDep", "Caller", "OriginDep", "ReaderDep", "RuntimeDep", "Watcher"]


async def get_runtime(connection: HTTPConnection) -> Runtime:
    """Give what this process runs on."""
    runtime: Runtime = connection.app.state.runtime
    return runtime


async def get_reader(connection: HTTPConnection) -> Single:
    """Give the pool for statements that only read."""
    return (await get_runtime(connection)).single


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]
ReaderDep = Annotated[Single, Depends(get_reader)]
"""The pool without transactions: one statement that only reads is of one moment by itself."""
