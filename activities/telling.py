"""Telling those who watch a run what its history shows late: that an attempt has begun, and that it has failed."""

import asyncio
from typing import Protocol, TypeGuard
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor
from typing_extensions import override

from perdure.domain.runs import CallToolInput, GenerateInput
from perdure.live import AttemptFailed, LiveWriter, StepStarted

_STOPPED = "The worker was stopped in the middle of it."


class _Step(Protocol):
    """What a step's activity is given: a model call, or a tool call."""

    @property
    def execution_id(self) -> UUID: ...

    @property
    def step_id(self) -> str: ...


class TellingInterceptor(Interceptor):
    """Publishes the attempts of every step on the live channel."""

    def __init__(self, live: LiveWriter) -> None:
        self._live = live

    @override
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Telling(next, self._live)


class _Telling(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, live: LiveWriter) -> None:  # noqa: A002 - the SDK's name
        super().__init__(next)
        self._live = live

    @override
    async def execute_activity(self, input: ExecuteActivityInput) -> object:
        step = input.args[0] if input.args else None
        if not _is_step(step):
            return await super().execute_activity(input)
        info = activity.info()
        started = StepStarted(node_id=step.step_id, attempt=info.attempt, run_id=info.workflow_run_id)
        self._live.publish(step.execution_id, started)
        try:
            return await super().execute_activity(input)
        except ApplicationError as error:
            self._fail(step, error.message)
            raise
        except asyncio.CancelledError:
            # Of a run that is cancelled, history tells at once.
            if activity.is_worker_shutdown():
                self._fail(step, _STOPPED)
            raise

    def _fail(self, step: _Step, error: str) -> None:
        failed = AttemptFailed(node_id=step.step_id, attempt=activity.info().attempt, error=error)
        self._live.publish(step.execution_id, failed)


def _is_step(given: object) -> TypeGuard[_Step]:
    return isinstance(given, GenerateInput | CallToolInput)
