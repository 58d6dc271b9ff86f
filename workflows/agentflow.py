"""The run of an agentflow: a team works on a task."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from perdure.domain.events import planned_nodes
    from perdure.domain.flows import Agentflow
    from perdure.domain.ledger import Ledger
    from perdure.domain.runs import RunInput, RunResult, Turn
    from perdure.orchestration import work
    from workflows.runs import Output, to_the_end
    from workflows.steps import TeamSteps


@workflow.defn(name="Agentflow")
class AgentflowWorkflow:
    """Lets the team work by its own strategy and keeps the answer."""

    @workflow.run
    async def run(self, run: RunInput) -> RunResult:
        """Run the flow as it was at the start."""
        flow = run.flow
        if not isinstance(flow, Agentflow):
            msg = "An Agentflow workflow runs agentflows."
            raise ApplicationError(msg, type="WrongInput", non_retryable=True)
        ledger = Ledger(planned_nodes(flow))
        steps = TeamSteps(run, flow, ledger)

        async def plot() -> tuple[Output, Turn | None]:
            answer = await work(flow, steps)
            return {"response": answer.text, "agent": answer.label}, None

        return await to_the_end(run, ledger, plot)
