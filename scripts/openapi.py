"""Writes docs/openapi.json from the API as it is; `--check` only compares, and fails when they differ."""

import argparse
import asyncio
import difflib
import json
import sys
from pathlib import Path

from fastapi import FastAPI
from pydantic import SecretStr
from temporalio.client import Client

from api.app import create_app
from perdure.bootstrap import Runtime
from perdure.embedded.endpoints import Endpoints
from perdure.live import LiveReader
from perdure.llm import ModelServices, ProviderKeys
from perdure.settings import AuthSettings, Settings
from perdure.storage.engine import Single, make_engine, make_sessions
from perdure.temporal.history import Records

SNAPSHOT = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"
_NOWHERE = Endpoints(database_url="postgresql+asyncpg://127.0.0.1:1/none", temporal_address="127.0.0.1:1")


async def build_app() -> FastAPI:
    """Build the application on a runtime that connects to nothing: enough to read its routes and its document."""
    engine = make_engine(_NOWHERE.database_url, pool_size=1)
    single = Single(_NOWHERE.database_url, pool_size=1)
    client = await Client.connect(_NOWHERE.temporal_address, lazy=True)
    runtime = Runtime(
        settings=Settings.model_construct(auth=AuthSettings(secret=SecretStr("only reads its own document" * 2))),
        endpoints=_NOWHERE,
        engine=engine,
        sessions=make_sessions(engine),
        single=single,
        client=client,
        records=Records(client, single),
        live=LiveReader(_NOWHERE.database_url),
        llm=ModelServices(ProviderKeys()),
    )
    return create_app(runtime)


def main() -> int:
    """Exit code: 1 when `--check` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    app = asyncio.run(build_app())
    document = json.dumps(app.openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    if not check:
        SNAPSHOT.write_text(document)
        return 0
    kept = SNAPSHOT.read_text() if SNAPSHOT.exists() else ""
    if kept == document:
        return 0
    difference = difflib.unified_diff(kept.splitlines(), document.splitlines(), "docs/openapi.json", "the API", n=2)
    sys.stderr.writelines(f"{line}\n" for line in list(difference)[:60])
    print("docs/openapi.json is not what the API says: run scripts/openapi and commit the result.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
