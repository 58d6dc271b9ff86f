"""How workflow code is run: by workers directly, by tests and replays in Temporal's sandbox."""

from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

PASSED_THROUGH = ("perdure", "activities", "workflows", "pydantic", "pydantic_core", "annotated_types", "orjson")
"""Imported once per process instead of once per run: our own pure code, and libraries that keep no state of a run."""


def production_runner() -> UnsandboxedWorkflowRunner:
    """The runner of deployed workers. The sandbox would cost several milliseconds of processor a run."""
    return UnsandboxedWorkflowRunner()


def checking_runner() -> SandboxedWorkflowRunner:
    """The runner of tests and replays: what is not deterministic (clocks, randomness, I/O) fails there."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))
