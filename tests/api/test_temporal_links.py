"""Where a run is found in Temporal's Web UI."""

from dataclasses import replace
from uuid import uuid4

import httpx2

from api.app import create_app
from tests.api.callers import BASE_URL, Caller
from tests.support.running import Lab

EXECUTIONS = "/api/agent-builder/executions"


async def test_a_run_has_a_page_in_temporals_web_ui_for_its_owner_alone(lab: Lab, alice: Caller, bob: Caller) -> None:
    own = replace(lab, user_id=alice.user.id)
    run = await own.run(await own.chatflow(), message="Go.")
    found = await alice.ok("GET", f"{EXECUTIONS}/{run.id}/temporal")
    namespace, ui = lab.runtime.client.namespace, lab.runtime.endpoints.temporal_ui_url
    assert ui is not None
    assert (found["workflow_id"], found["namespace"]) == (str(run.id), namespace)
    assert found["url"] == f"{ui}/namespaces/{namespace}/workflows/{run.id}"
    await bob.problem(404, "GET", f"{EXECUTIONS}/{run.id}/temporal")
    await alice.problem(404, "GET", f"{EXECUTIONS}/{uuid4()}/temporal")


async def test_without_a_web_ui_there_is_no_page(lab: Lab, alice: Caller) -> None:
    own = replace(lab, user_id=alice.user.id)
    run = await own.run(await own.chatflow(), message="Go.")
    nowhere = replace(lab.runtime, endpoints=lab.runtime.endpoints.model_copy(update={"temporal_ui_url": None}))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(create_app(nowhere)), base_url=BASE_URL, headers=alice.client.headers
    ) as client:
        answer = await client.get(f"{EXECUTIONS}/{run.id}/temporal")
    assert answer.json()["url"] is None
