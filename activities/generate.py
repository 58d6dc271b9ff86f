"""The model call of a step."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from activities.failures import as_application_error, too_slow
from activities.heartbeat import heartbeating
from perdure.domain.generation import Generation, GenerationRequest, PromptMessage
from perdure.domain.runs import GenerateInput, GenerateResult, StepRef
from perdure.domain.text import storable
from perdure.live import AttemptFailed, LiveWriter, StepStarted, Token
from perdure.llm import ModelCallError, Models
from perdure.memory import buffer
from perdure.orchestration.prompts import with_context
from perdure.storage.chats import read_messages
from perdure.storage.outages import waiting_out
from perdure.storage.transcripts import FailedAttempt, keep_answer, keep_failure, kept_answer, read_texts

Argument = TypeVar("Argument")
Found = TypeVar("Found")


class GenerateActivities:
    """Model calls; built once per worker with what they need."""

    def __init__(self, models: Models, database: AsyncEngine, live: LiveWriter) -> None:
        self._models = models
        self._database = database
        self._live = live

    @activity.defn
    async def generate(self, step: GenerateInput) -> GenerateResult:
        """Call the step's model once, sending its words to the live channel as they come.

        A repeated attempt whose predecessor got its answer but could not report it returns that answer unpaid.
        Raises ApplicationError: retryable or not as the provider's error says.
        """
        info = activity.info()
        ref = StepRef(execution_id=step.execution_id, run_id=_run_id(info.workflow_run_id), step_id=step.step_id)
        async with heartbeating():
            if info.attempt > 1:
                found = await self._within_reach(kept_answer, ref)
                if found is not None:
                    return found
            started_at = datetime.now(UTC)
            self._live.publish(step.execution_id, StepStarted(node_id=step.node_id, attempt=info.attempt))
            request = await self._request(step)
            generation = await self._call(step, request, ref, info.attempt)
            result = _result(generation, ref, info.attempt, started_at)
            # The run's end is announced after this activity: its words must be on the channel by then.
            await asyncio.gather(self._within_reach(keep_answer, result), self._live.drain())
        return result

    async def _call(self, step: GenerateInput, request: GenerationRequest, ref: StepRef, attempt: int) -> Generation:
        stream = _Stream(self._live, step, attempt)
        try:
            async with asyncio.timeout(step.timeout_seconds):
                return await self._models.generate(request, on_text=stream.add)
        except ModelCallError as error:
            failure = error
        except TimeoutError:
            failure = too_slow(step)
        self._live.publish(
            step.execution_id,
            AttemptFailed(node_id=step.node_id, attempt=attempt, error=storable(failure.detail)),
        )
        # Counted by us and not by Temporal: a step that loses its worker has not used up its model's retries.
        kept = FailedAttempt(ref=ref, attempt=attempt, kind=failure.kind, detail=storable(failure.detail))
        failures = await self._within_reach(keep_failure, kept) if failure.retryable else 1
        # Raised out here: the provider's error is no part of the chain that history keeps.
        raise as_application_error(failure, exhausted=failure.retryable and failures > step.max_retries)

    async def _within_reach(
        self, work: Callable[[AsyncConnection, Argument], Awaitable[Found]], argument: Argument
    ) -> Found:
        """Do a statement's work, waiting for the database while it is away: a paid answer is not given up for that."""
        async for attempt in waiting_out():
            with attempt:
                async with self._database.connect() as connection:
                    return await work(connection, argument)
        raise AssertionError  # waiting_out ends by returning or by raising

    async def _request(self, step: GenerateInput) -> GenerationRequest:
        refs = [part.ref for part in step.context]
        if isinstance(step.task, StepRef):
            refs.append(step.task)
        texts: dict[StepRef, str] = {}
        history: list[PromptMessage] = []
        if refs or (step.conversation and step.conversation.upto):
            texts = await self._within_reach(read_texts, refs)
            if step.conversation and step.max_messages:
                shown = partial(read_messages, limit=step.max_messages)
                history = await self._within_reach(shown, step.conversation)
        task = texts[step.task] if isinstance(step.task, StepRef) else step.task
        prompt = with_context(task, [(part.label, texts[part.ref]) for part in step.context])
        remembered = buffer.recall(history, step.max_messages) if step.max_messages else []
        return GenerationRequest(
            model=step.model,
            system_prompt=step.system_prompt,
            messages=(*remembered, PromptMessage(role="user", content=prompt)),
            temperature=step.temperature,
            max_tokens=step.max_tokens,
        )


class _Stream:
    """Numbers the pieces of one attempt."""

    def __init__(self, live: LiveWriter, step: GenerateInput, attempt: int) -> None:
        self._live = live
        self._execution_id: UUID = step.execution_id
        self._node_id = step.node_id
        self._attempt = attempt
        self._next = 0

    def add(self, text: str) -> None:
        """Publish the next piece."""
        self._live.publish(
            self._execution_id, Token(node_id=self._node_id, attempt=self._attempt, index=self._next, text=text)
        )
        self._next += 1


def _run_id(run_id: str | None) -> str:
    if run_id is None:
        msg = "A step belongs to a run."
        raise RuntimeError(msg)
    return run_id


def _result(generation: Generation, ref: StepRef, attempt: int, started_at: datetime) -> GenerateResult:
    return GenerateResult(
        text=storable(generation.text),
        model=generation.model,
        usage=generation.usage,
        cost_usd=generation.cost_usd,
        finish_reason=generation.finish_reason,
        attempt=attempt,
        started_at=started_at,
        completed_at=datetime.now(UTC),
        ref=ref,
    )
