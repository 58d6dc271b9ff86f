"""The scripted model's embeddings: words hashed to places of a vector, so that texts with common words are near."""

import asyncio
import hashlib
import re
from collections import deque

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

DEFAULT_DIMENSION = 64


class EmbeddingBehaviour(BaseModel):
    """How to answer the next calls."""

    model_config = ConfigDict(frozen=True)

    times: int = Field(default=1, description="How many calls it answers.")
    after: int = Field(default=0, description="How many calls are answered well before.")
    status: int = 200
    body: JsonValue = None
    hang: bool = Field(default=False, description="Never answer.")


class EmbeddingCall(BaseModel):
    """One call as it came in."""

    model_config = ConfigDict(frozen=True)

    inputs: list[str]
    dimensions: int | None
    answered: bool


EMBEDDING_BEHAVIOURS = TypeAdapter(list[EmbeddingBehaviour])
EMBEDDING_CALLS = TypeAdapter(list[EmbeddingCall])


def vector_of(text: str, dimension: int) -> list[float]:
    vector = [0.0] * dimension
    for word in re.findall(r"\w+", text.lower()):
        vector[int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest()) % dimension] += 1.0
    return vector


class EmbeddingDesk:
    """`POST /v1/embeddings`, and for the test that drives it `POST /embeddings/script` and `GET /embeddings`."""

    def __init__(self) -> None:
        self._script: deque[EmbeddingBehaviour] = deque()
        self._calls: list[EmbeddingCall] = []

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/embeddings", self.embed)
        app.router.add_post("/embeddings/script", self.script)
        app.router.add_get("/embeddings", self.calls)

    def reset(self) -> None:
        self._script.clear()
        self._calls.clear()

    async def script(self, request: web.Request) -> web.Response:
        for behaviour in EMBEDDING_BEHAVIOURS.validate_json(await request.read()):
            self._script.extend([EmbeddingBehaviour()] * behaviour.after + [behaviour] * behaviour.times)
        return web.json_response({})

    async def calls(self, _request: web.Request) -> web.Response:
        return web.Response(body=EMBEDDING_CALLS.dump_json(self._calls), content_type="application/json")

    async def embed(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        given = body["input"]
        inputs: list[str] = [given] if isinstance(given, str) else given
        behaviour = self._script.popleft() if self._script else EmbeddingBehaviour()
        answered = not behaviour.hang and behaviour.status == web.HTTPOk.status_code
        self._calls.append(EmbeddingCall(inputs=inputs, dimensions=body.get("dimensions"), answered=answered))
        if behaviour.hang:
            await asyncio.Event().wait()
        if not answered:
            return web.Response(
                status=behaviour.status, body=orjson.dumps(behaviour.body), content_type="application/json"
            )
        dimension = body.get("dimensions") or DEFAULT_DIMENSION
        data = [
            {"object": "embedding", "index": index, "embedding": vector_of(text, dimension)}
            for index, text in enumerate(inputs)
        ]
        usage = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
        return web.json_response({"object": "list", "data": data, "model": body["model"], "usage": usage})
