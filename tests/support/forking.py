"""Forks and retries in tests, as the API does them."""

from uuid import UUID

from perdure.domain.events import StepReused, StepScheduled
from perdure.domain.executions import Execution
from perdure.executions import start_execution
from perdure.forks import ForkAsked, RetryAsked, plan, read_parent
from tests.support.running import Lab


async def go_on(lab: Lab, execution_id: UUID, asked: ForkAsked | RetryAsked) -> UUID:
    """Start a fork or a retry; its id."""
    parent = await read_parent(lab.runtime, execution_id, user_id=lab.user_id)
    request = await plan(lab.runtime, parent, asked, asked.keyed(parent, None))
    return (await start_execution(lab.runtime, request, execution_id=request.execution_id)).id


async def fork(lab: Lab, execution_id: UUID, asked: ForkAsked) -> Execution:
    """Fork a run and wait for the fork's end; its history is replayed."""
    return await lab.finish(await go_on(lab, execution_id, asked))


async def retry(lab: Lab, execution_id: UUID, *, use_current_flow: bool = False) -> Execution:
    """Retry a run and wait for the new one's end."""
    return await lab.finish(await go_on(lab, execution_id, RetryAsked(use_current_flow)))


async def kinds(lab: Lab, execution_id: UUID) -> list[tuple[str, str]]:
    """What a run did with its steps, in order: the kind of event and the step's id, of those that begin one."""
    history = await lab.runtime.records.read(execution_id)
    return [
        (event.data.type, event.data.step_id)
        for event in (history.events if history else [])
        if isinstance(event.data, StepReused | StepScheduled)
    ]


async def version_after(lab: Lab, execution_id: UUID, kind: str, step_id: str) -> int:
    """The version of the event of this kind of this step."""
    history = await lab.runtime.records.read(execution_id)
    return next(
        event.version
        for event in (history.events if history else [])
        if event.data.type == kind and getattr(event.data, "step_id", None) == step_id
    )
