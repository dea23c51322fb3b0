"""How many may stay connected, and for how long without asking for anything?

Every connection is an open file of the process that keeps watch: too many of them, and it opens no database any more.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from monitor.web.security.limits import neighbours

MOST, MOST_OF_ONE = 512, 64
ASK_SECONDS = 15.0  # for a first whole request
GO_ON_SECONDS = 90.0  # for each next one, the answer included; longer than a writer waits for its turn


class Bounded(H11Protocol):
    """A connection that is closed unless it asks, reads its answer and goes on; others than the server's limits allow
    are closed at once.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody came."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(ASK_SECONDS, self._look_again, None)
        if self._is_too_many():
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody left."""
        self._deadline.cancel()
        super().connection_lost(exc)

    def _is_too_many(self) -> bool:
        group = _group(self)
        return len(self.connections) > MOST or sum(_group(one) == group for one in self.connections) > MOST_OF_ONE

    def _look_again(self, before: object) -> None:
        """Since the last look another request must have begun."""
        if self.cycle is before:
            self.transport.abort()
        else:
            self._deadline = self.loop.call_later(GO_ON_SECONDS, self._look_again, self.cycle)


def _group(connection: asyncio.Protocol) -> str:
    client = getattr(connection, "client", None)
    return neighbours(client[0]) if client else ""
