"""The run of an agentflow: a team works on a task."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from perdure.domain.approvals import DECIDE, ApprovalDecision, ApprovalStanding
    from perdure.domain.events import planned_nodes
    from perdure.domain.flows import Agentflow
    from perdure.domain.ledger import Ledger
    from perdure.domain.runs import RunInput, RunResult, Turn
    from perdure.domain.states import RunProgress
    from perdure.orchestration import work
    from perdure.temporal.naming import PROGRESS
    from workflows.runs import Output, progress, to_the_end
    from workflows.team import TeamSteps


@workflow.defn(name="Agentflow")
class AgentflowWorkflow:
    """Lets the team work by its own strategy and keeps the answer."""

    @workflow.init
    def __init__(self, run: RunInput) -> None:
        if not isinstance(run.flow, Agentflow):
            msg = "An Agentflow workflow runs agentflows."
            raise ApplicationError(msg, type="WrongInput", non_retryable=True)
        self._run = run
        self._flow = run.flow
        self._ledger = Ledger(planned_nodes(run.flow))
        self._steps = TeamSteps(run, run.flow, self._ledger)

    @workflow.query(name=PROGRESS)
    def progress(self) -> RunProgress:
        """How far the run has come."""
        return progress(self._run, self._ledger, self._steps.approvals, self._steps.notes)

    @workflow.run
    async def run(self, run: RunInput) -> RunResult:
        """Run the flow as it was at the start."""

        async def plot() -> tuple[Output, Turn | None]:
            answer = await work(self._flow, self._steps)
            output: Output = {"response": answer.text, "agent": answer.label, **self._steps.output()}
            if answer.data is not None:
                output["data"] = answer.data
            return output, None

        try:
            return await to_the_end(run, self._ledger, plot)
        finally:
            await self._steps.approvals.end()

    @workflow.update(name=DECIDE)
    async def decide(self, decision: ApprovalDecision) -> ApprovalStanding:
        """Take a person's decision; one that does not count fails, and stays in history."""
        return await self._steps.approvals.decide(decision)
