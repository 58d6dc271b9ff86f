"""The model call of a step."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from temporalio import activity

from activities.attempts import Attempts, ref_of
from activities.failures import too_slow
from activities.heartbeat import heartbeating
from activities.recall import Remembering
from perdure.domain.generation import Generation, GenerationRequest, PromptMessage, ToolCall, ToolSpec
from perdure.domain.memories import MemoryUse
from perdure.domain.runs import GenerateInput, GenerateResult, StepRef
from perdure.domain.text import storable, storable_json
from perdure.domain.tools import BadToolError, tool_step_id
from perdure.live import LiveWriter, ToolCalled
from perdure.llm import ModelCallError
from perdure.llm.models import Models
from perdure.orchestration.prompts import with_context
from perdure.storage.engine import Single
from perdure.storage.transcripts import Words, keep_answer, keep_partial, kept_answer, read_words
from perdure.storage.turn_steps import calls_of
from perdure.tools import Toolbox, ToolCallError


class GenerateActivities:
    """Model calls; built once per worker with what they need."""

    def __init__(self, models: Models, toolbox: Toolbox, database: Single, live: LiveWriter) -> None:
        self._models = models
        self._toolbox = toolbox
        self._attempts = Attempts(database)
        self._memory = Remembering(self._attempts)
        self._live = live

    @activity.defn
    async def generate(self, step: GenerateInput) -> GenerateResult:
        """Call the step's model once, sending its words to the live channel as they come.

        A repeated attempt whose predecessor got its answer but could not report it returns that answer unpaid.
        Raises ApplicationError: retryable or not as the provider's error says.
        """
        info = activity.info()
        ref = ref_of(step.execution_id, step.step_id)
        async with heartbeating():
            if info.attempt > 1:
                found = await self._attempts.within_reach(kept_answer, ref)
                if found is not None:
                    self._tell_of_tools(step, found)
                    return found
            started_at = datetime.now(UTC)
            specs = await self._specs(step, ref)
            request, memory = await self._request(step, specs)
            generation = await self._call(step, request, ref, info.attempt)
            result = _result(generation, ref, info.attempt, started_at).model_copy(update={"memory": memory})
            self._tell_of_tools(step, result)
            # The run's end is announced after this activity: its words must be on the channel by then.
            await asyncio.gather(self._attempts.within_reach(keep_answer, result), self._live.drain())
        return result

    def _tell_of_tools(self, step: GenerateInput, result: GenerateResult) -> None:
        """Tell those who watch a chat of the calls that its model asks for."""
        if step.node_type != "assistant":
            return
        for number, call in enumerate(result.tool_calls, 1):
            place = tool_step_id(step.step_id, number, call.name)
            called = ToolCalled(node_id=place, name=call.name, arguments=call.arguments)
            self._live.publish(step.execution_id, called)

    async def _call(self, step: GenerateInput, request: GenerationRequest, ref: StepRef, attempt: int) -> Generation:
        speech = self._live.speech(ref.execution_id, ref.step_id, attempt)
        said: list[str] = []

        def say(text: str) -> None:
            said.append(text)
            speech.say(text)

        try:
            async with asyncio.timeout(step.timeout_seconds):
                return await self._models.generate(request, on_text=say)
        except ModelCallError as error:
            failure = error
        except TimeoutError:
            failure = too_slow(step)
        except asyncio.CancelledError:
            # The next message may want to know what was said before it cut this answer off.
            if step.conversation and said:
                await self._attempts.within_reach(keep_partial, (ref, storable("".join(said))))
            raise
        # Raised out here: the provider's error is no part of the chain that history keeps.
        raise await self._attempts.failed(ref, failure, name="ModelCallFailed", max_retries=step.max_retries)

    async def _specs(self, step: GenerateInput, ref: StepRef) -> list[ToolSpec]:
        """What the model is told of its tools: an MCP server may have to be asked, and may be away."""
        if not step.tools:
            return []
        try:
            return await self._toolbox.specs(step.tools)
        except BadToolError as error:
            failure = ToolCallError(f"{step.node_label}: {error}", retryable=False)
        except ToolCallError as error:
            failure = error
        raise await self._attempts.failed(ref, failure, name="ToolsUnavailable", max_retries=step.max_retries)

    async def _request(
        self, step: GenerateInput, specs: Sequence[ToolSpec]
    ) -> tuple[GenerationRequest, MemoryUse | None]:
        said = (*(part.ref for part in step.context), *step.earlier, step.task)
        refs = [each for each in said if isinstance(each, StepRef)]
        words = await self._attempts.within_reach(read_words, refs) if refs else {}
        context = [(part.label, _text(part.ref, words)) for part in step.context]
        prompt = with_context(_text(step.task, words), context, step.question, heading=step.context_heading)
        since = [_message(words[each]) if isinstance(each, StepRef) else _ours(each) for each in step.earlier]
        remembered = await self._memory.recall(step, prompt, since) if step.conversation else None
        request = GenerationRequest(
            model=step.model,
            system_prompt="\n\n".join(part for part in (step.system_prompt, remembered and remembered.notes) if part),
            messages=(
                *step.told,
                *(remembered.messages if remembered else ()),
                PromptMessage(role="user", content=prompt),
                *since,
            ),
            temperature=step.temperature,
            max_tokens=step.max_tokens,
            tools=(*specs, *step.own_tools),
            output_schema=step.output_schema,
        )
        return request, remembered.use if remembered and step.memory else None


def _text(said: StepRef | str, words: Mapping[StepRef, Words]) -> str:
    return words[said].content if isinstance(said, StepRef) else said


def _ours(text: str) -> PromptMessage:
    return PromptMessage(role="user", content=text)


def _message(words: Words) -> PromptMessage:
    """Turn kept words into the message that they were, or answer to."""
    facts = words.result or {}
    if words.role == "tool":
        return PromptMessage(
            role="tool",
            content=words.content,
            tool_call_id=str(facts["tool_call_id"]),
            tool_name=str(facts["tool_name"]),
        )
    return PromptMessage(role="assistant", content=words.content, tool_calls=calls_of(words))


def _result(generation: Generation, ref: StepRef, attempt: int, started_at: datetime) -> GenerateResult:
    return GenerateResult(
        text=storable(generation.text),
        tool_calls=tuple(ToolCall.model_validate(storable_json(call.model_dump())) for call in generation.tool_calls),
        model=generation.model,
        usage=generation.usage,
        cost_usd=generation.cost_usd,
        finish_reason=generation.finish_reason,
        attempt=attempt,
        started_at=started_at,
        completed_at=datetime.now(UTC),
        ref=ref,
    )
