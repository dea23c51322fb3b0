"""How is an alert's life kept? One row an episode, and one for each of its transitions, never deleted.

Whoever adds a transition calls `tell` (oncall/tell.py) in the same transaction: it adds what is to be sent.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, text

from monitor.oncall.alerts import OPEN, Crossing, Episode, EpisodeKey, Reason
from monitor.oncall.intake import CHECK
from monitor.production.items import EPOCH, microseconds
from monitor.result import Alert

EPISODES = "SELECT * FROM alert_episode WHERE loop = :loop ORDER BY id"
OPEN_EPISODE = """
    INSERT INTO alert_episode (loop, fingerprint, check_name, slice_name, slice, crossings, state, opened_us,
        changed_us, reopened, previous)
    VALUES (:loop, :fingerprint, :check_name, :slice_name, :slice, :crossings, :state, :now, :now, 0, :previous)
    RETURNING id
"""
ADD_TRANSITION = """
    INSERT INTO alert_transition (episode, at_us, reason, severity, actor, note)
    VALUES (:episode, :at_us, :reason, :severity, :actor, :note)
"""


@dataclass(frozen=True)
class Ack:
    """Who has it, until when, and what he said."""

    owner: str
    note: str
    until: dt.datetime


@dataclass(frozen=True)
class StoredEpisode:
    """An episode as kept, with its number and, once resolved, the decision.

    changed: when it came into its state. fired, ended: when it first fired, and was over. previous: number of the
    episode of the same rule before it. told: the alert as JSON, as last explained, without words of any answer.
    """

    id: int
    fingerprint: str
    episode: Episode
    resolved_day: int | None
    decision: str | None
    note: str | None
    opened: dt.datetime
    changed: dt.datetime
    evaluated: dt.datetime | None = None
    good: int = 0
    reopened: int = 0
    fired: dt.datetime | None = None
    ended: dt.datetime | None = None
    reminded: dt.datetime | None = None
    previous: int | None = None
    ack: Ack | None = None
    told: str | None = None

    @property
    def key(self) -> str:
        """Under which receivers know it: the same for everything that is said of this episode."""
        return f"{self.fingerprint}:{self.id}"

    @property
    def is_open(self) -> bool:
        """Firing or acked."""
        return self.episode.state in OPEN

    @property
    def alert(self) -> Alert | None:
        """As last explained, in the state of now; None of an episode that an earlier release told."""
        if self.told is None:
            return None
        return replace(msgspec.json.decode(self.told, type=Alert), state=self.episode.state)


def read_episodes(connection: Connection, loop: str) -> list[StoredEpisode]:
    """Every episode of a loop, oldest first."""
    return [_stored(row) for row in connection.execute(text(EPISODES), {"loop": loop}).mappings()]


def _stored(row: RowMapping) -> StoredEpisode:
    crossings = tuple(msgspec.json.decode(row["crossings"], type=list[Crossing]))
    episode = Episode(row["check_name"], row["slice_name"], json.loads(row["slice"]), crossings, row["state"])
    until = _moment(row["ack_until_us"])
    return StoredEpisode(
        id=row["id"],
        fingerprint=row["fingerprint"],
        episode=episode,
        resolved_day=row["resolved_day"],
        decision=row["decision"],
        note=row["note"],
        opened=EPOCH + dt.timedelta(microseconds=row["opened_us"]),
        changed=EPOCH + dt.timedelta(microseconds=row["changed_us"]),
        evaluated=_moment(row["evaluated_us"]),
        good=row["good"] or 0,
        reopened=row["reopened"] or 0,
        fired=_moment(row["fired_us"]),
        ended=_moment(row["ended_us"]),
        reminded=_moment(row["reminded_us"]),
        previous=row["previous"],
        ack=Ack(row["ack_owner"], row["ack_note"] or "", until) if until is not None else None,
        told=row["alert"],
    )


def is_count(stored: StoredEpisode) -> bool:
    """Whether this is the alert of an incident, which no evidence carries."""
    return stored.episode.check == CHECK


def save_episodes(
    connection: Connection, loop: str, episodes: Iterable[Episode], told: Sequence[Alert], now: dt.datetime
) -> dict[int, Alert]:
    """Write episodes that stand on evidence, where they changed; each new severity is a transition.

    told: what a page says of them. Returns it by number of the episode, words of answers included.
    """
    known: dict[EpisodeKey, list[StoredEpisode]] = {}
    for stored in read_episodes(connection, loop):
        known.setdefault(key_of(stored.episode), []).append(stored)
    found: dict[int, Alert] = {}
    for episode in episodes:
        number = _save_episode(connection, loop, episode, known.get(key_of(episode), []), now)
        mine = {alert.severity: alert for alert in told if alert.fingerprint == episode.fingerprint(loop)}
        if number is not None and episode.severity in mine:
            found[number] = mine[episode.severity]
            keep_alert(connection, number, found[number])
    return found


def _save_episode(
    connection: Connection, loop: str, episode: Episode, known: Sequence[StoredEpisode], now: dt.datetime
) -> int | None:
    """Returns its number; None where somebody resolved it while we looked."""
    open_ = next((one for one in known if one.is_open), None)
    if open_ is None and any(one.episode.crossings[0] == episode.crossings[0] for one in known):
        return None
    number = open_episode(connection, loop, episode, now) if open_ is None else open_.id
    fresh = episode.crossings[len(open_.episode.crossings) :] if open_ else episode.crossings
    for crossing in fresh:
        first = crossing is episode.crossings[0]
        add_transition(connection, number, Reason.FIRED if first else Reason.RAISED, crossing.severity, now)
    if fresh:
        change(connection, number, crossings=plain_text(episode.crossings), **moved("firing", now))
    if fresh and open_ is None:
        change(connection, number, fired_us=microseconds(now))
    if episode.state == "superseded":
        add_transition(connection, number, Reason.SUPERSEDED, "", now)
        change(connection, number, ended_us=microseconds(now), **moved("superseded", now))
    return number


def open_episode(
    connection: Connection, loop: str, episode: Episode, now: dt.datetime, previous: int | None = None
) -> int:
    """Add a row for a new episode, inside the caller's transaction; return its number."""
    row = {
        "loop": loop,
        "fingerprint": episode.fingerprint(loop),
        "check_name": episode.check,
        "slice_name": episode.slice_name,
        "slice": plain_text(episode.slice),
        "crossings": plain_text(episode.crossings),
        "state": episode.state,
        "now": microseconds(now),
        "previous": previous,
    }
    return int(connection.execute(text(OPEN_EPISODE), row).scalar_one())


def moved(state: str, now: dt.datetime) -> dict[str, Any]:
    """The columns of an episode that comes into a state; whoever had acked it, has it no more."""
    gone = {"ack_owner": None, "ack_note": None, "ack_until_us": None}
    return {"state": state, "changed_us": microseconds(now), **gone}


def change(connection: Connection, number: int, **columns: Any) -> None:
    """Write some columns of an episode."""
    named = ", ".join(f"{name} = :{name}" for name in columns)
    connection.execute(text(f"UPDATE alert_episode SET {named} WHERE id = :id"), {**columns, "id": number})  # noqa: S608


def keep_alert(connection: Connection, number: int, alert: Alert) -> None:
    """Keep what is told of an episode; words of answers stay where they can be erased."""
    wordless = [replace(example, prompt=None, response=None) for example in alert.examples]
    change(connection, number, alert=plain_text(replace(alert, examples=wordless)))


def add_transition(
    connection: Connection,
    episode: int,
    reason: str,
    severity: str,
    now: dt.datetime,
    actor: str | None = None,
    note: str | None = None,
) -> None:
    """Add a row for what happened to an episode; severity: empty at its end. actor, note: who did it, and why."""
    row = {"episode": episode, "at_us": microseconds(now), "reason": str(reason), "severity": severity}
    connection.execute(text(ADD_TRANSITION), {**row, "actor": actor, "note": note})


def key_of(episode: Episode) -> EpisodeKey:
    """Under which the look that goes on knows it."""
    return EpisodeKey(episode.slice_name, episode.check)


def plain_text(value: object) -> str:
    """A value as the JSON text of a column."""
    return msgspec.json.encode(value).decode()


def _moment(microseconds_: int | None) -> dt.datetime | None:
    return None if microseconds_ is None else EPOCH + dt.timedelta(microseconds=microseconds_)


def slice_text(slice_: Mapping[str, str]) -> str:
    """A slice as people write it: `tier=free,locale=en`."""
    return ",".join(f"{key}={value}" for key, value in slice_.items()) or "all traffic"
