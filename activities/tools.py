"""The tool call of a step."""

from datetime import UTC, datetime

from temporalio import activity

from activities.attempts import Attempts, ref_of
from activities.heartbeat import heartbeating
from perdure.domain.runs import CallToolInput, CallToolResult
from perdure.domain.text import storable, storable_json
from perdure.domain.tools import BadToolError, ToolContext
from perdure.live import LiveWriter, SourcesFound, ToolReturned
from perdure.storage.engine import Single
from perdure.storage.transcripts import KeptOutput, keep_output, kept_output
from perdure.tools import Toolbox, ToolCallError


class ToolActivities:
    """Tool calls; built once per worker with what they need."""

    def __init__(self, toolbox: Toolbox, database: Single, live: LiveWriter) -> None:
        self._toolbox = toolbox
        self._attempts = Attempts(database)
        self._live = live

    @activity.defn
    async def call_tool(self, step: CallToolInput) -> CallToolResult:
        """Call the step's tool once and keep what it gave back, whole; the result holds what a model is shown of it.

        A repeated attempt whose predecessor got its output but could not report it returns that output. Every attempt
        hands the tool the same idempotency key. Raises ApplicationError when the tool cannot be reached.
        """
        info = activity.info()
        ref = ref_of(step.execution_id, step.step_id)
        context = ToolContext(
            user_id=step.user_id,
            execution_id=step.execution_id,
            step_id=step.step_id,
            model=step.model,
            first_passage=step.first_passage,
            idempotency_key=f"{ref.run_id}:{step.step_id}",
        )
        async with heartbeating():
            if info.attempt > 1:
                found = await self._attempts.within_reach(kept_output, ref)
                if found is not None:
                    await self._tell(step, found)
                    return found
            started_at = datetime.now(UTC)
            try:
                output = await self._toolbox.call(step.tool, step.call, context)
            except BadToolError as error:
                failure = ToolCallError(str(error), retryable=False)
            except ToolCallError as error:
                failure = error
            else:
                stored = {"content": storable(output.content), "data": storable_json(output.data)}
                whole = output.model_copy(update=stored)
                result = CallToolResult(
                    text=self._toolbox.cut(whole).content,
                    is_error=whole.is_error,
                    characters=len(whole.content),
                    data=whole.data,
                    model_use=whole.model_use,
                    attempt=info.attempt,
                    started_at=started_at,
                    completed_at=datetime.now(UTC),
                    ref=ref,
                )
                kept = KeptOutput(result=result, call_id=step.call.id, tool_name=step.call.name, whole=whole)
                await self._attempts.within_reach(keep_output, kept)
                await self._tell(step, result)
                return result
            raise await self._attempts.failed(ref, failure, name="ToolCallFailed", max_retries=step.max_retries)

    async def _tell(self, step: CallToolInput, result: CallToolResult) -> None:
        """Tell those who watch: a chat shows what it draws on before it answers."""
        if step.step_id != step.node_id:  # a call that a model asked for
            returned = ToolReturned(node_id=step.step_id, name=step.call.name, is_error=result.is_error)
            self._live.publish(step.execution_id, returned)
        sources = result.data.get("sources") if isinstance(result.data, dict) else None
        if isinstance(sources, list):
            self._live.publish(step.execution_id, SourcesFound(node_id=step.step_id, sources=sources))
            # Another worker may write the answer: what it draws on must be readable by then.
            await self._live.drain()
