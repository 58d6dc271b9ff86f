"""Statistics over HTTP: they are the sums of the rows, whatever became of the runs since."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import orjson
import pytest
from sqlalchemy import text

from perdure.bootstrap import Runtime
from perdure.domain.errors import UnprocessableError
from perdure.domain.executions import ExecutionStatus
from perdure.domain.statistics import Period
from tests.api.callers import FLOWS, Caller
from tests.support.resetting import again_from
from tests.support.running import Lab
from tests.support.scripted_model import Behaviour

STATISTICS = "/api/agent-builder/executions/statistics"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ENDED = ("completed", "failed", "cancelled")
_INSERT = text("""
    INSERT INTO executions (id, flow_id, flow_type, flow_name, flow_version, user_id, status, run_id, input_data,
        started_at, duration_ms, metrics)
    VALUES (:id, :flow_id, 'agentflow', 'Team', 1, :user_id, 'running', NULL, '{}', :started_at, NULL, NULL)
""")
_CHANGE = text("""
    UPDATE executions SET status = :status, run_id = :run_id, duration_ms = :duration_ms,
        metrics = CAST(:metrics AS jsonb)
    WHERE id = :id
""")


@dataclass
class Run:
    """A row of the list as the test knows it."""

    id: UUID
    flow_id: UUID
    started_at: datetime
    status: str = "running"
    duration_ms: int | None = None
    tokens: int = 0
    cost: float | None = None


async def start(runtime: Runtime, caller: Caller, flow_id: str, started_at: datetime) -> Run:
    run = Run(uuid4(), UUID(flow_id), started_at)
    row = {"id": run.id, "flow_id": run.flow_id, "user_id": caller.user.id, "started_at": started_at}
    async with runtime.engine.begin() as connection:
        await connection.execute(_INSERT, row)
    return run


async def change(runtime: Runtime, run: Run, status: str, duration_ms: int, tokens: int, cost: float | None) -> None:
    """End a run as its worker does, or show it as running again as the reconciler does."""
    run.status = status
    ended = status in ENDED
    run.duration_ms, run.tokens, run.cost = (duration_ms, tokens, cost) if ended else (None, 0, None)
    metrics = {"llm_tokens": tokens, "estimated_cost": cost}
    row = {"id": run.id, "status": status, "run_id": uuid4().hex, "duration_ms": run.duration_ms}
    async with runtime.engine.begin() as connection:
        await connection.execute(_CHANGE, {**row, "metrics": orjson.dumps(metrics).decode() if ended else None})


def expected(runs: Sequence[Run]) -> dict[str, object]:
    statuses = [run.status for run in runs]
    known = [run.cost for run in runs if run.cost is not None]
    return {
        "executions": len(runs),
        **{status: statuses.count(status) for status in ("running", *ENDED)},
        "llm_tokens": sum(run.tokens for run in runs),
        "cost_usd": pytest.approx(sum(known)) if known else None,
        "unknown_cost": sum(run.cost is None and run.status in ENDED for run in runs),
    }


def sums(totals: dict[str, Any]) -> dict[str, Any]:
    return {name: totals[name] for name in expected([])}


def is_percentile(found: int | None, runs: Sequence[Run], share: float) -> bool:
    """Whether it is the run's duration at that share, or one at most 2 % longer."""
    durations = sorted(run.duration_ms or 0 for run in runs if run.status == "completed")
    if not durations or found is None:
        return found is None and not durations
    exact = next(each for place, each in enumerate(durations, 1) if place >= share * len(durations))
    return exact <= found <= exact * 1.0203 + 1 and found in durations


@pytest.mark.parametrize("seed", range(4))
async def test_totals_are_the_sums_of_the_rows(runtime: Runtime, alice: Caller, bob: Caller, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - data for a test
    flows = [(await alice.agentflow(name=f"Team {n}"))["id"] for n in range(3)]
    runs = [
        await start(runtime, alice, chance.choice(flows), NOW - timedelta(minutes=chance.randrange(60 * 24 * 40)))
        for _ in range(60)
    ]
    await start(runtime, bob, (await bob.agentflow())["id"], NOW - timedelta(hours=1))
    for _ in range(150):
        cost = chance.choice([None, 0.0, chance.random()])
        status = chance.choice(["running", *ENDED, "completed"])
        await change(runtime, chance.choice(runs), status, int(chance.lognormvariate(7, 2)), chance.randrange(9), cost)
    zone = ZoneInfo("Asia/Kolkata")
    since = NOW - timedelta(days=30, minutes=7)
    query = {"since": since.isoformat(), "until": NOW.isoformat(), "tz": zone.key}
    found = await alice.ok("GET", STATISTICS, params=query)
    counted = [run for run in runs if since <= run.started_at < NOW]
    assert found["running_now"] == sum(run.status == "running" for run in runs)
    assert sums(found["totals"]) == expected(counted)
    by_flow = {flow: [run for run in counted if str(run.flow_id) == flow] for flow in flows}
    assert {each["flow_id"]: sums(each) for each in found["by_flow"]} == {
        flow: expected(its) for flow, its in by_flow.items() if its
    }
    assert found["flow_count"] == len(found["by_flow"])
    days: dict[date, list[Run]] = {since.astimezone(zone).date() + timedelta(days=n): [] for n in range(31)}
    for run in counted:
        days[run.started_at.astimezone(zone).date()].append(run)
    assert {each["day"]: sums(each) for each in found["by_day"]} == {
        day.isoformat(): expected(its) for day, its in days.items()
    }
    for totals, its in [(found["totals"], counted), *((each, by_flow[each["flow_id"]]) for each in found["by_flow"])]:
        assert is_percentile(totals["duration_ms_p50"], its, 0.5)
        assert is_percentile(totals["duration_ms_p95"], its, 0.95)


async def test_a_real_run_is_counted_and_once_after_a_reset(lab: Lab, alice: Caller) -> None:
    own = Lab(lab.runtime, lab.model, alice.user.id)
    await lab.model.script(Behaviour(text="first"), Behaviour(status=400), Behaviour(text="second"))
    flow = await own.agentflow(agents=[{"id": "one", "name": "One"}, {"id": "two", "name": "Two"}])
    run = await own.run(flow, message="Go.")
    failed = await alice.ok("GET", STATISTICS)
    assert (failed["totals"]["failed"], failed["totals"]["unknown_cost"]) == (1, 1)
    assert failed["totals"]["cost_usd"] is None
    again = await again_from(own, run.id, "two")
    assert again.status is ExecutionStatus.COMPLETED
    found = await alice.ok("GET", STATISTICS)
    assert (found["totals"]["executions"], found["totals"]["failed"], found["totals"]["completed"]) == (1, 0, 1)
    assert found["totals"]["llm_tokens"] == again.metrics.llm_tokens
    assert found["by_flow"][0]["flow_name"] == flow.name
    assert found["by_day"][-1]["executions"] == 1
    await alice.ok("DELETE", f"{FLOWS}/{flow.id}")
    assert (await alice.ok("GET", STATISTICS))["by_flow"] == found["by_flow"]


async def test_what_cannot_be_asked_says_why(alice: Caller) -> None:
    for query, field in (
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"tz": "../../etc/passwd"}, "tz"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "since"),
        ({"since": "2020-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "since"),
        ({"since": "2020-01-01T00:00:00"}, "since"),
    ):
        problem = await alice.problem(422, "GET", STATISTICS, params=query)
        assert problem["errors"][0]["loc"] == ["query", field]


async def test_nobodys_runs_are_zeros(alice: Caller) -> None:
    found = await alice.ok("GET", STATISTICS, params={"since": "2026-03-01T00:00:00Z", "until": "2026-03-04T00:00:00Z"})
    assert [day["day"] for day in found["by_day"]] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert (found["by_flow"], found["flow_count"], found["totals"]["cost_usd"]) == ([], 0, None)


def test_a_day_is_as_long_as_its_zone_has_it() -> None:
    since, until = datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 30, 22, tzinfo=UTC)
    period = Period.of(since, until, "Europe/Berlin", now=until)
    assert period.days == [date(2026, 3, 29), date(2026, 3, 30)]
    assert period.day_starts == [since, since + timedelta(hours=23)]
    with pytest.raises(UnprocessableError, match="empty"):
        Period.of(until, until, "UTC", now=until)
