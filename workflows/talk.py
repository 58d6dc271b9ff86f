"""An agent's talk with its model about one task: every answer a step of its own, the next model when one gives up."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from perdure.domain.generation import ModelRef, ToolSpec
    from perdure.domain.notes import ModelFellBack, Note
    from perdure.domain.runs import ContextPart, GenerateInput, GenerateResult, RunInput, StepRef
    from perdure.domain.teams import Agent
    from perdure.domain.tools import Tool
    from perdure.orchestration.prompts import system_prompt
    from perdure.orchestration.steps import StepFailedError
    from workflows.step_runner import StepRunner


@dataclass(frozen=True)
class Brief:
    """What an agent is told before it first speaks."""

    task: str | StepRef
    context: tuple[ContextPart, ...] = ()
    question: str = ""
    tools: tuple[Tool, ...] = ()
    own_tools: tuple[ToolSpec, ...] = ()
    output_schema: dict[str, JsonValue] | None = None


class Talk:
    """What was said so far, by reference."""

    def __init__(
        self,
        run: RunInput,
        runner: StepRunner,
        agent: Agent,
        kind: Literal["agent", "supervisor"],
        models: Sequence[ModelRef],
        brief: Brief,
        *,
        next_id: Callable[[str], str],
        note: Callable[[Note], Awaitable[None]],
    ) -> None:
        self._run = run
        self._runner = runner
        self._agent = agent
        self._kind: Literal["agent", "supervisor"] = kind
        self._models = list(models)
        self._brief = brief
        self._next_id = next_id
        self._note = note
        self._earlier: list[StepRef | str] = []
        self._objected = False

    async def answer(self) -> GenerateResult:
        """The model's next answer. Raises StepFailedError when the last of the agent's models has given up."""
        while True:
            model = self._models[0]
            try:
                result = await self._runner.generate(self._input(model))
            except StepFailedError as failure:
                if len(self._models) == 1:
                    raise
                del self._models[0]
                await self._note(
                    ModelFellBack(
                        node_id=self._agent.id,
                        node_label=self._agent.name,
                        from_model=str(model),
                        to_model=str(self._models[0]),
                        reason=str(failure),
                    )
                )
            else:
                self._earlier.append(result.ref)
                return result

    def add(self, said: StepRef | str) -> None:
        """Add what the model is to read before it speaks again: a tool's output, or words of ours."""
        self._earlier.append(said)

    def object_to(self, complaint: str, who: str) -> None:
        """Ask for a better answer, once. Raises StepFailedError the second time."""
        if self._objected:
            raise StepFailedError(
                f"{who}: its answer does not fit its output_schema, not even when told so. {complaint}"
            )
        self._objected = True
        self.add(f"That does not fit the schema of the answer: {complaint} Answer again, with the JSON object alone.")

    def _input(self, model: ModelRef) -> GenerateInput:
        agent, brief = self._agent, self._brief
        return GenerateInput(
            step_id=self._next_id(agent.id),
            node_id=agent.id,
            node_type=self._kind,
            node_label=agent.name,
            execution_id=self._run.execution_id,
            model=model,
            system_prompt=system_prompt(agent),
            task=brief.task,
            context=brief.context,
            question=brief.question,
            earlier=tuple(self._earlier),
            tools=brief.tools,
            own_tools=brief.own_tools,
            output_schema=brief.output_schema,
            temperature=agent.temperature,
            max_tokens=agent.max_tokens,
            timeout_seconds=agent.timeout_seconds,
            max_retries=agent.max_retries,
            priority=agent.priority,
        )
