"""Worker deployments: which code a run is pinned to, and which code new runs get."""

import asyncio
import subprocess
from importlib.metadata import version
from pathlib import Path

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.deployment.v1 import WorkerDeploymentVersion as WireVersion
from temporalio.api.workflow.v1 import VersioningOverride, WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    SetWorkerDeploymentCurrentVersionRequest,
    UpdateWorkflowExecutionOptionsRequest,
)
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

from perdure.domain.errors import SetupError
from perdure.settings import WorkerSettings

_ROOT = Path(__file__).resolve().parents[2]
_REGISTRATION_SECONDS = 15
_POLL_SECONDS = 0.05


def deployment_version(settings: WorkerSettings) -> WorkerDeploymentVersion:
    """The deployment and build of this process: the set build id, else the version and the commit of the checkout."""
    return WorkerDeploymentVersion(settings.deployment, settings.build_id or _build_id())


def _build_id() -> str:
    release = version("perdure").replace(".", "-")
    try:
        commit = subprocess.run(  # noqa: S603 - a fixed command
            ["git", "-C", str(_ROOT), "rev-parse", "--short=12", "HEAD"],  # noqa: S607 - git from the path
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return release
    return f"{release}-{commit}"


async def make_current(client: Client, deployed: WorkerDeploymentVersion) -> None:
    """Give new runs to this version, once its pollers have registered. Raises SetupError when they do not."""
    try:
        async with asyncio.timeout(_REGISTRATION_SECONDS):
            while True:
                if await _set_current(client, deployed):
                    return
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        msg = f"No worker of build {deployed.build_id} has registered with Temporal: see the worker's log."
        raise SetupError(msg) from error


async def _set_current(client: Client, deployed: WorkerDeploymentVersion) -> bool:
    try:
        await client.workflow_service.set_worker_deployment_current_version(
            SetWorkerDeploymentCurrentVersionRequest(
                namespace=client.namespace,
                deployment_name=deployed.deployment_name,
                build_id=deployed.build_id,
                identity=client.identity,
            )
        )
    except RPCError as error:
        if error.status in {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}:
            return False
        raise
    return True


async def adopt_pinned_runs(client: Client, deployed: WorkerDeploymentVersion) -> int:
    """Pin running runs of other builds to this one, and say how many.

    For `up` alone: there this process is the only worker, so a run pinned to the build of yesterday's checkout would
    wait for ever. A production deployment keeps the old workers until their runs have ended instead.
    """
    mine = f"{deployed.deployment_name}:{deployed.build_id}"
    query = f"ExecutionStatus = 'Running' AND TemporalWorkerDeploymentVersion != '{mine}'"
    adopted = 0
    async for run in client.list_workflows(query):
        try:
            await client.workflow_service.update_workflow_execution_options(
                UpdateWorkflowExecutionOptionsRequest(
                    namespace=client.namespace,
                    workflow_execution=WorkflowExecution(workflow_id=run.id, run_id=run.run_id),
                    workflow_execution_options=WorkflowExecutionOptions(
                        versioning_override=VersioningOverride(
                            pinned=VersioningOverride.PinnedOverride(
                                behavior=VersioningOverride.PINNED_OVERRIDE_BEHAVIOR_PINNED,
                                version=WireVersion(
                                    deployment_name=deployed.deployment_name, build_id=deployed.build_id
                                ),
                            )
                        )
                    ),
                    update_mask=FieldMask(paths=["versioning_override"]),
                    identity=client.identity,
                )
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # it ended in between
                raise
        else:
            adopted += 1
    return adopted
