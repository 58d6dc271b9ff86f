"""How workflow code is run: in Temporal's sandbox, which catches what is not deterministic."""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

PASSED_THROUGH = ("perdure", "activities", "workflows", "pydantic", "pydantic_core", "annotated_types", "orjson")
"""Imported once per process instead of once per run: our own pure code, and libraries that keep no state of a run."""


def workflow_runner() -> SandboxedWorkflowRunner:
    """The runner that workers, replays and tests share."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))
