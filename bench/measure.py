"""Timing many calls: one at a time, or so many at once; medians and tails in milliseconds."""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

Answer = TypeVar("Answer")
Call = Callable[[], Awaitable[Answer]]
Between = Callable[[Answer], Awaitable[None]]


class Figure(BaseModel):
    """What was measured: percentiles of one call's time in milliseconds, and calls per second over the whole."""

    model_config = ConfigDict(frozen=True)

    name: str
    calls: int
    at_once: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    per_second: float
    runs: int
    target: str | None = None
    floor: str | None = None


class Sample(BaseModel):
    """One run's times in milliseconds, and how long it took in seconds."""

    model_config = ConfigDict(frozen=True)

    times_ms: list[float]
    seconds: float

    @property
    def per_second(self) -> float:
        """Calls per second over the whole run."""
        return len(self.times_ms) / self.seconds


async def sample(call: Call[Answer], *, calls: int, at_once: int, between: Between[Answer] | None = None) -> Sample:
    """Make `calls` calls, `at_once` at a time, with what is to be done `between` two of them left untimed.

    A call that raises ends the measurement: errors are not averaged.
    """
    times: list[float] = []
    left = iter(range(calls))

    async def one_after_another() -> None:
        for _ in left:
            began = time.perf_counter()
            answer = await call()
            times.append((time.perf_counter() - began) * 1000)
            if between is not None:
                await between(answer)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(one_after_another())
    return Sample(times_ms=times, seconds=time.perf_counter() - began)


async def measure(
    name: str,
    call: Call[Answer],
    *,
    calls: int,
    at_once: int = 1,
    runs: int = 3,
    between: Between[Answer] | None = None,
    target: str | None = None,
    floor: str | None = None,
) -> Figure:
    """Warm up, then take `runs` samples; each figure is the median over the runs. Says what it does on stderr."""
    print(f"measuring {name} …", file=sys.stderr, flush=True)
    await sample(call, calls=max(calls // 10, at_once), at_once=at_once, between=between)
    samples = [await sample(call, calls=calls, at_once=at_once, between=between) for _ in range(runs)]
    return Figure(
        name=name,
        calls=calls,
        at_once=at_once,
        p50_ms=statistics.median(_percentile(run.times_ms, 50) for run in samples),
        p95_ms=statistics.median(_percentile(run.times_ms, 95) for run in samples),
        p99_ms=statistics.median(_percentile(run.times_ms, 99) for run in samples),
        per_second=statistics.median(run.per_second for run in samples),
        runs=runs,
        target=target,
        floor=floor,
    )


def _percentile(times: list[float], percent: int) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]
