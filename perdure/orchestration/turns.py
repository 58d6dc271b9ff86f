"""Who works when: at the same time where nothing stands against it, in order where places are short."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import TypeVar

from perdure.orchestration.steps import at_once

Key = TypeVar("Key")
Result = TypeVar("Result")


async def in_turn(
    works: Mapping[Key, Callable[[], Awaitable[Result]]],
    *,
    at_most: int,
    needs: Mapping[Key, AbstractSet[Key]] | None = None,
) -> dict[Key, Result]:
    """Do all of it, each piece as soon as exactly those it `needs` are done and one of `at_most` places is free.

    `works` is in the order in which pieces get a place when several could begin. Results are in that order too. The
    first failure stops the others and is raised.
    """
    needed = needs or {}
    gates = {key: asyncio.Event() for key in works}
    waiting = list(works)
    done: set[Key] = set()

    def open_gates() -> None:
        free = at_most - (len(works) - len(waiting) - len(done))
        ready = [key for key in waiting if needed.get(key, frozenset[Key]()) <= done]
        for key in ready[:free]:
            waiting.remove(key)
            gates[key].set()

    async def one(key: Key) -> Result:
        await gates[key].wait()
        result = await works[key]()
        done.add(key)
        open_gates()
        return result

    open_gates()
    results = await at_once(one(key) for key in works)
    return dict(zip(works, results, strict=True))
