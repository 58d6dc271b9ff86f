"""Forks and retries: new executions that begin with what another one had done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn
from uuid import UUID

import orjson
from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncConnection

from perdure.bootstrap import Runtime
from perdure.domain.errors import ConflictError, FieldProblem, ForbiddenError, NotFoundError, UnprocessableError
from perdure.domain.events import ExecutionEvent, StepReused, StepScheduled
from perdure.domain.executions import Execution, ExecutionStatus, ForkedFrom
from perdure.domain.flow_edits import overlay
from perdure.domain.flows import Agentflow, Chatflow, flow_adapter
from perdure.domain.forks import Fork, ForkedTurn, PrefixStep
from perdure.domain.runs import RunInput
from perdure.domain.text import storable
from perdure.executions import KeyedRequest, StartRequest, get_execution
from perdure.orchestration.answers import checked
from perdure.record.fold import counting
from perdure.record.forking import Cut, PastStep, past_steps, prefix_of, since, to_retry, up_to
from perdure.storage.executions import read_execution
from perdure.storage.flows import get_flow
from perdure.storage.reuse import KeptStep, kept_steps, session_memory
from perdure.temporal.history import RunHistory

NOT_KEPT = (
    "The engine no longer keeps the record of this execution, so nothing can go on from it: start the flow again."
)
SHOWN_STEPS = 30


@dataclass(frozen=True)
class ForkAsked:
    """A fork as its caller asks for it."""

    from_step: str | None = None
    from_version: int | None = None
    edits: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    flow: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    input_data: dict[str, JsonValue] | None = None

    def keyed(self, parent: Execution, key: str | None) -> KeyedRequest:
        """The request, as a repeated call is told by."""
        origin: dict[str, JsonValue] = {
            "fork": str(parent.id),
            "from_step": self.from_step,
            "from_version": self.from_version,
            "edits": self.edits,
            "flow": self.flow,
        }
        given = parent.input_data if self.input_data is None else self.input_data
        return KeyedRequest(parent.flow_id, parent.user_id, given, key, origin)


@dataclass(frozen=True)
class RetryAsked:
    """A retry as its caller asks for it."""

    use_current_flow: bool = False

    def keyed(self, parent: Execution, key: str | None) -> KeyedRequest:
        """The request, as a repeated call is told by."""
        origin: dict[str, JsonValue] = {"retry": str(parent.id), "use_current_flow": self.use_current_flow}
        return KeyedRequest(parent.flow_id, parent.user_id, parent.input_data, key, origin)


async def read_parent(runtime: Runtime, execution_id: UUID, *, user_id: int) -> Execution:
    """The run to go on from, as the list knows it. Raises NotFoundError."""
    async with runtime.single.connect() as connection:
        return await read_execution(connection, execution_id, user_id=user_id)


async def read_record(runtime: Runtime, execution_id: UUID) -> RunHistory:
    """What a run has done. Raises NotFoundError when that is no longer kept."""
    history = await runtime.records.read(execution_id)
    if history is None:
        raise NotFoundError(NOT_KEPT)
    # What a reset left behind was done, and does not count: it is not gone on from.
    return replace(history, events=counting(history.events))


async def plan(runtime: Runtime, parent: Execution, asked: ForkAsked | RetryAsked, keyed: KeyedRequest) -> StartRequest:
    """Work out what the new run reuses and does.

    Raises UnprocessableError for what cannot be forked so, ConflictError for a run that is not to be retried or a flow
    that is deactivated, ForbiddenError for edits of another user's flow, NotFoundError for a record or a flow that is
    gone.
    """
    if isinstance(asked, RetryAsked):
        await _check_retriable(runtime, parent)
    history = await read_record(runtime, parent.id)
    run = RunInput.model_validate(history.input)
    flow = await _flow(runtime, run, asked, keyed.user_id)
    events = history.events
    edits: dict[str, str] = {}
    without: frozenset[str] = frozenset()
    if isinstance(asked, RetryAsked):
        cut, without = to_retry(events)
    else:
        steps = past_steps(events)
        edits = _edited(asked, steps, flow)
        cut = _cut(asked, events, steps)
    async with runtime.single.connect() as connection:
        kept = await kept_steps(connection, parent.id)
        prefix = prefix_of(events, cut, edits=edits, refused=kept, changed=_changed(run.flow, flow), without=without)
        # A retried turn takes a new place in its session; a forked one has none.
        is_placed = run.conversation is not None and isinstance(asked, RetryAsked)
        turn = None if is_placed else await _turn(connection, run, events)
    fork = Fork(
        forked_from=ForkedFrom(execution_id=parent.id, version=cut.version, step=cut.step),
        prefix=tuple(_placed(prefix, past_steps(up_to(events, cut.heard)), kept)),
        turn=turn,
    )
    session = run.conversation.session_id if run.conversation and is_placed else None
    return StartRequest(
        flow_id=keyed.flow_id,
        user_id=keyed.user_id,
        input_data=keyed.input_data,
        idempotency_key=keyed.idempotency_key,
        origin=keyed.origin,
        flow=flow,
        fork=fork,
        retried_session=session,
    )


async def _check_retriable(runtime: Runtime, parent: Execution) -> None:
    status = (await get_execution(runtime, parent.id, user_id=parent.user_id)).status
    if not status.is_final:
        raise ConflictError("This execution has not ended: cancel it first, or fork it.")
    if status is ExecutionStatus.COMPLETED:
        raise ConflictError("This execution has completed, so there is nothing to retry: fork it to do a part anew.")


async def _flow(runtime: Runtime, run: RunInput, asked: ForkAsked | RetryAsked, user_id: int) -> Agentflow | Chatflow:
    """The flow to run: as it was recorded, edited where the caller says so, or as it is now."""
    recorded: Agentflow | Chatflow = run.flow
    try:
        async with runtime.single.connect() as connection:
            present = await get_flow(connection, recorded.id, user_id=user_id)
    except NotFoundError:
        # Its owner may go on with a deleted flow. Whoever it was public for may not: it would act as its owner.
        if recorded.user_id != user_id or (isinstance(asked, RetryAsked) and asked.use_current_flow):
            raise NotFoundError(
                "The flow of this execution is gone: leave out use_current_flow, or start another."
            ) from None
    else:
        if not present.is_active:
            raise ConflictError("This flow is deactivated: set is_active to true to run it.")
        if recorded.user_id != user_id or (isinstance(asked, RetryAsked) and asked.use_current_flow):
            # What its owner has taken out of a public flow, others do not run any more.
            recorded = present
    if isinstance(asked, RetryAsked) or not asked.flow:
        return recorded
    if run.flow.user_id != user_id:
        raise ForbiddenError("Only the owner of a flow may fork its executions with an edited flow: leave out `flow`.")
    edited = overlay(recorded, asked.flow)
    return flow_adapter.validate_python({**recorded.model_dump(), **edited.model_dump()})


def _changed(before: Agentflow | Chatflow, after: Agentflow | Chatflow) -> frozenset[str]:
    """The agents that are not what they were, also where it is their models that differ by the supervisor's."""
    if not isinstance(before, Agentflow) or not isinstance(after, Agentflow):
        return frozenset()
    were = {agent.id: agent for agent in before.agents}
    if before.supervisor_config != after.supervisor_config:
        return frozenset(were)
    are = {agent.id: agent for agent in after.agents}
    return frozenset(agent_id for agent_id, agent in were.items() if are.get(agent_id) != agent)


def _cut(asked: ForkAsked, events: Sequence[ExecutionEvent], steps: Mapping[str, PastStep]) -> Cut:
    if asked.from_step is not None and asked.from_version is not None:
        raise _invalid("from_version", "Send from_step or from_version, not both.")
    if asked.from_step is not None:
        step = steps.get(asked.from_step)
        if step is None:
            _unknown("from_step", asked.from_step, steps)
        return Cut(version=step.scheduled - 1, heard=step.scheduled, step=step.step_id)
    if asked.from_version is not None:
        end = events[-1].version if events else 0
        if not 1 <= asked.from_version <= end:
            raise _invalid("from_version", f"This execution has the versions 1 to {end} so far: send one of them.")
        if all(event.version != asked.from_version for event in events):
            raise _invalid("from_version", "A reset left this version behind: send one that still counts.")
        begun = [
            event.data.step_id for event in since(events, asked.from_version) if isinstance(event.data, _BEGINNINGS)
        ]
        return Cut(version=asked.from_version, heard=asked.from_version, step=begun[0] if begun else None)
    if not asked.edits:
        raise _invalid("from_step", "Say where the fork parts: send from_step, from_version, or edits.")
    # Right after what is edited.
    version = max(steps[step_id].completed or steps[step_id].scheduled for step_id in asked.edits)
    begun = [event.data.step_id for event in since(events, version) if isinstance(event.data, _BEGINNINGS)]
    return Cut(version=version, heard=version, step=begun[0] if begun else None)


_BEGINNINGS = (StepScheduled, StepReused)


def _edited(asked: ForkAsked, steps: Mapping[str, PastStep], flow: Agentflow | Chatflow) -> dict[str, str]:
    """The edits as the texts that steps leave. Raises UnprocessableError for those that do not fit."""
    schemas = {agent.id: agent.output_schema for agent in flow.agents} if isinstance(flow, Agentflow) else {}
    edits: dict[str, str] = {}
    for step_id, value in asked.edits.items():
        step = steps.get(step_id)
        if step is None:
            _unknown("edits", step_id, steps)
        text = storable(value if isinstance(value, str) else orjson.dumps(value).decode())
        if step.kind == "model":
            schema: dict[str, JsonValue] | None = schemas.get(step.node_id)
            if schema is None and step.form:
                # What a decision may be is said by the strategy, which asks again where this one cannot be used.
                schema = {"type": "object"}
            complaint = checked(text, schema)[1]
            if complaint is not None:
                raise _invalid("edits", f"The output of '{step_id}' does not fit its schema: {complaint}")
        edits[step_id] = text
    return edits


def _placed(
    prefix: Sequence[PrefixStep], steps: Mapping[str, PastStep], kept: Mapping[str, Sequence[KeptStep]]
) -> list[PrefixStep]:
    """Say of each reused step where its words are kept. Raises ConflictError where they are gone."""
    placed: list[PrefixStep] = []
    for entry in prefix:
        step = steps.get(entry.step_id)
        if entry.edited or (entry.error is not None and entry.kind != "words"):
            placed.append(entry)
            continue
        found = kept.get(entry.step_id, ())
        same = [each for each in found if step and step.finished_at and each.completed_at == step.finished_at]
        if found:
            placed.append(entry.model_copy(update={"run_id": (same or found)[-1].run_id}))
        elif entry.kind == "words" and step is not None:
            # A flow that has just ended: the run that called it has not kept its answer yet.
            placed.append(entry.model_copy(update={"output": step.text or step.error or ""}))
        else:
            raise ConflictError(f"The words of step '{entry.step_id}' are no longer kept: fork before it.")
    return placed


async def _turn(connection: AsyncConnection, run: RunInput, events: Sequence[ExecutionEvent]) -> ForkedTurn | None:
    """What a forked chat turn may know of its session: what the turn itself knew."""
    if run.conversation is None:
        return run.fork.turn if run.fork else None
    upto = run.conversation.upto
    for event in events:
        session = event.data.input.get("session") if isinstance(event.data, _BEGINNINGS) else None
        told = session.get("upto") if isinstance(session, dict) else None
        if isinstance(told, int):
            upto = told
    session_id = run.conversation.session_id
    memory = await session_memory(connection, user_id=run.user_id, session_id=session_id)
    return ForkedTurn(session_id=session_id, upto=upto, memory=memory)


def _unknown(name: str, step_id: str, steps: Mapping[str, PastStep]) -> NoReturn:
    known = ", ".join(f"'{step.step_id}' ({step.node_label})" for step in list(steps.values())[:SHOWN_STEPS])
    more = ", …" if len(steps) > SHOWN_STEPS else ""
    raise _invalid(name, f"This execution has no step '{step_id[:100]}'. Its steps: {known or 'none yet'}{more}.")


def _invalid(name: str, problem: str) -> UnprocessableError:
    return UnprocessableError(problem, errors=[FieldProblem(loc=["body", name], msg=problem)])
