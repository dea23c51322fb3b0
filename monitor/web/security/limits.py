"""How often may one visitor ask? A bucket each that fills evenly; memory is bounded however many come."""

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_KNOWN = 4096


class RateLimit:
    """At most `burst` at once, and `per_minute` on average, of each key. clock: seconds, never set back.

    Of the keys beyond what is remembered the one unseen for longest is forgotten, and starts anew with a full bucket.
    """

    def __init__(
        self,
        per_minute: float,
        burst: int,
        most_known: int = MOST_KNOWN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate, self._burst, self._most, self._clock = per_minute / 60, burst, most_known, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: str) -> float:
        """Seconds until this key may ask again; 0 if it may now, which is counted."""
        with self._lock:
            now = self._clock()
            left, at = self._buckets.pop(key, (float(self._burst), now))
            left = min(left + (now - at) * self._rate, float(self._burst))
            is_free = left >= 1
            self._buckets[key] = (left - 1 if is_free else left, now)
            while len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
            return 0.0 if is_free else (1 - left) / self._rate

    @property
    def known(self) -> int:
        """How many keys are remembered."""
        return len(self._buckets)


def neighbours(peer: str) -> str:
    """Whom a limit counts as one: an address, or of IPv6 its /64, of which one machine may use every address.

    >>> neighbours("10.0.0.7"), neighbours("2001:db8::7"), neighbours("2001:db8::8"), neighbours("::ffff:10.0.0.7")
    ('10.0.0.7', '2001:db8::/64', '2001:db8::/64', '10.0.0.7')
    """
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv4Address):
        return peer
    return str(address.ipv4_mapped or ipaddress.ip_network((int(address), 64), strict=False))
