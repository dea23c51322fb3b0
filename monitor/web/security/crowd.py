"""How many pages are made at once? So few that the rest of the process always finds a thread and a connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATIENCE_SECONDS = 10.0


class Crowded(Exception):  # noqa: N818 - a noun of the domain
    """Whoever waited in line for too long."""


class Crowd:
    """At most `most` at once; others wait in line, for so many seconds."""

    def __init__(self, most: int, patience: float = PATIENCE_SECONDS) -> None:
        self._free, self._patience = asyncio.Semaphore(most), patience

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Inside, one of them. Raises Crowded."""
        await self._enter()
        try:
            yield
        finally:
            self._free.release()

    async def make(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """One of them until its answer begins: how fast it is read is nobody else's concern. Raises Crowded."""
        await self._enter()
        is_inside = True

        def leave() -> None:
            nonlocal is_inside
            if is_inside:
                is_inside = False
                self._free.release()

        async def leaving(message: Message) -> None:
            leave()
            await send(message)

        try:
            await app(scope, receive, leaving)
        finally:
            leave()

    async def _enter(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise Crowded from None
