"""The run of a chatflow: one turn of a conversation."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from perdure.domain.chats import told_messages
    from perdure.domain.events import planned_nodes
    from perdure.domain.flows import Chatflow
    from perdure.domain.ledger import Ledger
    from perdure.domain.runs import RunInput, RunResult, Turn
    from perdure.orchestration.steps import StepFailedError
    from workflows.runs import Output, to_the_end
    from workflows.steps import answer_chat


@workflow.defn(name="Chatflow")
class ChatflowWorkflow:
    """Answers one message with what the memory holds, and keeps both."""

    @workflow.run
    async def run(self, run: RunInput) -> RunResult:
        """Run one turn of the flow as it was at the start."""
        flow = run.flow
        message = run.input_data.get("message")
        # A session's own messages count; its caller's do where there is none.
        told = told_messages(run.input_data) if run.conversation is None else ()
        if not isinstance(flow, Chatflow) or not isinstance(message, str) or told is None:
            msg = "A Chatflow workflow answers a message in a conversation."
            raise ApplicationError(msg, type="WrongInput", non_retryable=True)
        ledger = Ledger(planned_nodes(flow))

        async def plot() -> tuple[Output, Turn | None]:
            if flow.rag_config.enabled and flow.rag_config.knowledgebase_ids:
                missing = flow.rag_config.knowledgebase_ids[0]
                msg = f"Knowledge base '{missing}' does not exist: remove it from rag_config, or disable retrieval."
                raise StepFailedError(msg)
            result = await answer_chat(run, flow, ledger, message, told)
            output: Output = {
                "response": result.text,
                "session_id": run.conversation.session_id if run.conversation else None,
                "usage": result.usage.model_dump(mode="json") if result.usage else None,
                "sources": [],
            }
            return output, Turn(message=message, answer=result.text) if run.conversation else None

        return await to_the_end(run, ledger, plot)
