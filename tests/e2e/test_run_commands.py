"""`perdure run`, `watch` and `cancel` as their users type them."""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from tests.support.product import API, CHECKOUT, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

MODEL: JsonObject = {"llm_provider": "openai", "llm_model": "scripted"}


@asynccontextmanager
async def command(product: Product, *arguments: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "perdure", *arguments),
        env=product.environment,
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def done(product: Product, *arguments: str) -> tuple[int | None, str, str]:
    async with command(product, *arguments) as process:
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_a_flow_is_run_watched_left_and_cancelled(product: Product, model: ScriptedModel) -> None:
    name = f"Team {uuid4().hex}"
    await product.log_in("admin@localhost")
    try:
        team: JsonObject = {"name": name, "supervisor_config": MODEL, "agents": [{"name": "Ada"}]}
        await product.post(f"{API}/agentflows", team)
        await model.script(
            Behaviour(text="Ships float."),
            Behaviour(status=400, body={"error": {"message": "no"}}),
            Behaviour(hang_after_tokens=0),
        )
        code, out, err = await done(product, "run", name, "Why?")
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert lines[0].startswith(f"{name}: execution ")
        assert lines[1] == "Ada Ships float."
        assert lines[2].startswith("Completed (")
        code, out, _ = await done(product, "watch", lines[0].rpartition(" ")[2])
        assert (code, out.splitlines()) == (0, lines[1:])
        code, out, _ = await done(product, "run", name, "Why?")
        assert code == 1
        assert "Failed (" in out
        code, _, err = await done(product, "run", "no such flow", "Why?")
        assert (code, err) == (1, "There is no flow with this id or name: 'no such flow'.\n")
        async with command(product, "run", name, "Why?") as leaving:
            assert leaving.stdout is not None
            # Whoever reads the execution's id may leave; the model can be asked before the API has answered.
            execution_id = (await leaving.stdout.readline()).decode().split()[-1]
            await model.wait_for_requests(3)
            leaving.send_signal(signal.SIGINT)
            err = (await leaving.communicate())[1].decode()
        assert leaving.returncode == 130
        assert f"cancel {execution_id}" in err
        assert (await product.get(f"{API}/executions/{execution_id}"))["status"] == "running"
        assert await done(product, "cancel", execution_id) == (0, "The execution is cancelled.\n", "")
    finally:
        await product.log_in("ada@example.com")
