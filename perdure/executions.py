"""Starting, reading and cancelling executions: what every door into the product does the same way."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID, uuid4, uuid5

import orjson
from pydantic import JsonValue, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.service import RPCError, RPCStatusCode

from perdure.bootstrap import Runtime
from perdure.domain.audit import Deed
from perdure.domain.chats import told_messages
from perdure.domain.errors import ConflictError, FieldProblem, UnprocessableError
from perdure.domain.events import planned_nodes
from perdure.domain.executions import Execution, ExecutionStatus
from perdure.domain.flows import Agentflow, Chatflow, ConcurrentTurns, FlowType
from perdure.domain.forks import Fork
from perdure.domain.generation import ModelRef
from perdure.domain.ledger import Ledger
from perdure.domain.runs import ConversationRef, RunInput
from perdure.live import announce_cancel
from perdure.record.reading import failure_sentence
from perdure.runnable import check_runnable
from perdure.storage.audit import note
from perdure.storage.chats import open_session
from perdure.storage.executions import find_by_key, insert_started, note_start, read_execution
from perdure.storage.turns import add_turn
from perdure.temporal.settling import settle_from_history
from perdure.temporal.starting import run_handle, start_run

_KEYED = UUID("5b2a8c39-6f6d-4a51-9a55-1f3c7e1d9f10")
"""The name space of execution ids that are made from idempotency keys."""


@dataclass(frozen=True)
class KeyedRequest:
    """What a caller asked for, before anything of it is looked up."""

    flow_id: UUID
    user_id: int
    input_data: dict[str, JsonValue]
    idempotency_key: str | None = None
    origin: dict[str, JsonValue] | None = None
    """Of a fork or a retry: of which run, and how."""
    version: int | None = None
    """Of the flow; None: the one it has now."""

    @property
    def request_hash(self) -> str:
        """What must be equal for two calls with one key to be the same call."""
        asked: dict[str, JsonValue] = {"flow_id": str(self.flow_id), "input_data": self.input_data}
        if self.origin is not None:
            asked["origin"] = self.origin
        if self.version is not None:
            asked["version"] = self.version
        return sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def execution_id(self) -> UUID:
        """A fresh id, or the one that belongs to the key: a repeated start finds the first one's workflow."""
        return uuid5(_KEYED, f"{self.user_id}:{self.idempotency_key}") if self.idempotency_key else uuid4()


@dataclass(frozen=True)
class StartRequest(KeyedRequest):
    """A request whose flow was found and may be seen by its caller; the doors check that."""

    flow: Agentflow | Chatflow = field(kw_only=True)
    fork: Fork | None = field(default=None, kw_only=True)
    retried_session: str | None = field(default=None, kw_only=True)
    """The session that a retried chat turn takes a new place in; a fork takes none."""

    @classmethod
    def of(cls, asked: KeyedRequest, flow: Agentflow | Chatflow) -> "StartRequest":
        """Add the flow."""
        return cls(
            flow_id=asked.flow_id,
            user_id=asked.user_id,
            input_data=asked.input_data,
            idempotency_key=asked.idempotency_key,
            origin=asked.origin,
            version=asked.version,
            flow=flow,
        )


async def start_execution(runtime: Runtime, request: StartRequest, *, execution_id: UUID) -> Execution:
    """Start the run and list it, in one transaction: neither exists without the other once this returns.

    Raises ConflictError for a flow that cannot run as it is and for a key that came with another request,
    UnprocessableError for an input that the flow cannot use, Temporal's RPCError when it does not answer.
    """
    check_runnable(request.flow)
    session_id = _chat_session(request)
    try:
        run = await _start_when_free(runtime, request, execution_id, session_id)
    except _TakenError:
        # A concurrent call with the same key was first; what this one had begun is rolled back.
        found = await find_started(runtime, request)
        if found is None:
            msg = "An execution with this id exists already."
            raise ConflictError(msg) from None
        return found
    ledger = Ledger(planned_nodes(request.flow))
    return Execution(
        **run.header.model_dump(exclude={"execution_id", "idempotency_key", "request_hash"}),
        id=execution_id,
        status=ExecutionStatus.RUNNING,
        node_executions=ledger.nodes,
        metrics=ledger.metrics(started_at=run.started_at, until=None),
    )


class _BusyError(Exception):
    """Another turn of the session is under way, and the flow lets none wait."""

    def __init__(self, ahead: UUID) -> None:
        super().__init__()
        self.ahead = ahead


class _TakenError(Exception):
    """The execution's id or its idempotency key is in the list already."""


async def _start_when_free(
    runtime: Runtime, request: StartRequest, execution_id: UUID, session_id: str | None
) -> RunInput:
    """Start it. A turn in the way that has ended without a chance to say so is settled; one that runs is a conflict."""
    while True:
        try:
            return await _start(runtime, request, execution_id, session_id)
        except _BusyError as busy:
            ahead = await get_execution(runtime, busy.ahead, user_id=request.user_id)
            if not ahead.status.is_final:
                msg = "This session is answering another message: send this one when that turn has ended."
                raise ConflictError(msg) from None


async def _start(runtime: Runtime, request: StartRequest, execution_id: UUID, session_id: str | None) -> RunInput:
    # A connection, since a session's bookkeeping would cost more than the statements.
    async with runtime.engine.begin() as connection:
        conversation = await _converse(connection, request, execution_id, session_id) if session_id else None
        run = _run_input(request, execution_id, conversation, runtime.default_model)
        if request.idempotency_key is None:
            if not await _list_and_start(runtime, connection, run):
                return run
        elif await insert_started(connection, run.header):
            # Whoever inserts a key's row is the one who starts its run.
            await start_run(runtime.client, run)
        else:
            raise _TakenError
        await note_start(connection, run.header)
    return run


async def _converse(
    connection: AsyncConnection, request: StartRequest, execution_id: UUID, session_id: str
) -> ConversationRef:
    """Give the turn its place in its session. Raises _BusyError where the flow takes one turn at a time."""
    opened = await open_session(connection, user_id=request.user_id, session_id=session_id, flow_id=request.flow.id)
    ahead = await add_turn(connection, opened.key, opened.turns, execution_id)
    flow = request.flow
    if ahead and isinstance(flow, Chatflow) and flow.chat_config.concurrent_turns is ConcurrentTurns.REJECT:
        raise _BusyError(ahead)
    return ConversationRef(user_id=request.user_id, session_id=session_id, upto=opened.messages, ordered=True)


async def _list_and_start(runtime: Runtime, connection: AsyncConnection, run: RunInput) -> bool:
    """Insert the row and start the workflow at the same time: the id is new, so neither can have been done before.

    False: the run was faster. It has ended, and has listed and counted itself.
    """
    starting = asyncio.create_task(start_run(runtime.client, run))
    try:
        is_first = await insert_started(connection, run.header)
        await starting
    finally:
        starting.cancel()
    return is_first


async def find_started(runtime: Runtime, request: KeyedRequest) -> Execution | None:
    """The execution that this idempotency key started before. None without a key, and for a new one.

    Raises ConflictError when the key came with another request.
    """
    if request.idempotency_key is None:
        return None
    async with runtime.single.connect() as connection:
        found = await find_by_key(connection, user_id=request.user_id, key=request.idempotency_key)
    if found is None:
        return None
    execution, request_hash = found
    if request_hash != request.request_hash:
        msg = "This Idempotency-Key was used with another request: send a new key, or the same request."
        raise ConflictError(msg)
    return execution


async def get_execution(runtime: Runtime, execution_id: UUID, *, user_id: int) -> Execution:
    """One execution as it is now: from its row when it has ended, from Temporal's history while it runs.

    A run that ended without a chance to write is settled here, so nobody is told that it runs. Raises NotFoundError.
    """
    async with runtime.single.connect() as connection:
        execution = await read_execution(connection, execution_id, user_id=user_id)
    if execution.status.is_final:
        return execution
    live = await _as_it_runs(runtime, execution)
    if live is not None:
        return live
    await settle_from_history(runtime.records, runtime.sessions, execution_id)
    async with runtime.single.connect() as connection:
        return await read_execution(connection, execution_id, user_id=user_id)


async def cancel_execution(runtime: Runtime, execution_id: UUID, *, user_id: int) -> Execution:
    """Ask a run to stop. Raises ConflictError once it has ended, NotFoundError when it is not this user's."""
    execution = await get_execution(runtime, execution_id, user_id=user_id)
    if not execution.status.is_final:
        async with runtime.single.connect() as connection:
            asked = Deed("ExecutionCancelRequested", "Execution", str(execution_id), user_id, user_id, {})
            await note(connection, asked)
            await announce_cancel(connection, execution_id)
        try:
            await run_handle(runtime.client, execution_id).cancel()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        else:
            return execution
        # It ended between our look and our call.
        execution = await get_execution(runtime, execution_id, user_id=user_id)
    msg = f"This execution has ended ({execution.status.value}): there is nothing left to cancel."
    raise ConflictError(msg)


async def _as_it_runs(runtime: Runtime, execution: Execution) -> Execution | None:
    history, description = await asyncio.gather(runtime.records.read(execution.id), _pending(runtime, execution.id))
    if history is None or history.state.status.is_final:
        return None
    ledger = history.state.ledger
    for step_id, attempt, last_error in description:
        ledger.retried(step_id, attempt, last_error)
    return execution.model_copy(
        update={
            "status": ExecutionStatus.RUNNING if history.taken else ExecutionStatus.PENDING,
            "node_executions": ledger.nodes,
            "metrics": ledger.metrics(started_at=execution.started_at, until=None),
        }
    )


async def _pending(runtime: Runtime, execution_id: UUID) -> list[tuple[str, int, str | None]]:
    """The steps in flight: id, attempt, and what the last attempt died of. History shows none of it."""
    try:
        description = await run_handle(runtime.client, execution_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return []
        raise
    return [
        (
            step.activity_id,
            max(step.attempt, 1),
            failure_sentence(step.last_failure) if step.HasField("last_failure") else None,
        )
        for step in description.raw_description.pending_activities
    ]


def _chat_session(request: StartRequest) -> str | None:
    """The session of a chat turn: the one asked for, else a new one.

    None for an agentflow, and for a turn that comes with the messages before it: its caller keeps the conversation.
    """
    if request.flow.flow_type is FlowType.AGENTFLOW:
        return None
    session_id = _asked_session(request)
    return request.retried_session if request.fork is not None else session_id


def _asked_session(request: StartRequest) -> str | None:
    message = request.input_data.get("message")
    if not isinstance(message, str) or not message.strip():
        raise _invalid("message", "A chatflow needs a message: send input_data.message as a text.")
    session_id = request.input_data.get("session_id")
    try:
        told = told_messages(request.input_data)
    except ValidationError:
        problem = "messages must be a list of the messages before this one, each with a role and content."
        raise _invalid("messages", problem) from None
    if told is not None:
        if session_id is not None:
            raise _invalid("messages", "Send session_id or messages: a session has messages of its own.")
        return None
    if session_id is None:
        return str(uuid4())
    if not isinstance(session_id, str) or not 1 <= len(session_id) <= MAX_SESSION_ID:
        raise _invalid("session_id", f"session_id must be a text of 1 to {MAX_SESSION_ID} characters.")
    return session_id


MAX_SESSION_ID = 255


def _invalid(field: str, problem: str) -> UnprocessableError:
    return UnprocessableError(problem, errors=[FieldProblem(loc=["body", "input_data", field], msg=problem)])


def _run_input(
    request: StartRequest, execution_id: UUID, conversation: ConversationRef | None, model: ModelRef | None
) -> RunInput:
    return RunInput(
        execution_id=execution_id,
        # The editor's drawing takes no part in a run and can be large.
        flow=request.flow.model_copy(update={"graph_definition": None}),
        user_id=request.user_id,
        input_data=request.input_data,
        conversation=conversation,
        idempotency_key=request.idempotency_key,
        request_hash=request.request_hash if request.idempotency_key else None,
        default_model=model,
        fork=request.fork,
        started_at=datetime.now(UTC),
    )
