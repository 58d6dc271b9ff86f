"""Folding older turns of a session into its summary, after an answer, so that nobody waits for it."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from perdure.domain.events import PlannedNode
    from perdure.domain.ledger import Ledger
    from perdure.domain.runs import FoldInput, KeepSummaryInput
    from perdure.orchestration.steps import StepFailedError
    from workflows.turns import SUMMARY, keep_summary, plan_fold, summarize


@workflow.defn(name="Summary")
class SummaryWorkflow:
    """One fold. Its id names the oldest turn in it, so that no part of a session is folded twice."""

    @workflow.run
    async def run(self, fold: FoldInput) -> int:
        """Fold; how many of the session's first messages the summary holds then, 0 where nothing was to be folded."""
        plan = await plan_fold(fold)
        if plan is None:
            return 0
        try:
            result = await summarize(
                fold, plan, Ledger([PlannedNode(node_id=SUMMARY, node_type="assistant", node_label="Summary")])
            )
        except StepFailedError as error:
            raise ApplicationError(str(error), type="StepFailed", non_retryable=True) from error
        await keep_summary(KeepSummaryInput(fold=fold, plan=plan, result=result))
        return plan.upto
