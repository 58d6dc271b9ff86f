"""The tool calls that a model asks for in its answer, whoever asks: an agent of a team or a chat."""

from collections.abc import Sequence
from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from perdure.domain.generation import ModelRef, ToolCall
    from perdure.domain.runs import CallToolInput, GenerateResult, RunInput, StepRef
    from perdure.domain.teams import Agent
    from perdure.domain.tools import KnowledgeSearchTool, RunFlowTool, Tool, refusal_id, tool_of, tool_step_id
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
    model: ModelRef | None
    """The one it thinks with: a tool that needs a model and names none uses it."""
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
        self._numbered: dict[str, int] = {}
        """The highest number of a passage that each caller may have been shown."""

    def passages_shown(self, node_id: str, count: int) -> None:
        """Note that a caller was shown so many passages: those of its searches get the numbers after them."""
        self._numbered[node_id] = self._numbered.get(node_id, 0) + count

    async def carry_out(self, caller: Caller, result: GenerateResult) -> list[Called]:
        """Carry out all calls of one answer at the same time; what came of them in the order they were asked for."""
        return await at_once(
            self._call(caller, call, tool_step_id(result.ref.step_id, number, call.name), first)
            for number, (call, first) in enumerate(self._with_first_passages(caller, result.tool_calls), 1)
        )

    def _with_first_passages(self, caller: Caller, calls: Sequence[ToolCall]) -> list[tuple[ToolCall, int]]:
        """Each call with the number of its first passage: no number may stand for two of them in one answer."""
        numbered: list[tuple[ToolCall, int]] = []
        for call in calls:
            numbered.append((call, self._numbered.get(caller.node_id, 0) + 1))
            tool = tool_of(call.name, caller.tools)
            if isinstance(tool, KnowledgeSearchTool):
                # How many it will find is not known yet, and the calls are made at the same time.
                self.passages_shown(caller.node_id, tool.top_k)
        return numbered

    async def _call(self, caller: Caller, call: ToolCall, step_id: str, first_passage: int) -> Called:
        if call.name == HAND_OVER and caller.others:
            return await self._say(step_id, call, stranger(str(call.arguments.get("agent")), caller.others) or "")
        tool = tool_of(call.name, caller.tools)
        if tool is None:
            known = ", ".join(each.name for each in caller.tools) or "none"
            return await self._say(step_id, call, f"There is no tool '{call.name}' here. Your tools: {known}.")
        return await self._allowed(caller, tool, call, step_id, first_passage)

    async def _allowed(self, caller: Caller, tool: Tool, call: ToolCall, step_id: str, first_passage: int) -> Called:
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
            model=caller.model,
            first_passage=first_passage,
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
