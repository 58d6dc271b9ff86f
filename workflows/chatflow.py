"""The run of a chatflow: one turn of a conversation."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from perdure.domain.approvals import DECIDE, ApprovalDecision, ApprovalStanding
    from perdure.domain.chats import ToldMessage, ToolCallMade, told_messages
    from perdure.domain.events import planned_nodes
    from perdure.domain.flows import Chatflow, MemoryConfig
    from perdure.domain.ledger import Ledger
    from perdure.domain.notes import Note
    from perdure.domain.runs import (
        ASSISTANT,
        CallToolResult,
        ConversationRef,
        FoldInput,
        RunInput,
        RunResult,
        Turn,
        TurnInput,
        TurnPlace,
    )
    from perdure.domain.states import RunProgress
    from perdure.memory import RECALLING
    from perdure.orchestration.steps import StepFailedError
    from perdure.temporal.naming import PROGRESS
    from workflows.approvals import Approvals
    from workflows.calling import ToolCalls
    from workflows.runs import Output, progress, to_the_end
    from workflows.step_runner import StepRunner
    from workflows.steps import put_down
    from workflows.turns import (
        FIRST_LOOK,
        LONGEST_LOOK,
        ChatReply,
        Known,
        answer_chat,
        begin_turn,
        cut_off,
        embed_turns,
        model_of,
        retrieve,
    )


@workflow.defn(name="Chatflow")
class ChatflowWorkflow:
    """Answers one message with what the memory holds, and keeps both."""

    @workflow.init
    def __init__(self, run: RunInput) -> None:
        self._run = run
        self._called = False
        self._memory: MemoryConfig | None = None
        self._ledger = Ledger(planned_nodes(run.flow))
        self._approvals = Approvals(run, self._note)

    @workflow.query(name=PROGRESS)
    def progress(self) -> RunProgress:
        """How far the turn has come."""
        return progress(self._run, self._ledger, self._approvals)

    @workflow.signal
    def proceed(self) -> None:
        """Look whether the turn may begin: the one ahead has ended."""
        self._called = True

    @workflow.update(name=DECIDE)
    async def decide(self, decision: ApprovalDecision) -> ApprovalStanding:
        """Take a person's decision on a tool call; one that does not count fails, and stays in history."""
        return await self._approvals.decide(decision)

    @workflow.run
    async def run(self, run: RunInput) -> RunResult:
        """Run one turn of the flow as it was at the start."""
        flow, conversation = run.flow, run.conversation
        message = run.input_data.get("message")
        # A session's own messages count; its caller's do where there is none.
        is_of_session = conversation is not None or (run.fork is not None and run.fork.turn is not None)
        told = () if is_of_session else told_messages(run.input_data)
        if not isinstance(flow, Chatflow) or not isinstance(message, str) or told is None:
            msg = "A Chatflow workflow answers a message in a conversation."
            raise ApplicationError(msg, type="WrongInput", non_retryable=True)
        runner = StepRunner(run, self._ledger)
        # What a tool may see is the flow's owner's: whoever runs a public flow is answered from it.
        calls = ToolCalls(run, runner, self._approvals, owner_id=flow.user_id)

        async def plot() -> tuple[Output, Turn | None]:
            place = await self._take_turn(run, flow, conversation) if conversation else None
            found = await self._retrieve(run, flow, runner, message)
            calls.passages_shown(ASSISTANT, len(_sources(found.data if found else None)))
            if conversation is None or place is None:
                known = _known_to_all(run, flow, told, found)
                reply = await answer_chat(run, flow, runner, message, known, calls)
                return _output(reply, None, found), None
            memory = place.memory or flow.memory_config
            # Histories of builds that knew no order know no vectors either.
            self._memory = memory if conversation.ordered else None
            known = Known(conversation=conversation.model_copy(update={"upto": place.upto}), memory=memory, found=found)
            reply = await answer_chat(run, flow, runner, message, known, calls)
            fold = FoldInput(
                execution_id=run.execution_id,
                user_id=run.user_id,
                session_id=conversation.session_id,
                model=model_of(run, flow),
                memory=memory,
            )
            turn = Turn(message=message, answer=reply.text, fold=fold)
            return _output(reply, conversation.session_id, found), turn

        try:
            result = await to_the_end(run, self._ledger, plot)
        finally:
            await self._approvals.end()
        if conversation is not None and self._memory is not None and self._memory.type in RECALLING:
            await embed_turns(conversation)
        return result

    async def _retrieve(self, run: RunInput, flow: Chatflow, runner: StepRunner, message: str) -> CallToolResult | None:
        """What the flow's knowledge bases say to the message. Raises StepFailedError where one is missing."""
        if not flow.rag_config.enabled or not flow.rag_config.knowledgebase_ids:
            return None
        if not workflow.patched("retrieval"):
            # Runs of builds that could not retrieve.
            missing = flow.rag_config.knowledgebase_ids[0]
            msg = f"Knowledge base '{missing}' does not exist: remove it from rag_config, or disable retrieval."
            raise StepFailedError(msg)
        return await retrieve(run, flow, runner, message)

    async def _take_turn(self, run: RunInput, flow: Chatflow, conversation: ConversationRef) -> TurnPlace:
        """Wait until the turns ahead have ended, or end them, as the flow says.

        Raises CancelledError like every step; but a turn whose message is kept all the same waits for its place first,
        so that what was said stands in the order in which it was said.
        """
        if not conversation.ordered:
            return TurnPlace(upto=conversation.upto)
        mode = flow.chat_config.concurrent_turns
        turn = TurnInput(execution_id=run.execution_id, flow_id=flow.id, conversation=conversation, mode=mode)
        patience = FIRST_LOOK
        is_cancelled = False
        while True:
            self._called = False
            try:
                place = await begin_turn(turn)
                if not is_cancelled and (place.is_gone or place.upto is not None):
                    break
                if is_cancelled and (place.upto is not None or not place.is_kept):
                    break
                if mode.cuts_off and not is_cancelled:
                    await asyncio.gather(*(cut_off(ahead) for ahead in place.ahead))
                await self._wait(patience)
            except (asyncio.CancelledError, ActivityError) as error:
                if is_cancelled or not is_cancelled_exception(error):
                    raise
                is_cancelled = True
            patience = min(patience * 2, LONGEST_LOOK)
        if is_cancelled:
            raise asyncio.CancelledError
        if place.is_gone:
            raise StepFailedError("The session was cleared or deleted before it was this message's turn.")
        return place

    async def _wait(self, patience: timedelta) -> None:
        workflow.set_current_details("waits for the turn ahead in its session")
        try:
            await workflow.wait_condition(lambda: self._called, timeout=patience)
        except TimeoutError:
            workflow.logger.info("looks by itself whether the turn ahead has ended")

    async def _note(self, note: Note) -> None:
        workflow.set_current_details(note.summary)
        await put_down(self._run, note)


def _known_to_all(run: RunInput, flow: Chatflow, told: Sequence[ToldMessage], found: CallToolResult | None) -> Known:
    """What a turn without a place in a session knows: what its caller told it, or what the turn that it forks knew."""
    turn = run.fork.turn if run.fork else None
    if turn is None:
        return Known(told=told, found=found)
    conversation = ConversationRef(user_id=run.user_id, session_id=turn.session_id, upto=turn.upto)
    return Known(conversation=conversation, memory=turn.memory or flow.memory_config, found=found)


def _output(reply: ChatReply, session_id: str | None, found: CallToolResult | None) -> Output:
    output: Output = {
        "response": reply.text,
        "session_id": session_id,
        "usage": reply.usage.model_dump(mode="json") if reply.usage else None,
        "sources": [
            *_sources(found.data if found else None),
            *(s for each in reply.called for s in _sources(each.data)),
        ],
    }
    if reply.called:
        made = (
            ToolCallMade(
                step_id=each.step_id, name=each.call.name, arguments=each.call.arguments, is_error=each.is_error
            )
            for each in reply.called
        )
        output["tool_calls"] = [each.model_dump(mode="json") for each in made]
    return output


def _sources(data: JsonValue) -> list[JsonValue]:
    sources = data.get("sources") if isinstance(data, dict) else None
    return sources if isinstance(sources, list) else []
