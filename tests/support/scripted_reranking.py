"""The scripted model's rerank endpoint: a document's score is the share of the query's words that it holds."""

import re
from collections import deque

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter


class RerankBehaviour(BaseModel):
    """How to answer the next calls otherwise."""

    model_config = ConfigDict(frozen=True)

    times: int = 1
    status: int = 200
    body: JsonValue = Field(default=None, description="What is sent; with status 200 in the place of the scores.")


class RerankCall(BaseModel):
    """One call as it came in."""

    model_config = ConfigDict(frozen=True)

    model: str
    query: str
    documents: list[str]
    authorization: str | None


RERANK_BEHAVIOURS = TypeAdapter(list[RerankBehaviour])
RERANK_CALLS = TypeAdapter(list[RerankCall])


class RerankDesk:
    """`POST /v1/rerank`, and for the test that drives it `POST /rerank/script` and `GET /rerank`."""

    def __init__(self) -> None:
        self._script: deque[RerankBehaviour] = deque()
        self._calls: list[RerankCall] = []

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/rerank", self.rerank)
        app.router.add_post("/rerank/script", self.script)
        app.router.add_get("/rerank", self.calls)

    def reset(self) -> None:
        self._script.clear()
        self._calls.clear()

    async def script(self, request: web.Request) -> web.Response:
        for behaviour in RERANK_BEHAVIOURS.validate_json(await request.read()):
            self._script.extend([behaviour] * behaviour.times)
        return web.json_response({})

    async def calls(self, _request: web.Request) -> web.Response:
        return web.Response(body=RERANK_CALLS.dump_json(self._calls), content_type="application/json")

    async def rerank(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        call = RerankCall.model_validate({**body, "authorization": request.headers.get("authorization")})
        self._calls.append(call)
        if self._script:
            said = self._script.popleft()
            return web.Response(status=said.status, body=orjson.dumps(said.body), content_type="application/json")
        results = [
            {"index": index, "relevance_score": _overlap(call.query, document)}
            for index, document in enumerate(call.documents)
        ]
        results.sort(key=lambda result: -result["relevance_score"])
        return web.json_response({"model": call.model, "results": results, "usage": {"total_tokens": 7}})


def _overlap(query: str, document: str) -> float:
    wanted, there = (set(re.findall(r"\w+", text.lower())) for text in (query, document))
    return len(wanted & there) / len(wanted)
