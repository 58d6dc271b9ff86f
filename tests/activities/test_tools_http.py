"""`http_request` against servers on this machine: what is refused, followed, cut, and sent along."""

import asyncio
from collections.abc import AsyncGenerator, Mapping

import pytest
from pydantic import JsonValue

from perdure.domain.tools import HttpRequestTool, ToolOutput
from perdure.settings import ToolSettings
from perdure.tools import Toolbox, ToolCallError
from tests.support.http_site import Names, Site, serving
from tests.support.tool_calls import CONTEXT, call

TOOL = HttpRequestTool()
LIMIT = 1000


@pytest.fixture
async def site() -> AsyncGenerator[Site]:
    async with serving() as running:
        yield running


@pytest.fixture
async def inside() -> AsyncGenerator[Toolbox]:
    """A toolbox that may reach this machine; `other.test` is it by another name."""
    names = Names(other_test=[["127.0.0.1"]])
    async with Toolbox(ToolSettings(http_allow_private=True, http_max_bytes=LIMIT), resolver=names) as toolbox:
        yield toolbox


async def ask(toolbox: Toolbox, tool: HttpRequestTool, **arguments: JsonValue) -> ToolOutput:
    return await toolbox.call(tool, call(tool.name, **arguments), CONTEXT)


async def test_an_answer_is_shown_with_status_type_and_text(site: Site, inside: Toolbox) -> None:
    output = await ask(inside, TOOL, url=f"{site.url}/page?q=1")

    assert output == ToolOutput(
        content="HTTP 200 OK\nContent-Type: text/plain\n\nhello",
        data={
            "status": 200,
            "url": f"{site.url}/page?q=1",
            "content_type": "text/plain",
            "bytes": 5,
            "whole": True,
        },
    )


async def test_an_error_status_is_for_the_model(site: Site, inside: Toolbox) -> None:
    output = await ask(inside, TOOL, url=f"{site.url}/missing")

    assert output.is_error
    assert "HTTP 404 Not Found" in output.content
    assert "no such thing" in output.content


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/latin", "Grüße"),
        ("/odd", "fine"),
        ("/unnamed-text", "Grüße"),
        ("/picture", "[20 bytes of image/png: not text, left out]"),
        ("/unnamed", "[3 bytes of application/octet-stream: not text, left out]"),
        ("/huge", "x\n[Only the first 1000 bytes of 5000 were read.]"),
        ("/endless", "y\n[Only the first 1000 bytes were read.]"),
    ],
)
async def test_bodies_of_all_kinds(site: Site, inside: Toolbox, path: str, shown: str) -> None:
    assert (await ask(inside, TOOL, url=site.url + path)).content.endswith(shown)


async def test_what_is_read_no_further_is_hung_up_on(site: Site, inside: Toolbox) -> None:
    await ask(inside, TOOL, url=f"{site.url}/endless")

    await asyncio.wait_for(site.hung_up.wait(), 10)


async def test_a_slow_answer_ends_with_the_tools_time_and_may_be_asked_for_again(site: Site, inside: Toolbox) -> None:
    with pytest.raises(ToolCallError, match=r"did not answer within 0\.2 s") as caught:
        await ask(inside, HttpRequestTool(timeout_seconds=0.2), url=f"{site.url}/slow?key=secret")

    assert caught.value.retryable
    assert "secret" not in caught.value.detail
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    await asyncio.wait_for(site.hung_up.wait(), 10)


async def test_no_connection_and_a_broken_one_may_be_tried_again(site: Site, inside: Toolbox) -> None:
    for url in (f"{site.url}/broken", "http://127.0.0.1:1/"):
        with pytest.raises(ToolCallError, match="could not be reached, or the connection broke") as caught:
            await ask(inside, TOOL, url=url)
        assert caught.value.retryable


async def test_calls_with_effects_carry_the_idempotency_key(site: Site, inside: Toolbox) -> None:
    await ask(inside, TOOL, url=site.url, method="POST", body={"a": [1]})
    await ask(inside, TOOL, url=site.url, method="PUT", body="text", headers={"idempotency-key": "mine"})
    await ask(inside, TOOL, url=site.url)
    await ask(inside, TOOL, url=site.url, method="HEAD")

    post, put, get, head = site.seen
    assert (post[2]["idempotency-key"], post[2]["content-type"], post[3]) == (
        CONTEXT.idempotency_key,
        "application/json",
        b'{"a":[1]}',
    )
    assert (put[2]["idempotency-key"], put[3]) == ("mine", b"text")
    assert "idempotency-key" not in {**get[2], **head[2]}
    assert head[0] == "HEAD"


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (307, "POST", "POST"), (308, "PUT", "PUT")],
)
async def test_redirects_are_followed_as_browsers_do(
    site: Site, inside: Toolbox, status: int, method: str, then: str
) -> None:
    site.redirects["/from"] = (status, "/to")

    await ask(inside, TOOL, url=f"{site.url}/from", method=method, body="x", headers={"Authorization": "Bearer t"})

    verb, path, headers, body = site.seen[-1]
    assert (verb, path, body) == (then, "/to", b"" if then == "GET" else b"x")
    assert headers["authorization"] == "Bearer t"


async def test_what_may_be_a_credential_stays_with_its_origin(site: Site, inside: Toolbox) -> None:
    site.redirects["/from"] = (307, f"http://other.test:{site.port}/to")
    headers: Mapping[str, JsonValue] = {"Authorization": "Bearer t", "X-Api-Key": "k", "Cookie": "c=1", "Accept": "a/b"}

    url = f"http://user:word@127.0.0.1:{site.port}/from"
    output = await ask(inside, TOOL, url=url, method="POST", headers={**headers})

    assert site.seen[0][2]["authorization"] == "Bearer t"
    sent = site.seen[-1][2]
    assert site.seen[-1][1] == "/to"
    assert {"authorization", "x-api-key", "cookie"} & set(sent) == set()
    assert (sent["accept"], sent["idempotency-key"]) == ("a/b", CONTEXT.idempotency_key)
    assert not output.is_error


async def test_redirects_end(site: Site, inside: Toolbox) -> None:
    site.redirects["/loop"] = (302, "/loop")

    output = await ask(inside, TOOL, url=f"{site.url}/loop")

    assert output.is_error
    assert len(site.seen) == 6


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/meta-data", "file:///etc/passwd"])
async def test_a_redirect_is_judged_like_a_first_request(site: Site, inside: Toolbox, location: str) -> None:
    site.redirects["/from"] = (302, location)

    output = await ask(inside, TOOL, url=f"{site.url}/from")

    assert output.is_error
    assert len(site.seen) == 1


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "10.0.0.1", "[fe80::1]", "192.168.1.1"],  # noqa: S104 - asked for
)
async def test_what_is_not_public_is_refused(site: Site, host: str) -> None:
    async with Toolbox(ToolSettings()) as toolbox:
        output = await ask(toolbox, TOOL, url=f"http://{host}:{site.port}/")

    assert output.is_error
    assert "not on the public Internet" in output.content
    assert site.seen == []


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["::1"], ["127.0.0.1", "127.0.0.2"]])
async def test_a_public_name_that_leads_inside_is_refused(site: Site, addresses: list[str]) -> None:
    names = Names(rebind_test=[addresses])
    async with Toolbox(ToolSettings(), resolver=names) as toolbox:
        output = await ask(toolbox, TOOL, url=f"http://rebind.test:{site.port}/")

    assert "not on the public Internet" in output.content
    assert names.asked == 1
    assert site.seen == []


async def test_only_hosts_that_the_flow_allows_are_called(site: Site, inside: Toolbox) -> None:
    tool = HttpRequestTool(name="fetch", allowed_hosts=["*.test"])
    site.redirects["/away"] = (302, f"{site.url}/to")

    allowed = await ask(inside, tool, url=f"http://OTHER.test:{site.port}/")
    other = await ask(inside, tool, url=site.url)
    away = await ask(inside, tool, url=f"http://other.test:{site.port}/away")

    assert not allowed.is_error
    assert other.content == "127.0.0.1 may not be called, only *.test."
    assert away.is_error
    assert [path for _, path, _, _ in site.seen] == ["/", "/away"]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ({}, "'url' is a required property"),
        ({"url": "http://x.test", "method": "TRACE"}, "TRACE"),
        ({"url": "http://x.test", "headers": {"Host": "inside"}}, "Leave out header Host"),
        ({"url": "http://x.test", "headers": {"X": "a\r\nY: b"}}, "cannot be sent"),
        ({"url": "http://x.test", "headers": {"a b": "c"}}, "cannot be sent"),
        ({"url": "ftp://x.test"}, "http:// or https://"),
        ({"url": "/page"}, "http:// or https://"),
        ({"url": "http://[x"}, "no URL"),
        ({"url": "http://nobody.test"}, "There is no host nobody.test."),
    ],
)
async def test_what_cannot_be_asked_is_explained_to_the_model(
    inside: Toolbox, arguments: dict[str, JsonValue], advice: str
) -> None:
    output = await ask(inside, TOOL, **arguments)

    assert output.is_error
    assert advice in output.content
