"""Activities of a chat turn, as `steps.py` has those of every run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.memory import MemoryActivities
    from perdure.domain.chats import ToldMessage
    from perdure.domain.flows import Chatflow, MemoryConfig
    from perdure.domain.generation import ModelRef, PromptMessage, ToolCall, Usage
    from perdure.domain.ledger import Ledger
    from perdure.domain.runs import (
        ASSISTANT,
        PASSAGES,
        CallToolInput,
        CallToolResult,
        ContextPart,
        ConversationRef,
        FoldInput,
        FoldPlan,
        GenerateInput,
        GenerateResult,
        KeepSummaryInput,
        RunInput,
        StepRef,
        TurnInput,
        TurnPlace,
        assistant_step,
    )
    from perdure.domain.tools import MOST_PASSAGES, KnowledgeSearchTool, parse_tools
    from perdure.memory.summary import INSTRUCTION
    from perdure.orchestration.models import NoModelError, model_of_chat
    from perdure.orchestration.steps import StepFailedError
    from workflows.calling import Called, Caller, ToolCalls
    from workflows.step_runner import StepRunner
    from workflows.steps import RECORD_LIMIT, RECORD_TIMEOUT, generate

CHAT_RETRIES = 3
CHAT_TIMEOUT_SECONDS = 300.0

RETRIEVAL = "retrieval"
"""The id of the step that searches the knowledge bases."""

CITE = "Answer the message. Use the passages where they help, and name them by number, as in [1]; make up no others."

SUMMARY = "summary"
"""The id of the one step of a fold."""

SUMMARY_MAX_TOKENS = 1000

EMBED_LIMIT = timedelta(minutes=5)

FIRST_LOOK = timedelta(minutes=1)
LONGEST_LOOK = timedelta(minutes=10)
"""How often a waiting turn looks by itself, rarer each time. It is called when its time comes; this is for the call
that was lost because the reconciler died between settling a turn and calling the next."""


def model_of(run: RunInput, flow: Chatflow) -> ModelRef:
    """The model that answers. Raises StepFailedError where there is none."""
    try:
        return model_of_chat(flow, run.default_model)
    except NoModelError as error:
        raise StepFailedError(str(error)) from error


@dataclass(frozen=True)
class Known:
    """What an answer may know besides the message: a session by its memory, or what the caller keeps and told."""

    conversation: ConversationRef | None = None
    memory: MemoryConfig | None = None
    told: Sequence[ToldMessage] = ()
    found: CallToolResult | None = None
    """What the knowledge bases said, with numbered passages."""


@dataclass(frozen=True)
class ChatReply:
    """What a chat answered, and how it came to it."""

    text: str
    usage: Usage | None
    """Of all its model calls; None where a provider did not count."""
    called: Sequence[Called] = ()


async def answer_chat(
    run: RunInput, flow: Chatflow, runner: StepRunner, message: str, known: Known, calls: ToolCalls
) -> ChatReply:
    """The model calls of a chat turn, and the tool calls that they ask for, until there is an answer.

    Raises StepFailedError when a model call gives up, or there are more than `max_steps`.
    """
    tools = tuple(parse_tools(flow.tools))
    first = _question(run, flow, message, known).model_copy(update={"tools": tools})
    caller = Caller(ASSISTANT, flow.name, tools, CHAT_RETRIES, first.model)
    earlier: list[StepRef] = []
    usages: list[Usage | None] = []
    called: list[Called] = []
    for number in range(1, flow.chat_config.max_steps + 1):
        step = first.model_copy(update={"step_id": assistant_step(number), "earlier": tuple(earlier)})
        result = await runner.generate(step)
        usages.append(result.usage)
        if not result.tool_calls or not tools:
            return ChatReply(result.text, _together(usages), called)
        done = await calls.carry_out(caller, result)
        earlier += [result.ref, *(each.ref for each in done)]
        called += done
    msg = f"{flow.name} has not come to an answer in {flow.chat_config.max_steps} model calls: raise its max_steps."
    raise StepFailedError(msg)


def _together(usages: Sequence[Usage | None]) -> Usage | None:
    counted = [usage for usage in usages if usage is not None]
    if len(counted) < len(usages):
        return None
    return Usage(
        input_tokens=sum(usage.input_tokens for usage in counted),
        output_tokens=sum(usage.output_tokens for usage in counted),
    )


def _question(run: RunInput, flow: Chatflow, message: str, known: Known) -> GenerateInput:
    config = flow.chat_config
    instructions = [config.system_prompt or "", *(each.content for each in known.told if each.role == "system")]
    return GenerateInput(
        step_id=ASSISTANT,
        node_id=ASSISTANT,
        node_type="assistant",
        node_label=flow.name,
        execution_id=run.execution_id,
        model=model_of(run, flow),
        system_prompt="\n\n".join(filter(None, instructions)),
        task=message,
        context=(ContextPart(label="Passages", ref=known.found.ref),) if known.found else (),
        context_heading=PASSAGES,
        question=CITE if known.found else "",
        told=tuple(PromptMessage(role=each.role, content=each.content) for each in known.told if each.role != "system"),
        conversation=known.conversation,
        max_messages=known.memory.max_messages if known.memory else None,
        memory=known.memory,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        timeout_seconds=CHAT_TIMEOUT_SECONDS,
        max_retries=CHAT_RETRIES,
    )


async def retrieve(run: RunInput, flow: Chatflow, runner: StepRunner, message: str) -> CallToolResult:
    """Search the flow's knowledge bases for the message, as a step of its own.

    Raises StepFailedError when one of them is missing, or the search gives up.
    """
    rag = flow.rag_config
    tool = KnowledgeSearchTool(
        knowledgebase_ids=rag.knowledgebase_ids,
        retrieval_strategy=rag.retrieval_strategy.value,
        top_k=min(rag.top_k, MOST_PASSAGES),
        score_threshold=rag.score_threshold,
        reranking_enabled=rag.reranking_enabled,
        reranking_model=rag.reranking_model or None,
    )
    result = await runner.call_tool(
        CallToolInput(
            step_id=RETRIEVAL,
            node_id=RETRIEVAL,
            node_label="Knowledge search",
            execution_id=run.execution_id,
            # The owner's knowledge bases, whoever runs the flow.
            user_id=flow.user_id,
            tool=tool,
            call=ToolCall(id=RETRIEVAL, name=tool.name, arguments={"query": message}),
            model=model_of(run, flow),
            max_retries=CHAT_RETRIES,
        )
    )
    if result.is_error:
        raise StepFailedError(result.text)
    return result


async def begin_turn(turn: TurnInput) -> TurnPlace:
    """Ask whether the turn may begin."""
    return await workflow.execute_local_activity_method(
        MemoryActivities.begin_turn,
        turn,
        start_to_close_timeout=RECORD_TIMEOUT,
        schedule_to_close_timeout=RECORD_LIMIT,
        summary="take a place in the session",
    )


async def cut_off(execution_id: UUID) -> None:
    """Cancel a turn that stands in the way; one that has ended meanwhile is none."""
    try:
        await workflow.get_external_workflow_handle(str(execution_id)).cancel()
    except ApplicationError:
        workflow.logger.info("turn %s had ended before it could be cut off", execution_id)


async def plan_fold(fold: FoldInput) -> FoldPlan | None:
    """See what is to be folded, and keep it as the model's task. None: nothing is."""
    return await workflow.execute_local_activity_method(
        MemoryActivities.plan_fold,
        fold,
        start_to_close_timeout=RECORD_TIMEOUT,
        schedule_to_close_timeout=RECORD_LIMIT,
        summary="see what is to be folded",
    )


async def summarize(fold: FoldInput, plan: FoldPlan, ledger: Ledger) -> GenerateResult:
    """Have the model rewrite the summary. Raises StepFailedError when it gives up."""
    return await generate(
        GenerateInput(
            step_id=SUMMARY,
            node_id=SUMMARY,
            node_type="assistant",
            node_label="Summary",
            execution_id=fold.execution_id,
            model=fold.model,
            system_prompt=INSTRUCTION,
            task=plan.ref,
            max_tokens=SUMMARY_MAX_TOKENS,
            timeout_seconds=CHAT_TIMEOUT_SECONDS,
            max_retries=CHAT_RETRIES,
        ),
        ledger,
    )


async def keep_summary(kept: KeepSummaryInput) -> None:
    """Put the new summary in the place of the one it was made from."""
    await workflow.execute_local_activity_method(
        MemoryActivities.keep_summary,
        kept,
        start_to_close_timeout=RECORD_TIMEOUT,
        schedule_to_close_timeout=RECORD_LIMIT,
        summary="keep the summary",
    )


async def embed_turns(conversation: ConversationRef) -> None:
    """Make vectors of the turns that have none. What this misses, the next turn's does."""
    try:
        await workflow.execute_local_activity_method(
            MemoryActivities.embed_turns,
            conversation,
            start_to_close_timeout=RECORD_TIMEOUT,
            schedule_to_close_timeout=EMBED_LIMIT,
            summary="embed the turn",
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            # Recorded as completed: there is nothing left to cancel.
            return
        workflow.logger.exception("the turn could not be embedded")
