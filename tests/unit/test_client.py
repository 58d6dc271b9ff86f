"""The client without a server: what is sent, what a stream's bytes mean, when to connect again, and that both agree."""

import inspect
from collections.abc import Callable
from itertools import pairwise
from uuid import UUID

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.client import ApiError, AsyncPerdureClient, PerdureClient, StepStarted, Token, UnreachableError, calls
from perdure.client.following import Following
from perdure.domain.errors import PerdureError

EXECUTION = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
STREAM = (
    b"retry: 1000\n\n"
    b'event: step_started\ndata: {"node_id":"a","attempt":1,"run_id":"r"}\nid: 2_2.0.1.0\n\n'
    b": heartbeat\n\n"
    b'event: token\ndata: {"node_id":"a","attempt":1,"index":0,"text":"Gr\xc3\xbc\xc3\x9fe"}\nid: 2_2.0.1.1\n\n'
    b"event: of tomorrow\ndata: {}\nid: 2_2.0.1.2\n\n"
    b'event: error\ndata: {"code":"too_slow","message":"Slow."}\n\n'
)


def following(clock: Callable[[], float] = lambda: 0.0, *, after: str | None = None, patience: float = 60) -> Following:
    return Following(after, 0, patience, clock)


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    def methods(client: type) -> dict[str, list[str]]:
        return {
            name: [str(parameter) for parameter in inspect.signature(method).parameters.values()]
            for name, method in inspect.getmembers(client, inspect.isfunction)
            if not name.startswith("_")
        }

    assert methods(PerdureClient) == methods(AsyncPerdureClient)


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=8))
def test_a_stream_means_the_same_wherever_it_is_cut(cuts: list[int]) -> None:
    here = following()
    edges = [0, *sorted(set(cuts)), len(STREAM)]
    updates = [update for begin, end in pairwise(edges) for update in here.feed(STREAM[begin:end])]
    assert [update.data for update in updates] == [
        StepStarted(node_id="a", attempt=1),
        Token(node_id="a", attempt=1, index=0, text="Grüße"),
    ]
    assert here.headers["Last-Event-ID"] == "2_2.0.1.2"
    assert not here.over


def test_the_last_event_ends_it_and_half_a_frame_is_dropped_with_its_connection() -> None:
    here = following(after="1")
    assert here.headers["Last-Event-ID"] == "1"
    assert list(here.feed(b"event: token\ndata: {")) == []
    assert here.wait() == 0.2
    assert list(here.feed(b"event: of tomorrow\ndata: {}\nid: 9-end_2.0.1.3\n\n")) == []
    assert here.over


def test_waits_grow_while_nothing_comes_and_end_with_the_caller_s_patience() -> None:
    now = 0.0
    here = following(lambda: now, patience=10)
    lost = httpx.ConnectError("gone")
    assert [here.wait(lost) for _ in range(6)] == [0.2, 0.5, 1.0, 2.0, 5.0, 5.0]
    busy = ApiError.of(503, {"retry-after": "7"}, b"")
    assert here.wait(busy) == 7
    list(here.feed(b":\n"))
    assert here.wait(lost) == 0.2
    now = 11.0
    with pytest.raises(UnreachableError):
        here.wait(lost)
    with pytest.raises(ApiError, match="503"):
        here.wait(busy)


def test_a_query_leaves_out_what_is_not_given_and_repeats_lists() -> None:
    call = calls.get_flows({"tags": ["a", "b"], "is_active": True, "page": 2})
    assert call.sent_query == [("tags", "a"), ("tags", "b"), ("is_active", "true"), ("page", "2")]
    assert calls.get_executions(None, None, None, 5, 0).path == "/api/agent-builder/executions"
    assert calls.get_executions("f", None, None, 5, 0).path == "/api/agent-builder/flows/f/executions"
    assert calls.get_aggregate_events("a b?/c", None, 0).path == "/api/events/aggregate/a%20b%3F/c"


def answering(status: int, body: object, headers: dict[str, str] | None = None) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer t"
        return httpx.Response(status, content=orjson.dumps(body), headers=headers)

    return httpx.Client(transport=httpx.MockTransport(answer))


def test_a_refusal_is_an_error_with_the_api_s_words() -> None:
    problem = {"detail": "Send a name.", "errors": [{"loc": ["body", "name"], "msg": "This field is required."}]}
    with answering(422, problem) as http, pytest.raises(ApiError) as refused:
        PerdureClient("http://perdure.test/", "t", http=http).create_agentflow({})
    assert isinstance(refused.value, PerdureError)
    assert (refused.value.answered, refused.value.detail) == (422, "The API answered 422: Send a name.")
    assert refused.value.errors[0].loc == ["body", "name"]
    with answering(404, problem) as http, pytest.raises(ApiError):
        list(PerdureClient("http://perdure.test", "t", http=http).watch_execution(EXECUTION))
    with answering(502, "<html>", {"Retry-After": "3"}) as http, pytest.raises(ApiError) as passing:
        PerdureClient("http://perdure.test", "t", http=http).get_flows()
    assert passing.value.retry_after == 3


def test_an_api_that_is_not_there_is_told_by_its_address() -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    with httpx.Client(transport=httpx.MockTransport(refuse)) as http:
        client = PerdureClient("http://perdure.test", "t", http=http)
        assert not client.is_ready()
        with pytest.raises(UnreachableError, match=r"http://perdure\.test"):
            client.get_flow(EXECUTION)
