"""What a run's workflow says of itself at every moment of its history, in one replay of it."""

from dataclasses import dataclass
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import (
    Replayer,
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.workflow import Info

from perdure.domain.states import RunProgress
from perdure.temporal.naming import PROGRESS
from workflows import WORKFLOWS


@dataclass(frozen=True)
class Answered:
    """What the workflow answered after one activation of it."""

    task: int
    """The id of the `WorkflowTaskStarted` event up to which it knew the history. A workflow task has an activation
    for what has happened, and one more for each result of a local activity."""
    progress: RunProgress


async def hear(history: WorkflowHistory) -> list[Answered]:
    """Replay a history, and ask the run how far it has come after everything that it is told.

    Asked there, and not once a replay of a part of the history is over: what ends a replay takes the workflow down,
    which stops its steps and withdraws its approvals. Raises NondeterminismError where today's code goes another way.
    """
    said: list[Answered] = []
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=_Runner(said))
    await replayer.replay_workflow(history)
    return said


class _Runner(WorkflowRunner):
    def __init__(self, said: list[Answered]) -> None:
        self._said = said
        self._runner = UnsandboxedWorkflowRunner()

    def prepare_workflow(self, defn: Any) -> None:  # noqa: ANN401 - a private type of the SDK's
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _Witness(self._runner.create_instance(det), self._said)


class _Witness(WorkflowInstance):
    """An instance that is asked a query after each of its activations, as a worker may ask it at any time."""

    def __init__(self, instance: WorkflowInstance, said: list[Answered]) -> None:
        self._instance = instance
        self._said = said

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = self._instance.activate(act)
        if not any(job.HasField("remove_from_cache") for job in act.jobs):
            self._said.append(Answered(act.history_length, self._ask(act)))
        return completion

    def _ask(self, act: WorkflowActivation) -> RunProgress:
        asking = WorkflowActivation()
        asking.CopyFrom(act)
        del asking.jobs[:]
        asking.jobs.add().query_workflow.query_type = PROGRESS
        (command,) = self._instance.activate(asking).successful.commands
        return RunProgress.model_validate_json(command.respond_to_query.succeeded.response.data)

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:  # noqa: ANN401 - as above
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:  # noqa: ANN401 - as above
        return self._instance.get_external_store_context(command_info)

    def get_info(self) -> Info:
        return self._instance.get_info()
