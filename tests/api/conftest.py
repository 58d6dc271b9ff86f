"""The API on the session's servers, called through ASGI by users of each test's own."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from api.app import create_app
from perdure.auth import Passwords, issue_token
from perdure.bootstrap import Runtime
from perdure.domain.users import User
from perdure.storage.users import ensure_user, set_password
from tests.api.callers import BASE_URL, PASSWORD, Call, Caller, NewCaller


@pytest.fixture(scope="session")
def password_hash() -> str:
    return Passwords().hash(PASSWORD)


@pytest.fixture
async def app(runtime: Runtime) -> FastAPI:
    return create_app(runtime)


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncGenerator[Call]:
    """Calls without a token."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=BASE_URL) as client:
        yield Call(client)


@pytest.fixture
async def new_caller(app: FastAPI, runtime: Runtime, password_hash: str) -> AsyncGenerator[NewCaller]:
    """Makes a user and calls as that user."""
    async with AsyncExitStack() as stack:

        async def make() -> Caller:
            async with runtime.sessions.begin() as session:
                user: User = await ensure_user(session, f"{uuid4().hex}@example.com")
                await set_password(session, user.id, password_hash)
            client = httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app),
                base_url=BASE_URL,
                headers={"Authorization": f"Bearer {issue_token(runtime.settings, user)}"},
            )
            return Caller(await stack.enter_async_context(client), user)

        yield make


@pytest.fixture
async def alice(new_caller: NewCaller) -> Caller:
    return await new_caller()


@pytest.fixture
async def bob(new_caller: NewCaller) -> Caller:
    return await new_caller()
