"""Which threads still turn? Each says so whenever it does; one that has not for too long is dead, frozen or stuck."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


class Pulses:
    """The last sign of life of each thread. Safe to use from all of them.

    names: the threads there are. idle_seconds: how long a thread may be silent. busy_seconds: how long while it says it
    is in the middle of something long.
    """

    def __init__(
        self,
        names: Sequence[str],
        idle_seconds: float,
        busy_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._idle, self._longest_busy = clock, idle_seconds, busy_seconds
        self._lock = threading.Lock()
        self._at = dict.fromkeys(names, clock())
        self._busy: set[str] = set()

    def beat(self, name: str) -> None:
        """This thread turned."""
        with self._lock:
            self._at[name] = self._clock()

    def forgive(self) -> None:
        """Nobody could turn, for the whole process stood still: all begin anew."""
        with self._lock:
            self._at = dict.fromkeys(self._at, self._clock())

    @contextmanager
    def busy(self, name: str) -> Iterator[None]:
        """Inside, the thread does something that may take long."""
        self.beat(name)
        with self._lock:
            self._busy.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(name)
            self.beat(name)

    def is_busy(self, names: Sequence[str]) -> bool:
        """Whether one of these is in the middle of something."""
        with self._lock:
            return any(name in self._busy for name in names)

    def ages(self) -> dict[str, float]:
        """Seconds since the last sign of life of each."""
        now = self._clock()
        with self._lock:
            return {name: now - at for name, at in self._at.items()}

    def silent(self) -> list[str]:
        """Threads that have been silent for too long, in words."""
        ages = self.ages()
        with self._lock:
            limits = {name: self._longest_busy if name in self._busy else self._idle for name in ages}
        return [f"thread {name} silent for {age:.0f} s" for name, age in ages.items() if age > limits[name]]
