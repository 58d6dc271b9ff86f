"""Forks and retries of a run that was reset: what still counts is reused, what was left behind is not."""

import pytest
from pydantic import JsonValue

from perdure.domain.errors import UnprocessableError
from perdure.domain.executions import ExecutionStatus
from perdure.forks import ForkAsked
from tests.support.forking import fork, go_on, kinds, retry, version_after
from tests.support.resetting import again_from
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour

THREE: list[JsonValue] = [{"id": "one", "name": "One"}, {"id": "two", "name": "Two"}, {"id": "three", "name": "Three"}]
NO = Behaviour(status=400, body={"error": {"message": "no"}})


async def test_what_was_done_after_a_reset_is_not_done_again_by_a_retry(lab: Lab) -> None:
    await lab.model.script(Behaviour(text="first"), NO, Behaviour(text="second"), NO, Behaviour(text="third"))
    parent = await lab.run(await lab.agentflow(agents=THREE), message="Go.")
    assert (await again_from(lab, parent.id, "two")).status is ExecutionStatus.FAILED
    retried = await retry(lab, parent.id)
    assert (retried.status, retried.metrics.llm_calls) == (ExecutionStatus.COMPLETED, 1)
    assert await kinds(lab, retried.id) == [("StepReused", "one"), ("StepReused", "two"), ("StepScheduled", "three")]
    assert len(await lab.model.requests()) == 5


async def test_a_reset_run_is_forked_from_what_still_counts(lab: Lab) -> None:
    await lab.model.script(*(Behaviour(text=text) for text in ("first", "old", "third", "new", "third again")))
    parent = await lab.run(await lab.agentflow(agents=THREE), message="Go.")
    left_behind = await version_after(lab, parent.id, "StepCompleted", "two")
    assert (await again_from(lab, parent.id, "two")).status is ExecutionStatus.COMPLETED
    forked = await fork(lab, parent.id, ForkAsked(from_step="three"))
    assert forked.metrics.reused_steps == 2
    asked = await lab.model.requests()
    assert len(asked) == 6
    assert "new" in asked[5].last_user_message
    assert "old" not in asked[5].last_user_message
    with pytest.raises(UnprocessableError, match="left this version behind"):
        await go_on(lab, parent.id, ForkAsked(from_version=left_behind))
