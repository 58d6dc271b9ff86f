"""Logging in, staying logged in, API keys."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from perdure.auth import TokenKind, Tokens
from perdure.bootstrap import Runtime
from perdure.storage.tables import ApiKeyRow, EventRow, UserRow
from perdure.storage.users import set_active
from tests.api.callers import FLOWS, PASSWORD, Call, Caller

LOGIN = "/api/auth/login"
KEYS = "/api/auth/api-keys"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_user_logs_in_and_stays_logged_in(alice: Caller, stranger: Call) -> None:
    form = {"grant_type": "password", "username": alice.user.email.upper(), "password": PASSWORD}

    tokens = await stranger.ok("POST", LOGIN, data=form)

    assert tokens["token_type"] == "bearer"
    assert tokens["expires_in"] > 0
    me = await stranger.ok("GET", "/api/auth/me", headers=bearer(tokens["access_token"]))
    assert (me["id"], me["email"]) == (alice.user.id, alice.user.email)
    again = await stranger.ok("POST", "/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    await stranger.ok("GET", "/api/auth/me", headers=bearer(again["access_token"]))
    await stranger.problem(401, "GET", FLOWS, headers=bearer(tokens["refresh_token"]))
    await stranger.problem(401, "POST", "/api/auth/refresh", json={"refresh_token": tokens["access_token"]})


async def test_a_wrong_password_and_an_unknown_user_answer_alike(alice: Caller, stranger: Call) -> None:
    wrong = await stranger.problem(401, "POST", LOGIN, data={"username": alice.user.email, "password": "x"})
    nobody = await stranger.problem(401, "POST", LOGIN, data={"username": "nobody@example.com", "password": "x"})

    assert wrong == nobody


async def test_many_wrong_passwords_are_slowed_down(alice: Caller, stranger: Call) -> None:
    form = {"username": alice.user.email, "password": "wrong"}

    answers = await asyncio.gather(*(stranger.ask("POST", LOGIN, data=form) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 3
    refused = await stranger.ask("POST", LOGIN, data={**form, "password": PASSWORD})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1


async def test_log_in_takes_a_form_only(stranger: Call) -> None:
    await stranger.problem(415, "POST", LOGIN, json={"username": "a@b", "password": "x"})
    await stranger.problem(422, "POST", LOGIN, data={"username": "a@b"})
    await stranger.problem(400, "POST", LOGIN, data={"username": "a\0@b", "password": "x"})


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer x", "Basic YTpi", "bearer pdr_unknown", f"Bearer {'x' * 9000}"]
)
async def test_without_a_valid_token_nothing_is_told(stranger: Call, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}

    answer = await stranger.ask("GET", FLOWS, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    for method, path in (("POST", "/api/agent-builder/agentflows"), ("GET", KEYS), ("GET", "/api/auth/me")):
        await stranger.problem(
            401, method, path, headers=headers, **({"json": {"name": "x"}} if method == "POST" else {})
        )


async def test_a_token_of_nobody_is_refused(stranger: Call, runtime: Runtime) -> None:
    token = Tokens.of(runtime.settings).issue(10**15, TokenKind.ACCESS)

    await stranger.problem(401, "GET", FLOWS, headers=bearer(token))


async def test_a_key_is_shown_once_and_works_until_it_is_deleted(
    alice: Caller, bob: Caller, stranger: Call, runtime: Runtime
) -> None:
    made = await alice.ok("POST", KEYS, json={"name": "nightly"})
    await alice.agentflow()

    assert (await stranger.ok("GET", FLOWS, headers=bearer(made["key"])))["total"] == 1

    listed = await alice.ok("GET", KEYS)
    assert listed["total"] == 1
    (kept,) = listed["api_keys"]
    assert "key" not in kept
    assert kept["last_used_at"] is not None
    assert {**kept, "last_used_at": None} == {name: value for name, value in made.items() if name != "key"}
    async with runtime.sessions() as session:
        row = await session.scalar(select(ApiKeyRow).where(ApiKeyRow.user_id == alice.user.id))
        assert row is not None
        assert made["key"].encode() not in row.key_hash
    await bob.problem(404, "DELETE", f"{KEYS}/{made['id']}")
    assert await alice.ok("DELETE", f"{KEYS}/{made['id']}") == {"success": True, "id": made["id"]}
    await stranger.problem(401, "GET", FLOWS, headers=bearer(made["key"]))
    await alice.problem(404, "DELETE", f"{KEYS}/{made['id']}")


async def test_a_key_ends_at_its_time(alice: Caller, stranger: Call, runtime: Runtime) -> None:
    await alice.problem(422, "POST", KEYS, json={"name": "x", "expires_at": "2001-01-01T00:00:00Z"})
    await alice.problem(422, "POST", KEYS, json={"name": "x", "expires_at": "2999-01-01T00:00:00"})
    made = await alice.ok("POST", KEYS, json={"name": "x", "expires_at": "2999-01-01T00:00:00Z"})
    async with runtime.sessions.begin() as session:
        past = update(ApiKeyRow).values(expires_at=datetime.now(UTC) - timedelta(seconds=1))
        await session.execute(past.where(ApiKeyRow.user_id == alice.user.id))

    await stranger.problem(401, "GET", FLOWS, headers=bearer(made["key"]))


async def test_there_is_a_most_of_keys(alice: Caller) -> None:
    for _ in range(100):
        await alice.ok("POST", KEYS, json={"name": "x"})

    await alice.problem(409, "POST", KEYS, json={"name": "x"})


async def test_a_user_who_is_shut_out_has_no_way_in(
    app: FastAPI, alice: Caller, stranger: Call, runtime: Runtime
) -> None:
    tokens = await stranger.ok("POST", LOGIN, data={"username": alice.user.email, "password": PASSWORD})
    key = (await alice.ok("POST", KEYS, json={"name": "x"}))["key"]
    async with runtime.sessions.begin() as session:
        await set_active(session, alice.user.id, is_active=False)
    app.state.authenticator.forget_users()

    await stranger.problem(401, "POST", LOGIN, data={"username": alice.user.email, "password": PASSWORD})
    await stranger.problem(401, "POST", "/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    await stranger.problem(401, "GET", FLOWS, headers=bearer(tokens["access_token"]))
    await stranger.problem(401, "GET", FLOWS, headers=bearer(key))


async def test_a_user_s_events_tell_what_happened_to_it(alice: Caller, runtime: Runtime) -> None:
    made = await asyncio.gather(*(alice.ok("POST", KEYS, json={"name": "x"}) for _ in range(5)))
    await alice.ok("DELETE", f"{KEYS}/{made[0]['id']}")

    async with runtime.sessions() as session:
        events = (
            await session.scalars(
                select(EventRow)
                .where(EventRow.aggregate_type == "User", EventRow.aggregate_id == str(alice.user.id))
                .order_by(EventRow.version)
            )
        ).all()
        hashed = await session.scalar(select(UserRow.password_hash).where(UserRow.id == alice.user.id))

    assert [event.version for event in events] == list(range(1, 9))
    assert [event.event_type for event in events] == [
        "UserCreated",
        "PasswordSet",
        *["ApiKeyCreated"] * 5,
        "ApiKeyDeleted",
    ]
    told = str([(event.event_data, event.event_metadata) for event in events])
    assert hashed is not None
    assert hashed not in told
    assert made[0]["key"] not in told
