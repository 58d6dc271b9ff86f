"""The `Steps` of a running agentflow: what a strategy asks for becomes activities, events and ledger entries."""

from collections.abc import Callable, Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue, ValidationError

    from perdure.domain.flows import Agentflow
    from perdure.domain.ledger import Ledger
    from perdure.domain.notes import (
        AgentLeftOut,
        DecisionMade,
        HandedOver,
        ModelFellBack,
        Note,
        VotesCounted,
    )
    from perdure.domain.runs import ContextPart, GenerateResult, RunInput, StepRef
    from perdure.domain.teams import Agent
    from perdure.domain.tools import ApprovalPolicy, parse_tools
    from perdure.domain.validation import one_line
    from perdure.orchestration.answers import bare_json, checked
    from perdure.orchestration.handoffs import hand_over_tools, handoff_of
    from perdure.orchestration.models import NoModelError, models_of_agent
    from perdure.orchestration.prompts import task_of
    from perdure.orchestration.steps import Answer, Form, Handoff, StepFailedError, UndecidedError
    from workflows.approvals import Approvals
    from workflows.calling import Caller, ToolCalls
    from workflows.step_runner import StepRunner
    from workflows.steps import keep_task, put_down
    from workflows.talk import Brief, Talk


class TeamSteps:
    """What a strategy can have done for it, in a workflow."""

    def __init__(self, run: RunInput, flow: Agentflow, ledger: Ledger) -> None:
        self._run = run
        self._flow = flow
        self._runner = StepRunner(run, ledger)
        self._task: str | StepRef | None = None
        self._taken = {agent.id for agent in flow.agents}
        self._calls: dict[str, int] = {}
        self._texts = 0
        self.notes: list[Note] = []
        self.approvals = Approvals(run, self.note)
        # What a tool may see is its flow's owner's: whoever runs a public flow is answered from it.
        self._tools = ToolCalls(run, self._runner, self.approvals, owner_id=flow.user_id)

    @property
    def task(self) -> str:
        """The run's task in words."""
        return task_of(self._run.input_data)

    async def ask(
        self,
        agent: Agent,
        *,
        task: str | None = None,
        question: str = "",
        after: Sequence[Answer] = (),
        may_hand_over_to: Sequence[Agent] = (),
    ) -> Answer:
        """Let an agent work at a task until it answers: model calls, and the tool calls that it asks for in between."""
        if agent.approval is not None:
            task = await self._approved_task(agent, agent.approval, task)
        brief = Brief(
            task=await self._reference(task),
            context=await self._context(after),
            question=question,
            tools=tuple(parse_tools(agent.tools)),
            own_tools=hand_over_tools(may_hand_over_to),
            output_schema=agent.output_schema,
        )
        talk = self._talk(agent, brief)
        for _ in range(agent.max_steps):
            result = await talk.answer()
            handoff = handoff_of(result.tool_calls, may_hand_over_to)
            if handoff is not None:
                return _answer(agent, result, handoff=handoff)
            if not result.tool_calls:
                data, complaint = checked(result.text, agent.output_schema)
                if complaint is None:
                    return _answer(agent, result, data=data)
                talk.object_to(complaint, agent.name)
                continue
            caller = Caller(agent.id, agent.name, brief.tools, agent.max_retries, result.model, may_hand_over_to)
            for called in await self._tools.carry_out(caller, result):
                talk.add(called.ref)
        msg = f"{agent.name} has not come to an answer in {agent.max_steps} model calls: raise its max_steps."
        raise StepFailedError(msg)

    async def decide(
        self,
        judge: Agent,
        question: str,
        form: type[Form],
        *,
        after: Sequence[Answer] = (),
        check: Callable[[Form], str | None] | None = None,
    ) -> Form:
        """Have a model fill in a form; a wrong one is mended once."""
        brief = Brief(
            task=await self._reference(None),
            context=await self._context(after),
            question=question,
            output_schema=_json_schema(form),
        )
        talk = self._talk(judge, brief)
        complaint = ""
        for _ in range(2):
            text = (await talk.answer()).text
            try:
                filled = form.model_validate_json(bare_json(text))
            except ValidationError as error:
                complaint = one_line(error)
            else:
                wrong = check(filled) if check else None
                if wrong is None:
                    return filled
                complaint = wrong
            talk.add(f"That cannot be used: {complaint} Answer again, with the JSON object alone.")
        raise UndecidedError(f"{judge.name} made no valid choice: {complaint}")

    async def note(self, note: Note) -> None:
        """Put a note down as an event of the run."""
        self.notes.append(note)
        workflow.set_current_details("\n".join(f"- {each.summary}" for each in self.notes[-20:]))
        await put_down(self._run, note)

    def output(self) -> dict[str, JsonValue]:
        """What the run's output says of how the answer came about, by kind; nothing where nothing was decided."""
        kinds = {
            "decisions": DecisionMade,
            "handoffs": HandedOver,
            "votes": VotesCounted,
            "left_out": AgentLeftOut,
            "model_fallbacks": ModelFellBack,
        }
        found: dict[str, JsonValue] = {}
        for name, kind in kinds.items():
            of_kind = [note.model_dump(mode="json", exclude={"type"}) for note in self.notes if isinstance(note, kind)]
            if of_kind:
                found[name] = list[JsonValue](of_kind)
        return found

    def _talk(self, agent: Agent, brief: Brief) -> Talk:
        try:
            models = models_of_agent(agent, self._flow, self._run.default_model)
        except NoModelError as error:
            raise StepFailedError(str(error)) from error
        kind = "agent" if agent.id in self._taken else "supervisor"
        return Talk(self._run, self._runner, agent, kind, models, brief, next_id=self._next_id, note=self.note)

    def _next_id(self, agent_id: str) -> str:
        """The id of an agent's next model call: the agent's own for the first, then `writer:2` and so on."""
        self._calls[agent_id], step_id = self._following(agent_id)
        return step_id

    def _following(self, agent_id: str) -> tuple[int, str]:
        count = self._calls.get(agent_id, 0)
        while True:
            count += 1
            step_id = agent_id if count == 1 else f"{agent_id}:{count}"
            if count == 1 or step_id not in self._taken:
                return count, step_id

    async def _reference(self, task: str | None) -> str | StepRef:
        if task is not None:
            return await self._keep(task)
        if self._task is None:
            self._task = await keep_task(self._run.execution_id, self.task, "task")
        return self._task

    async def _context(self, after: Sequence[Answer]) -> tuple[ContextPart, ...]:
        return tuple([ContextPart(label=each.label, ref=each.ref or await self._keep(each.text)) for each in after])

    async def _keep(self, text: str) -> str | StepRef:
        """Keep a text of a strategy's under a number of its own: several can be kept at the same time."""
        self._texts += 1
        return await keep_task(self._run.execution_id, text, f"text:{self._texts}")

    async def _approved_task(self, agent: Agent, policy: ApprovalPolicy, task: str | None) -> str | None:
        asked = task if task is not None else self.task
        number = self.approvals.next_number()
        begun = self._runner.had_begun(self._following(agent.id)[1])
        if begun is not None:
            # It was allowed in the run that this one goes on from: what has happened is not asked for again.
            return begun.approved_task or task
        outcome = await self.approvals.ask(
            f"agent:{number}:{agent.id}",
            policy,
            kind="agent",
            node_id=agent.id,
            title=f"{agent.name} begins",
            arguments={"task": asked},
        )
        if not outcome.approved:
            raise StepFailedError(f"{agent.name}: {outcome.told}")
        edited = outcome.arguments.get("task")
        return edited if isinstance(edited, str) and edited != asked else task


def _answer(agent: Agent, result: GenerateResult, *, data: JsonValue = None, handoff: Handoff | None = None) -> Answer:
    return Answer(agent_id=agent.id, label=agent.name, text=result.text, ref=result.ref, data=data, handoff=handoff)


def _json_schema(form: type[Form]) -> dict[str, JsonValue]:
    schema: dict[str, JsonValue] = form.model_json_schema()
    return schema
