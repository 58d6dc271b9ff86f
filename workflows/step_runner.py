"""Having steps done. What the run that this one is a fork of had done is taken over instead; nothing is called for it.

A step is found by its id. Where it turns out to be another one than it was there (a decision with another form), it is
done anew, and so are the later steps of the same agent: their ids count on from it.
"""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from perdure.domain.events import FLOW, TOOL, StepScheduled
    from perdure.domain.forks import PrefixStep
    from perdure.domain.generation import ModelRef, ToolCall
    from perdure.domain.ledger import Ledger
    from perdure.domain.reuse import Reused, ReuseInput
    from perdure.domain.runs import CallToolInput, CallToolResult, GenerateInput, GenerateResult, RunInput, StepRef
    from perdure.domain.tools import RunFlowTool, Tool, refusal_id
    from perdure.orchestration.steps import StepFailedError
    from workflows.steps import call_tool, generate, reuse


class StepRunner:
    """One per run. Without a fork it hands every step to the workers."""

    def __init__(self, run: RunInput, ledger: Ledger) -> None:
        self._run = run
        self.ledger = ledger
        self._prefix = {step.step_id: step for step in run.fork.prefix} if run.fork else {}
        self._taken: set[str] = set()
        """Model calls that were taken over as they were: only their tool calls can be, too."""
        self._strayed: set[str] = set()
        """Agents whose calls are no longer those of the other run."""

    async def generate(self, step: GenerateInput) -> GenerateResult:
        """One model call. Raises StepFailedError when it gives up, or had given up."""
        asked = StepScheduled.of(step)
        known = self._model_call(asked)
        if known is None:
            return await generate(step, self.ledger)
        result = (await self._reuse(asked, known, model=step.model)).generated
        if result is None:
            raise StepFailedError(known.error or "")
        if not known.edited:
            self._taken.add(step.step_id)
        return result

    async def call_tool(self, step: CallToolInput) -> CallToolResult:
        """One tool call. Raises StepFailedError when it gives up, or had given up."""
        known = self.tool_call(step.step_id)
        if known is None:
            return await call_tool(step, self.ledger)
        result = (await self._reuse(StepScheduled.of_tool(step), known, call=step.call)).called
        if result is None:
            raise StepFailedError(known.error or "")
        return result

    async def known_words(self, tool: Tool, call: ToolCall, *, step_id: str, node_id: str) -> StepRef | None:
        """The words that answered this call there: a flow's, or that people did not allow it. None: there are none."""
        for each in (refusal_id(step_id), step_id):
            known = self.tool_call(each)
            if known is not None and known.kind == "words":
                asked = StepScheduled(
                    step_id=each,
                    node_id=node_id,
                    node_type=FLOW if isinstance(tool, RunFlowTool) and each == step_id else TOOL,
                    node_label=tool.name,
                    input={"tool": call.name, "arguments": call.arguments},
                )
                await self._reuse(asked, known, call=call)
                return self._ref(each)
        return None

    def had_begun(self, step_id: str) -> PrefixStep | None:
        """What is known of an agent's next model call, before it is made."""
        return self._prefix.get(step_id)

    def tool_call(self, step_id: str) -> PrefixStep | None:
        """What is known of a tool call: nothing where the model call that asked for it is another one now."""
        asking, _, is_of_model = step_id.rpartition("/")
        return self._prefix.get(step_id) if not asking or not is_of_model or asking in self._taken else None

    def _model_call(self, asked: StepScheduled) -> PrefixStep | None:
        known = self._prefix.get(asked.step_id)
        if known is None or asked.node_id in self._strayed:
            return None
        form = asked.input.get("form")
        if list(known.form) == (form if isinstance(form, list) else []):
            return known
        self._strayed.add(asked.node_id)
        return None

    async def _reuse(
        self, asked: StepScheduled, known: PrefixStep, *, model: ModelRef | None = None, call: ToolCall | None = None
    ) -> Reused:
        if self._run.fork is None:
            raise ApplicationError("Only a fork reuses steps.", type="WrongInput", non_retryable=True)
        taken = ReuseInput(
            ref=self._ref(asked.step_id),
            source=self._run.fork.forked_from.execution_id,
            step=known,
            asked=asked,
            model=model,
            call=call,
        )
        try:
            reused = await reuse(taken)
        except ActivityError as error:
            if is_cancelled_exception(error) or not isinstance(error.cause, ApplicationError):
                raise
            raise StepFailedError(f"{asked.node_label}: {error.cause.message}") from error
        self.ledger.apply(reused.event, workflow.now())
        return reused

    def _ref(self, step_id: str) -> StepRef:
        return StepRef(execution_id=self._run.execution_id, run_id=workflow.info().run_id, step_id=step_id)
