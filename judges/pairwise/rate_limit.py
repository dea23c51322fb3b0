"""When may the next request leave? Requests and tokens per minute, shared by all threads of a run."""

import threading
from collections.abc import Callable

BURST_SECONDS = 1.0
ROUNDING = 1e-9  # of a level that was waited for exactly


class Bucket:
    """A token bucket that may be overdrawn: whoever finds it above zero takes what is needed, and the next ones wait
    until it is refilled. So a request larger than the bucket still leaves, and a wrong estimate is corrected later.

    per_minute: what flows in; None: no limit. clock: seconds, never set back.
    """

    def __init__(self, per_minute: float | None, clock: Callable[[], float]) -> None:
        self._rate = None if per_minute is None else per_minute / 60
        self._clock = clock
        self._lock = threading.Lock()
        self._level = self._full = max(1.0, (self._rate or 0.0) * BURST_SECONDS)
        self._filled_at = clock()

    def take(self, amount: float) -> float:
        """Take the amount and return 0, or take nothing and return the seconds to wait before trying again."""
        if self._rate is None:
            return 0.0
        with self._lock:
            now = self._clock()
            self._level = min(self._full, self._level + (now - self._filled_at) * self._rate)
            self._filled_at = now
            if self._level < 1.0 - ROUNDING:
                return (1.0 - self._level) / self._rate
            self._level -= amount
            return 0.0

    def correct(self, amount: float) -> None:
        """Take so much more, or give it back if negative: what was taken was an estimate."""
        with self._lock:
            self._level -= amount
