"""An HTTP client that a part opens at its first call and closes at its end."""

from functools import cached_property
from types import TracebackType
from typing import Self

import httpx2

from perdure.llm.providers import make_http_client


class OwnConnection:
    """For parts with connections of their own: `async with` them, or nothing is closed."""

    @cached_property
    def http(self) -> httpx2.AsyncClient:
        """Made at the first call, inside the loop that uses it."""
        return make_http_client()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if "http" in vars(self):
            await self.http.aclose()
