"""The tool calls that a model asks for in its answer, whoever asks: an agent of a team or a chat."""

from collections.abc import Sequence
from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from perdure.domain.generation import ToolCall
    from perdure.domain.runs import CallToolInput, GenerateResult, RunInput, StepRef
    from perdure.domain.teams import Agent
    from perdure.domain.tools import RunFlowTool, Tool, refusal_id, tool_of, tool_step_id
    from perdure.orchestration.handoffs import HAND_OVER
    from perdure.orchestration.roster import stranger
    from perdure.orchestration.steps import StepFailedError, at_once
    from workflows.approvals import Approvals
    from workflows.step_runner import StepRunner
    from workflows.steps import keep_words
    from workflows.subflows import run_flow


@dataclass(frozen=True)
class Caller:
    """Who asks for tool calls, and what it may ask for."""

    node_id: str
    label: str
    tools: Sequence[Tool]
    max_retries: int
    others: Sequence[Agent] = ()
    """Those that it may hand its work over to."""


@dataclass(frozen=True)
class Called:
    """A tool call that is over."""

    step_id: str
    call: ToolCall
    """As it was carried out: people may have edited its arguments."""
    ref: StepRef
    """Where its output is kept, or what the model is told instead."""
    is_error: bool
    data: JsonValue = None


class ToolCalls:
    """Carries out the tool calls of one run.

    Args:
        run: the run.
        runner: has its steps done.
        approvals: asks people where a tool says so.
        owner_id: the user on whose behalf tools are called.
    """

    def __init__(self, run: RunInput, runner: StepRunner, approvals: Approvals, *, owner_id: int) -> None:
        self._run = run
        self._runner = runner
        self._approvals = approvals
        self._owner_id = owner_id

    async def carry_out(self, caller: Caller, result: GenerateResult) -> list[Called]:
        """Carry out all calls of one answer at the same time; what came of them in the order they were asked for."""
        return await at_once(
            self._call(caller, call, tool_step_id(result.ref.step_id, number, call.name))
            for number, call in enumerate(result.tool_calls, 1)
        )

    async def _call(self, caller: Caller, call: ToolCall, step_id: str) -> Called:
        if call.name == HAND_OVER and caller.others:
            return await self._say(step_id, call, stranger(str(call.arguments.get("agent")), caller.others) or "")
        tool = tool_of(call.name, caller.tools)
        if tool is None:
            known = ", ".join(each.name for each in caller.tools) or "none"
            return await self._say(step_id, call, f"There is no tool '{call.name}' here. Your tools: {known}.")
        return await self._allowed(caller, tool, call, step_id)

    async def _allowed(self, caller: Caller, tool: Tool, call: ToolCall, step_id: str) -> Called:
        """Carry out a call of a known tool, if people allow it where they are to be asked."""
        said = await self._runner.known_words(tool, call, step_id=step_id, node_id=caller.node_id)
        if said is not None:
            return Called(step_id, call, said, is_error=said.step_id != step_id)
        if tool.approval is not None and self._runner.tool_call(step_id) is None:
            outcome = await self._approvals.ask(
                step_id,
                tool.approval,
                kind="tool",
                node_id=caller.node_id,
                title=f"{caller.label} calls {call.name}",
                arguments=call.arguments,
            )
            if not outcome.approved:
                return await self._say(step_id, call, f"This call was not allowed. {outcome.told}")
            call = call.model_copy(update={"arguments": outcome.arguments})
        if isinstance(tool, RunFlowTool):
            ref = await run_flow(self._run, self._runner.ledger, tool, call, step_id=step_id, node_id=caller.node_id)
            return Called(step_id, call, ref, is_error=ref.step_id != step_id)
        step = CallToolInput(
            step_id=step_id,
            node_id=caller.node_id,
            node_label=caller.label,
            execution_id=self._run.execution_id,
            user_id=self._owner_id,
            tool=tool,
            call=call,
            max_retries=caller.max_retries,
        )
        try:
            result = await self._runner.call_tool(step)
        except StepFailedError as error:
            return await self._say(step_id, call, f"This call failed: {error}")
        return Called(step_id, call, result.ref, is_error=result.is_error, data=result.data)

    async def _say(self, step_id: str, call: ToolCall, text: str) -> Called:
        """Answer a tool call ourselves: with an error that the model may react to."""
        ref = await keep_words(self._run.execution_id, refusal_id(step_id), call, text)
        return Called(step_id, call, ref, is_error=True)
