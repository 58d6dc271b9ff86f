"""`python -m bench.models`: what a model call costs the worker's processor, layer by layer.

The model is scripted, in a process of its own, and answers at once with six tokens; every row makes the same streamed
call. Each figure is the median of several runs.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import httpx2
from openai import AsyncOpenAI, DefaultAioHttpClient
from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import ModelRequest, SystemPromptPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from rich.console import Console
from rich.table import Table

from bench.measure import sample
from perdure.domain.generation import GenerationRequest, ModelRef, PromptMessage
from perdure.llm import ProviderKeys
from perdure.llm.models import Models
from tests.support.scripted_model import Behaviour, ScriptedModel

Call = Callable[[], Awaitable[object]]

MODEL = "gpt-4o-mini"
SYSTEM, QUESTION = "You are a helpful agent.", "What now?"
BODY = {
    "model": MODEL,
    "stream": True,
    "stream_options": {"include_usage": True},
    "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}],
}
LONG_ANSWER = Behaviour(times=None, text=" ".join(["word"] * 500))


class ModelFigure(BaseModel):
    """One way to make the call. `at_once` holds for the rate and the processor time."""

    model_config = ConfigDict(frozen=True)

    name: str
    at_once: int
    per_second: float
    cpu_ms_per_call: float
    alone_p50_ms: float
    cpu_us_per_token: float | None = None
    """From answers of 500 tokens; None where tokens are not taken apart."""


async def measure(name: str, call: Call, *, calls: int, at_once: int, runs: int) -> ModelFigure:
    """Median rate and processor time of this process at `at_once`, and the median time of a call alone."""
    await sample(call, calls=at_once, at_once=at_once)
    rates: list[float] = []
    costs: list[float] = []
    for _ in range(runs):
        cpu = time.process_time()
        rates.append((await sample(call, calls=calls, at_once=at_once)).per_second)
        costs.append((time.process_time() - cpu) / calls * 1000)
    alone = await sample(call, calls=100, at_once=1)
    return ModelFigure(
        name=name,
        at_once=at_once,
        per_second=round(statistics.median(rates)),
        cpu_ms_per_call=round(statistics.median(costs), 3),
        alone_p50_ms=round(statistics.median(alone.times_ms), 2),
    )


@asynccontextmanager
async def _ways(base_url: str) -> AsyncGenerator[dict[str, Call]]:
    """Every way to make the call, from the barest to ours."""
    url = f"{base_url}/chat/completions"
    async with AsyncExitStack() as stack:
        bare = await stack.enter_async_context(aiohttp.ClientSession())
        plain = await stack.enter_async_context(httpx2.AsyncClient())
        over_aiohttp = await stack.enter_async_context(DefaultAioHttpClient())
        keys = ProviderKeys(openai_base_url=base_url, openai_api_key=SecretStr("key"))
        models = await stack.enter_async_context(Models(keys))

        async def with_aiohttp() -> None:
            async with bare.post(url, json=BODY) as response:
                await response.read()

        request = GenerationRequest(
            model=ModelRef(provider="openai", name=MODEL),
            system_prompt=SYSTEM,
            messages=(PromptMessage(role="user", content=QUESTION),),
        )

        async def with_ours() -> None:
            pieces: list[str] = []
            await models.generate(request, on_text=pieces.append)

        yield {
            "aiohttp, body unread": with_aiohttp,
            "httpx2, body unread": _with_client(plain, url),
            "httpx2 over aiohttp, body unread": _with_client(over_aiohttp, url),
            "pydantic-ai, httpx2": _with_pydantic_ai(plain, base_url),
            "pydantic-ai, httpx2 over aiohttp": _with_pydantic_ai(over_aiohttp, base_url),
            "Models.generate": with_ours,
        }


def _with_client(client: httpx2.AsyncClient, url: str) -> Call:
    async def call() -> None:
        await client.post(url, json=BODY)

    return call


def _with_pydantic_ai(client: httpx2.AsyncClient, base_url: str) -> Call:
    openai = AsyncOpenAI(base_url=base_url, api_key="key", http_client=client, max_retries=0)
    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=openai))
    prompt = [ModelRequest([SystemPromptPart(SYSTEM), UserPromptPart(QUESTION)])]
    parameters = ModelRequestParameters()

    async def call() -> None:
        async with model_request_stream(model, prompt, model_request_parameters=parameters) as stream:
            async for _ in stream:
                pass

    return call


async def _main(arguments: argparse.Namespace) -> None:
    figures: list[ModelFigure] = []
    async with ScriptedModel() as scripted, _ways(scripted.base_url) as ways:
        for name, call in ways.items():
            figure = await measure(name, call, calls=arguments.calls, at_once=arguments.at_once, runs=arguments.runs)
            if "unread" not in name:
                await scripted.script(LONG_ANSWER)
                long = await measure(name, call, calls=20, at_once=10, runs=arguments.runs)
                await scripted.reset()
                per_token = (long.cpu_ms_per_call - figure.cpu_ms_per_call) / 494 * 1000
                figure = figure.model_copy(update={"cpu_us_per_token": round(per_token)})
            figures.append(figure)
    table = Table(title=f"One streamed model call, {arguments.at_once} at a time", title_justify="left")
    for column in ("way", "calls/s", "cpu ms/call", "alone p50 ms", "cpu µs/token"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for each in figures:
        row = (each.per_second, each.cpu_ms_per_call, each.alone_p50_ms, each.cpu_us_per_token or "–")
        table.add_row(each.name, *map(str, row))
    Console().print(table)
    if arguments.json:
        lines = "".join(f"{figure.model_dump_json()}\n" for figure in figures)
        await asyncio.to_thread(Path(arguments.json).write_text, lines, encoding="utf-8")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description="What a model call costs, by transport and layer.")
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", help="also write the figures to this file, one JSON object a line")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
