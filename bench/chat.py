"""`python -m bench.chat`: how long a chat's first word takes over what its model takes for it.

The model is scripted: it waits, then writes word by word. It is asked by plain HTTP (the floor), through a chat's event
stream, and through the OpenAI door, in turns, so that a drift of the machine's speed meets all three. The chat has
buffer memory, in one session, so every turn is told the messages before it; a second chat also asks a knowledge base of
1,000 chunks by `hybrid` search before it answers. A turn is read to its end, untimed, before the next one.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from uuid import uuid4

import aiohttp
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from bench.measure import TURNS, sample
from tests.support.product import API, JsonObject, Product
from tests.support.scripted_model import Behaviour, ScriptedModel

MODEL = "gpt-4o-mini"
ANSWER = Behaviour(times=None, text=" ".join(["word"] * 20), delay_ms=200, token_delay_ms=10)
FLOOR = "the model alone"
DOCUMENTS, WORDS_PER_DOCUMENT = 20, 2_600
SENTENCE = (
    "what now ships float because they displace water while bread rises when yeast makes gas and every sailor knows"
    " which harbour has a crane that lifts heavy boxes from the deck of an old vessel in the morning"
)
WORDS = SENTENCE.split()

Ask = Callable[[], Coroutine[None, None, aiohttp.ClientResponse]]


class FirstWord(BaseModel):
    """One way to ask. Milliseconds from the call to the first word; `over` is what the model alone does not take."""

    model_config = ConfigDict(frozen=True)

    name: str
    calls: int
    p50_ms: float
    p95_ms: float
    over_p50_ms: float
    over_p95_ms: float


async def measure(ways: dict[str, Ask], *, calls: int) -> list[FirstWord]:
    """Ask in every way, a few calls at a time in turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS + 1):
        for name, ask in ways.items():
            taken = await sample(ask, calls=max(calls // TURNS, 1), at_once=1, between=_read_on)
            if turn:  # the first warms up
                times[name] += taken.times_ms
        print(f"turn {turn} of {TURNS}", file=sys.stderr, flush=True)
    floor_p50, floor_p95 = _p50(times[FLOOR]), _p95(times[FLOOR])
    return [
        FirstWord(
            name=name,
            calls=len(each),
            p50_ms=round(_p50(each), 1),
            p95_ms=round(_p95(each), 1),
            over_p50_ms=round(_p50(each) - floor_p50, 1),
            over_p95_ms=round(_p95(each) - floor_p95, 1),
        )
        for name, each in times.items()
    ]


_p50 = statistics.median


def _p95(times: list[float]) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) * 95 // 100, len(ordered) - 1)]


async def _read_on(response: aiohttp.ClientResponse) -> None:
    await response.read()
    response.release()


async def _first_word(response: aiohttp.ClientResponse, mark: bytes) -> aiohttp.ClientResponse:
    response.raise_for_status()
    async for line in response.content:
        if mark in line:
            return response
    raise RuntimeError("the answer ended without a word")


async def make_knowledge_base(product: Product) -> str:
    """A knowledge base of the embedded model with about 1,000 chunks; its id."""
    base = await product.post(f"{API}/knowledgebases", {"name": "Bench", "chunk_size": 100, "chunk_overlap": 0})
    url = f"{API}/knowledgebases/{base['id']}"
    draw = random.Random(1)  # noqa: S311 - the same text each time
    for number in range(DOCUMENTS):
        words = " ".join(draw.choice(WORDS) for _ in range(WORDS_PER_DOCUMENT))
        form = aiohttp.FormData()
        form.add_field("file", words.encode(), filename=f"{number}.txt", content_type="text/plain")
        async with product.http.post(f"{url}/documents", data=form) as response:
            response.raise_for_status()
    while True:
        listed = await product.get(f"{url}/documents?status=ready&page_size=1")
        if listed["total"] == DOCUMENTS:
            return str(base["id"])
        await asyncio.sleep(0.2)


def _completion(http: aiohttp.ClientSession, url: str, body: JsonObject) -> Ask:
    async def ask() -> aiohttp.ClientResponse:
        asked: JsonObject = {**body, "messages": [{"role": "user", "content": "What now?"}], "stream": True}
        return await _first_word(await http.post(url, json=asked), b"word")

    return ask


def _stream(http: aiohttp.ClientSession, url: str) -> Ask:
    session_id = uuid4().hex

    async def ask() -> aiohttp.ClientResponse:
        asked = {"message": "What now?", "session_id": session_id}
        return await _first_word(await http.get(url, params=asked), b"event: token")

    return ask


async def run(calls: int) -> list[FirstWord]:
    """Start everything, measure, stop everything."""
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        async with ScriptedModel() as model, aiohttp.ClientSession() as plain:
            await model.script(ANSWER)
            environment = {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": "sk-bench"}
            async with Product(Path(folder), environment) as product:
                await product.start("up")
                await product.log_in()
                chat: JsonObject = {"llm_provider": "openai", "llm_model": MODEL, "system_prompt": "Answer."}
                flow = await product.post(f"{API}/chatflows", {"name": "Chat", "chat_config": chat})
                base = await make_knowledge_base(product)
                rag: JsonObject = {"enabled": True, "knowledgebase_ids": [base], "retrieval_strategy": "hybrid"}
                knowing = await product.post(
                    f"{API}/chatflows", {"name": "Knowing", "chat_config": chat, "rag_config": rag}
                )
                door: JsonObject = {"model": str(flow["id"]), "user": uuid4().hex}
                ways = {
                    FLOOR: _completion(plain, f"{model.base_url}/chat/completions", {"model": MODEL}),
                    "chat stream": _stream(product.http, f"{API}/chatflow/workflows/{flow['id']}/chat/stream"),
                    "chat stream, hybrid retrieval": _stream(
                        product.http, f"{API}/chatflow/workflows/{knowing['id']}/chat/stream"
                    ),
                    "OpenAI door": _completion(product.http, "/v1/chat/completions", door),
                }
                return await measure(ways, calls=calls)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.chat", description=__doc__)
    parser.add_argument("--calls", type=int, default=120, help="calls of each way")
    parser.add_argument("--json", type=Path, help="write the figures there too, one a line")
    arguments = parser.parse_args()
    figures = asyncio.run(run(arguments.calls))
    table = Table(title="The first word of a chat", title_justify="left")
    for column in ("asked through", "calls", "p50 ms", "p95 ms", "over, p50", "over, p95"):
        table.add_column(column, justify="left" if column == "asked through" else "right")
    for each in figures:
        cells = (each.calls, each.p50_ms, each.p95_ms, each.over_p50_ms, each.over_p95_ms)
        table.add_row(each.name, *map(str, cells))
    Console().print(table)
    if arguments.json:
        arguments.json.write_text("".join(f"{figure.model_dump_json()}\n" for figure in figures), encoding="utf-8")


if __name__ == "__main__":
    main()
