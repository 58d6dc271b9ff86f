"""The protocol between a strategy and whatever carries its steps out: a workflow, or a test in milliseconds."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from perdure.domain.notes import Note
from perdure.domain.runs import StepRef
from perdure.domain.teams import Agent

Form = TypeVar("Form", bound=BaseModel)
Result = TypeVar("Result")


class StepFailedError(Exception):
    """A step gave up; the message is a sentence that names it. It ends the run unless the strategy goes on."""


class UndecidedError(Exception):
    """A model that had to choose made no valid choice, not even when told what was wrong; the message says what."""


class Handoff(BaseModel):
    """An agent's wish that another one goes on."""

    model_config = ConfigDict(frozen=True)

    to: str
    """The id of the agent that shall go on."""
    reason: str


class Answer(BaseModel):
    """What an agent answered, and where its words are kept."""

    model_config = ConfigDict(frozen=True)

    agent_id: str
    label: str
    text: str
    ref: StepRef | None = None
    """None where the words are no step's own: put together from others, or told by the strategy itself."""
    data: JsonValue = None
    """The answer as an object, where the agent has an `output_schema`."""
    handoff: Handoff | None = None


class Steps(Protocol):
    """What a strategy can have done for it. Calls may be made at the same time, by `at_once`."""

    @property
    def task(self) -> str:
        """The run's task in words."""
        ...

    async def ask(
        self,
        agent: Agent,
        *,
        task: str | None = None,
        question: str = "",
        after: Sequence[Answer] = (),
        may_hand_over_to: Sequence[Agent] = (),
    ) -> Answer:
        """Give an agent a task, by default the run's, and the answers that came before; return its own.

        `question` is what is asked about both, where that is not to do the task.
        Where it may hand over, its answer's `handoff` says whether it did. Raises StepFailedError when it gives up.
        """
        ...

    async def decide(
        self,
        judge: Agent,
        question: str,
        form: type[Form],
        *,
        after: Sequence[Answer] = (),
        check: Callable[[Form], str | None] | None = None,
    ) -> Form:
        """Have a model fill in a form about the run's task and these answers.

        `check` says what is wrong with a form that validates, None where nothing is. A wrong one is mended once.
        Raises UndecidedError when it is wrong again, StepFailedError when the model gives up.
        """
        ...

    async def note(self, note: Note) -> None:
        """Put down what was decided and why: an event of the run."""
        ...


async def at_once(works: Iterable[Awaitable[Result]]) -> list[Result]:
    """Do all of it at the same time, results in the order given; the first failure stops the others and is raised."""

    async def one(work: Awaitable[Result]) -> Result:
        return await work

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(work)) for work in works]
    except* StepFailedError as failures:
        failure = failures.exceptions[0]
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        raised = failure
    else:
        return [task.result() for task in tasks]
    raise raised
