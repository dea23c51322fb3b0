"""When has a reader that was asked to stop at the end of its topics come to it?"""

import time
from collections.abc import Callable

from consumers.kafka import Polled


class Drain:
    """Told of every poll. idle_seconds: how long we wait, connected, for a partition. clock: seconds, never set back.

    is_done: two looks in a row found nothing more in any partition of ours. is_idle: in vain we waited for one.
    """

    def __init__(self, idle_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._looks_at_end = 0
        self._idle_since: float | None = None
        self.is_idle = False

    @property
    def is_done(self) -> bool:
        return self._looks_at_end >= 2

    def polled(self, polled: Polled) -> None:
        is_at_end = bool(polled.partitions) and all(one.lag == 0 for one in polled.partitions)
        self._looks_at_end = self._looks_at_end + 1 if is_at_end else 0
        if polled.partitions or not polled.connected:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = self._clock()
        self.is_idle = self._idle_since is not None and self._clock() - self._idle_since >= self._idle_seconds
