"""The application: routes, errors, documentation and edge, put together round a runtime."""

import asyncio
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from api import console, docs, openapi, problems
from api.auth import Authenticator
from api.edge import Edge
from api.routes import (
    agents,
    approvals,
    audit,
    auth,
    chat,
    chat_stream,
    events,
    executions,
    flow_versions,
    flows,
    forks,
    health,
    knowledgebases,
    openai,
    sessions,
    statistics,
    watch,
)
from perdure.bootstrap import Runtime
from perdure.watching import Watching

_DESCRIPTION = """
Agentflows and chatflows that run durably: every execution is a Temporal workflow.

Success is 200 with a body. Errors are `application/problem+json` (RFC 9457). Authorize with address and password, an
API key, or what `perdure token` prints.
"""
_EXPOSED_HEADERS = ("ETag", "Location", "Retry-After", "X-Execution-Id")


def create_app(runtime: Runtime) -> FastAPI:
    """Build the application. It opens and closes nothing: that is the runtime's."""
    app = FastAPI(
        title="Perdure",
        version=version("perdure"),
        summary="Durable LLM flows",
        description=_DESCRIPTION,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.state.runtime = runtime
    app.state.authenticator = Authenticator(runtime.settings, runtime.single)
    app.state.login_desk = auth.LoginDesk()
    app.state.stopping = asyncio.Event()
    app.state.watching = Watching(runtime)
    app.state.console_folder = console.BUILT
    rooms = (health, auth, flows, agents, approvals, chat, chat_stream, sessions, knowledgebases, openai)
    # `statistics` is no id of an execution, so it is tried first.
    for room in (*rooms, statistics, executions, flow_versions, forks, watch, audit, events, problems, docs, console):
        app.include_router(room.router)
    problems.install(app)
    app.openapi = lambda: openapi.document(app)
    # The last added is the outermost: answers of the edge get their CORS headers too.
    limits = runtime.settings.api
    app.add_middleware(Edge, max_body_bytes=limits.max_body_bytes, max_upload_bytes=limits.max_upload_bytes)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=runtime.settings.api.cors_origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["*"],
        expose_headers=_EXPOSED_HEADERS,
        max_age=600,
    )
    return app
