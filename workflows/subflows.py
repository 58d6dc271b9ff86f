"""Another flow as a tool: a child workflow with an execution of its own, found in lists under its own id."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError, ChildWorkflowError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from perdure.domain.events import StepCancelled, StepCompleted, StepFailed, StepScheduled
    from perdure.domain.generation import ToolCall
    from perdure.domain.ledger import Ledger
    from perdure.domain.runs import ParentRef, RunInput, RunResult, StepRef, SubflowInput
    from perdure.domain.tools import RunFlowTool, refusal_id
    from perdure.temporal.naming import WORKFLOW_TYPES, run_attributes
    from workflows.steps import cancellable, keep_words, prepare_subflow


async def run_flow(
    run: RunInput, ledger: Ledger, tool: RunFlowTool, call: ToolCall, *, step_id: str, node_id: str
) -> StepRef:
    """Run the flow to its end and keep its answer, or why there is none, for the model that called it."""
    plan = await prepare_subflow(
        SubflowInput(
            parent=ParentRef(
                execution_id=run.execution_id,
                step_id=step_id,
                node_id=node_id,
                depth=run.parent.depth + 1 if run.parent else 1,
            ),
            user_id=run.user_id,
            default_model=run.default_model,
            tool=tool,
            call=call,
        )
    )
    if plan.run is None:
        return await keep_words(run.execution_id, refusal_id(step_id), call, plan.refusal)
    text = await _run_child(plan.run, ledger, step_id, node_id)
    return await keep_words(run.execution_id, step_id, call, text)


@cancellable
async def _run_child(child: RunInput, ledger: Ledger, step_id: str, node_id: str) -> str:
    ledger.apply(StepScheduled.of_flow(child, step_id, node_id), workflow.now())
    try:
        result: RunResult = await workflow.execute_child_workflow(
            WORKFLOW_TYPES[child.flow.flow_type],
            child,
            id=str(child.execution_id),
            result_type=RunResult,
            parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
            search_attributes=run_attributes(child),
            static_summary=f"{child.flow.flow_type.value}: {child.flow.name}"[:200],
        )
    except ChildWorkflowError as error:
        if is_cancelled_exception(error):
            ledger.apply(StepCancelled(step_id=step_id), workflow.now())
            raise
        cause = error.cause
        sentence = cause.message if isinstance(cause, ApplicationError) else "It was ended from outside."
        ledger.apply(
            StepFailed(step_id=step_id, attempt=1, error=sentence, kind="flow", reason="NON_RETRYABLE_FAILURE"),
            workflow.now(),
        )
        return f"The flow '{child.flow.name}' failed: {sentence}"
    text = str(result.output_data.get("response", ""))
    ledger.apply(
        StepCompleted(
            step_id=step_id,
            attempt=1,
            text=text,
            is_error=False,
            characters=len(text),
            execution_id=str(child.execution_id),
            finished_at=workflow.now(),
        ),
        workflow.now(),
    )
    return text
