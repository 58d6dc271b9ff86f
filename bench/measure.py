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


RUNS = 3
TURNS = 12
"""Into how many turns the runs are cut that a figure and its floor take beside each other."""


LONG_RUN = 5
"""Steps above which it is worth asking whether late ones take longer."""


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


async def measure_beside(
    floor: tuple[str, Call[None]], figure: tuple[str, Call[None]], *, calls: int, at_once: int = 1, target: str
) -> list[Figure]:
    """A figure and its floor, in turns of a few calls each, so that a drift of the machine's speed meets both."""
    print(f"measuring {figure[0]} beside {floor[0]} …", file=sys.stderr, flush=True)
    for _, call in (floor, figure):
        await sample(call, calls=max(calls // 5, at_once), at_once=at_once)
    floors: list[Sample] = []
    figures: list[Sample] = []
    for _ in range(TURNS):
        for (_, call), samples in ((floor, floors), (figure, figures)):
            samples.append(await sample(call, calls=max(calls * RUNS // TURNS, at_once), at_once=at_once))
    below = _figure(floor[0], floors, at_once=at_once)
    above = _figure(figure[0], figures, at_once=at_once, target=target)
    ratio = statistics.median(
        statistics.median(ours.times_ms) / statistics.median(bare.times_ms)
        for ours, bare in zip(figures, floors, strict=True)
    )
    shown = f"{below.p50_ms:.1f} ms ({ratio:.2f} ×)" if at_once == 1 else f"{below.per_second:.1f}/s"
    return [below, above.model_copy(update={"floor": shown})]


async def measure_steps(name: str, run: Callable[[], Awaitable[list[float]]], *, runs: int) -> list[Figure]:
    """The time of one step, from runs that each give the times of theirs; and that of the run's last fifth alone."""
    print(f"measuring {name} …", file=sys.stderr, flush=True)
    await run()
    taken = [await run() for _ in range(runs)]
    parts = {name: [times for run_times in taken for times in run_times]}
    if len(taken[0]) > LONG_RUN:
        parts[f"{name}, the last fifth"] = [time for run_times in taken for time in run_times[-len(run_times) // 5 :]]
    return [
        _figure(part, [Sample(times_ms=times, seconds=sum(times) / 1000)], at_once=1) for part, times in parts.items()
    ]


async def measure(
    name: str,
    call: Call[Answer],
    *,
    calls: int,
    at_once: int = 1,
    runs: int = RUNS,
    between: Between[Answer] | None = None,
    target: str | None = None,
    floor: str | None = None,
) -> Figure:
    """Warm up, then take `runs` samples; each figure is the median over the runs. Says what it does on stderr."""
    print(f"measuring {name} …", file=sys.stderr, flush=True)
    await sample(call, calls=max(calls // 10, at_once), at_once=at_once, between=between)
    samples = [await sample(call, calls=calls, at_once=at_once, between=between) for _ in range(runs)]
    return _figure(name, samples, at_once=at_once, target=target, floor=floor)


def _figure(
    name: str, samples: list[Sample], *, at_once: int, target: str | None = None, floor: str | None = None
) -> Figure:
    return Figure(
        name=name,
        calls=len(samples[0].times_ms),
        at_once=at_once,
        p50_ms=statistics.median(_percentile(run.times_ms, 50) for run in samples),
        p95_ms=statistics.median(_percentile(run.times_ms, 95) for run in samples),
        p99_ms=statistics.median(_percentile(run.times_ms, 99) for run in samples),
        per_second=statistics.median(run.per_second for run in samples),
        runs=len(samples),
        target=target,
        floor=floor,
    )


def _percentile(times: list[float], percent: int) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]
