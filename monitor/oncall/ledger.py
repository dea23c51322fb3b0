"""What was told so far, and what not? Transitions, messages, and what receivers believe of each episode."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, text

from monitor.oncall.episodes import StoredEpisode
from monitor.production.items import EPOCH, microseconds

HOUR = dt.timedelta(hours=1)
ENDED_KINDS = ("resolved", "superseded")
SPOKEN_KINDS = ("fired", "raised", "digest", "resolved", "superseded", "alert")  # those that change what is believed
UNTOLD = text("""
    SELECT t.id, t.episode, t.at_us, t.reason, t.severity, t.told, t.actor, t.note
    FROM alert_transition AS t JOIN alert_episode AS e ON e.id = t.episode
    WHERE e.loop = :loop AND (t.told IS NULL OR t.told IN :waiting) ORDER BY t.id
""").bindparams(bindparam("waiting", expanding=True))
MUTED = "SELECT t.id, t.episode FROM alert_transition AS t WHERE t.told = 'silenced' AND t.message IS NULL"
HEARD = """
    SELECT DISTINCT t.episode, m.dedup_key FROM alert_transition AS t JOIN alert_message AS m ON m.id = t.message
    WHERE m.loop = :loop ORDER BY 1, 2
"""
LAST = text("""
    SELECT dedup_key, kind FROM alert_message WHERE id IN (
        SELECT MAX(id) FROM alert_message WHERE loop = :loop AND kind IN :spoken GROUP BY dedup_key)
""").bindparams(bindparam("spoken", expanding=True))
PAGES = text("""
    SELECT COUNT(*) FROM alert_message
    WHERE loop = :loop AND severity = 'page' AND at_us > :since AND kind IN ('fired', 'raised', 'digest', 'reminder')
""")
ADD_MESSAGE = """
    INSERT INTO alert_message (loop, dedup_key, kind, severity, at_us)
    VALUES (:loop, :key, :kind, :severity, :at_us) RETURNING id
"""
MARK = "UPDATE alert_transition SET told = :told, message = :message WHERE id = :id"


@dataclass(frozen=True)
class Untold:
    """A transition that was not told, or waits. told: what was decided last, None at first."""

    id: int
    episode: int
    at: dt.datetime
    reason: str
    severity: str
    told: str | None
    actor: str | None
    note: str | None


@dataclass(frozen=True)
class Heard:
    """keys: episode -> under which keys it was told. members: the reverse. open_keys: those receivers believe open."""

    keys: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    members: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    open_keys: set[str] = field(default_factory=set)

    def of(self, stored: StoredEpisode) -> str:
        """What receivers believe of an episode: "open", "ended", or "" while they never heard of it."""
        keys = self.keys.get(stored.id, [])
        return "" if not keys else "open" if self.open_keys.intersection(keys) else "ended"

    def own_keys(self, stored: StoredEpisode) -> list[str]:
        """The keys under which receivers believe it open."""
        return [key for key in self.keys.get(stored.id, []) if key in self.open_keys]


def read_untold(connection: Connection, loop: str, waiting: Iterable[str]) -> list[Untold]:
    """Transitions to be decided about, in the order in which they happened."""
    rows = connection.execute(UNTOLD, {"loop": loop, "waiting": list(waiting)})
    return [Untold(r[0], r[1], EPOCH + dt.timedelta(microseconds=r[2]), *r[3:]) for r in rows]


def read_muted(connection: Connection) -> dict[int, list[int]]:
    """Episode -> its transitions that a silence muted and that no digest told since."""
    found: dict[int, list[int]] = defaultdict(list)
    for transition, episode in connection.execute(text(MUTED)):
        found[episode].append(transition)
    return found


def read_heard(connection: Connection, loop: str) -> Heard:
    """What was told, as receivers have it."""
    heard = Heard()
    for episode, key in connection.execute(text(HEARD), {"loop": loop}):
        heard.keys[episode].append(key)
        heard.members[key].append(episode)
    for key, kind in connection.execute(LAST, {"loop": loop, "spoken": list(SPOKEN_KINDS)}):
        if kind not in ENDED_KINDS:
            heard.open_keys.add(key)
    return heard


def pages_lately(connection: Connection, loop: str, now: dt.datetime) -> int:
    """How many pages left in the last hour, reminders and digests included."""
    return int(connection.execute(PAGES, {"loop": loop, "since": microseconds(now - HOUR)}).scalar_one())


def add_message(connection: Connection, loop: str, key: str, kind: str, severity: str, now: dt.datetime) -> int:
    """Put on record that a message was made; return its number."""
    row = {"loop": loop, "key": key, "kind": kind, "severity": severity, "at_us": microseconds(now)}
    return int(connection.execute(text(ADD_MESSAGE), row).scalar_one())


def mark(connection: Connection, transitions: Iterable[int], told: str, message: int | None = None) -> None:
    """Write what became of transitions."""
    for number in transitions:
        connection.execute(text(MARK), {"id": number, "told": told, "message": message})
