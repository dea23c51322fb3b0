"""How often may somebody try to log in?"""

from monitor.web.security.limits import RateLimit


class Attempts:
    """Ten a minute of one peer, and 120 of all together."""

    def __init__(self) -> None:
        self._of_one = RateLimit(per_minute=10, burst=10)
        self._of_all = RateLimit(per_minute=120, burst=60)

    def is_too_many(self, peer: str) -> bool:
        """Whether this one must wait; it is counted."""
        return self._of_one.wait(peer) > 0 or self._of_all.wait("") > 0
