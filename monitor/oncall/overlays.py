"""What lies over an alert's state: is it silenced, withheld, waiting, flapping?"""

import datetime as dt

from sqlalchemy import Connection

from monitor.oncall.decide import WAITING
from monitor.oncall.episodes import read_episodes
from monitor.oncall.hold import SAME_EPISODE
from monitor.oncall.ledger import read_untold
from monitor.oncall.silences import read_silences


def overlays_of(connection: Connection, loop: str, now: dt.datetime) -> dict[int, list[str]]:
    """Number of each episode -> its overlays, in words; none of an episode that simply is what its state says."""
    silences = [one for one in read_silences(connection, loop) if one.is_on(now)]
    waiting: dict[int, set[str]] = {}
    for one in read_untold(connection, loop, WAITING):
        waiting.setdefault(one.episode, set()).add(one.told or "not told yet")
    found: dict[int, list[str]] = {}
    for stored in read_episodes(connection, loop):
        over = ["silenced"] if stored.is_open and any(one.mutes(stored) for one in silences) else []
        flaps = stored.reopened > 0 and now - stored.changed < SAME_EPISODE
        found[stored.id] = over + sorted(waiting.get(stored.id, ())) + (["flapping"] if flaps else [])
    return found
