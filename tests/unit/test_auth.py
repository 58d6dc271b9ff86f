"""Tokens, passwords, keys, and the secret that signs."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from api.login_guard import LoginGuard
from perdure.auth import Passwords, TokenKind, Tokens, is_api_key, key_digest, load_secret, new_api_key
from perdure.domain.errors import SetupError, TooManyRequestsError, UnauthenticatedError, UnprocessableError
from perdure.domain.users import normal_email
from perdure.settings import Settings

SECRET = "a secret of more than thirty-two letters"
TOKENS = Tokens(SECRET, access_seconds=60, refresh_seconds=600)


def settings_in(folder: Path) -> Settings:
    return Settings.model_validate({"data_dir": folder})


def test_a_token_names_its_user() -> None:
    for kind in TokenKind:
        assert TOKENS.read(TOKENS.issue(42, kind), kind) == 42


@pytest.mark.parametrize(
    ("issued", "read"), [(TokenKind.ACCESS, TokenKind.REFRESH), (TokenKind.REFRESH, TokenKind.ACCESS)]
)
def test_one_kind_of_token_is_not_the_other(issued: TokenKind, read: TokenKind) -> None:
    with pytest.raises(UnauthenticatedError):
        TOKENS.read(TOKENS.issue(42, issued), read)


def forged(**changes: object) -> dict[str, object]:
    now = datetime.now(UTC)
    claims: dict[str, object] = {
        "sub": "42",
        "iss": "perdure",
        "aud": "access",
        "iat": now,
        "exp": now + timedelta(seconds=60),
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def test_the_forgery_without_a_flaw_is_read() -> None:
    assert TOKENS.read(jwt.encode(forged(), SECRET, algorithm="HS256"), TokenKind.ACCESS) == 42


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        "a.b.c",
        "ü.ü.ü",
        jwt.encode(forged(), "another secret of more than thirty-two letters", algorithm="HS256"),
        jwt.encode(forged(), SECRET * 2, algorithm="HS512"),
        jwt.encode(forged(), "", algorithm="none"),
        jwt.encode(forged(exp=datetime.now(UTC) - timedelta(seconds=30)), SECRET, algorithm="HS256"),
        jwt.encode(forged(exp=None), SECRET, algorithm="HS256"),
        jwt.encode(forged(aud=None), SECRET, algorithm="HS256"),
        jwt.encode(forged(iss="someone"), SECRET, algorithm="HS256"),
        jwt.encode(forged(sub="1 OR 1=1"), SECRET, algorithm="HS256"),
        jwt.encode(forged(sub="9" * 30), SECRET, algorithm="HS256"),
    ],
)
def test_what_is_not_a_token_of_ours_is_refused(token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        TOKENS.read(token, TokenKind.ACCESS)


def test_the_secret_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")

    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(load_secret, [settings] * 32))

    assert len(secrets) == 1
    assert len(secrets.pop()) >= 32
    (kept,) = (tmp_path / "data").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_configured_secret_wins(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "auth": {"secret": SECRET}})

    assert load_secret(settings) == SECRET
    assert list(tmp_path.iterdir()) == []


def test_a_secret_that_cannot_be_kept_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SetupError, match="PERDURE_AUTH__SECRET"):
        load_secret(settings_in(tmp_path / "file"))


def test_a_secret_cut_short_is_refused(tmp_path: Path) -> None:
    load_secret(settings_in(tmp_path))
    (kept,) = tmp_path.iterdir()
    kept.write_text("short")

    with pytest.raises(SetupError, match="delete it"):
        load_secret(settings_in(tmp_path))


def test_passwords_are_hashed_with_argon2id() -> None:
    passwords = Passwords()
    hashed = passwords.hash("correct horse")

    assert hashed.startswith("$argon2id$")
    assert passwords.verify(hashed, "correct horse")
    assert not passwords.verify(hashed, "wrong horse")
    assert not passwords.verify(hashed, "x" * 100_000)
    assert not passwords.verify(None, "correct horse")
    assert not passwords.verify("no hash", "correct horse")


@pytest.mark.parametrize("password", ["short", "", "x" * 1025])
def test_a_bad_password_is_not_set(password: str) -> None:
    with pytest.raises(UnprocessableError):
        Passwords().hash(password)


def test_api_keys_differ_and_are_kept_as_digests() -> None:
    first, second = new_api_key(), new_api_key()

    assert first.key != second.key
    assert is_api_key(first.key)
    assert first.digest == key_digest(first.key)
    assert first.key not in repr(first)
    assert first.key.startswith(first.prefix)
    assert len(first.prefix) < 16


def test_addresses_have_one_form() -> None:
    assert normal_email("  Ann@Example.ORG ") == "ann@example.org"
    for text in ("", "ann", "ann@", "@x", "a b@x", "a@b@c", "a@\0"):
        with pytest.raises(UnprocessableError):
            normal_email(text)


def test_tries_to_log_in_are_slowed_down() -> None:
    guard = LoginGuard()
    for _ in range(5):
        guard.begin("ann@example.org", "1.2.3.4")

    with pytest.raises(TooManyRequestsError) as refused:
        guard.begin("Ann@example.org ", "1.2.3.4")
    assert refused.value.retry_after == 4
    guard.begin("ann@example.org", "5.6.7.8")
    guard.begin("bob@example.org", "1.2.3.4")
    guard.succeed("ann@example.org", "1.2.3.4")
    guard.begin("ann@example.org", "1.2.3.4")


def test_tries_from_one_address_are_slowed_down_whoever_they_name() -> None:
    guard = LoginGuard()
    for n in range(50):
        guard.begin(f"{n}@example.org", "1.2.3.4")

    with pytest.raises(TooManyRequestsError):
        guard.begin("another@example.org", "1.2.3.4")
    guard.begin("another@example.org", "1.2.3.5")
