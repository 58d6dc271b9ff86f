"""Ctrl-C at a command that waits."""

import asyncio
import os
import signal

import pytest

from perdure.cli import process
from perdure.cli.process import cancelled_by_interrupt


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


async def test_work_that_is_left_alone_ends_by_itself() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await cancelled_by_interrupt(work()) == 7


async def test_work_may_say_how_it_ends_when_it_is_interrupted() -> None:
    async def work() -> str:
        interrupt()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "left"
        raise AssertionError

    assert await cancelled_by_interrupt(work()) == "left"


async def test_a_cancellation_that_is_swallowed_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "AGAIN_SECONDS", 0.01)
    swallowed = 0

    async def work() -> None:
        nonlocal swallowed
        interrupt()
        while swallowed < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
        await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        await cancelled_by_interrupt(work())
    assert swallowed == 3
