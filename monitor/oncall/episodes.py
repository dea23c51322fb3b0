"""How is an alert's life kept? One row an episode, and one for each of its transitions, never deleted."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, text

from monitor.oncall.alerts import OPEN, Crossing, Episode, EpisodeKey
from monitor.oncall.intake import CHECK
from monitor.oncall.outbox import enqueue
from monitor.oncall.receivers.port import Message
from monitor.production.items import microseconds
from monitor.result import Alert

EPISODES = "SELECT * FROM alert_episode WHERE loop = :loop ORDER BY id"
SAVE_EPISODE = """
    INSERT INTO alert_episode (loop, fingerprint, check_name, slice_name, slice, crossings, state, opened_us)
    VALUES (:loop, :fingerprint, :check_name, :slice_name, :slice, :crossings, :state, :now)
"""
UPDATE_EPISODE = "UPDATE alert_episode SET crossings = :crossings, state = :state WHERE id = :id"
ADD_TRANSITION = """
    INSERT INTO alert_transition (episode, at_us, reason, severity) VALUES (:episode, :at_us, :reason, :severity)
"""


@dataclass(frozen=True)
class StoredEpisode:
    """An episode as kept, with its number and, once resolved, the decision."""

    id: int
    episode: Episode
    resolved_day: int | None
    decision: str | None
    note: str | None


def read_episodes(connection: Connection, loop: str) -> list[StoredEpisode]:
    """Every episode of a loop, oldest first."""
    rows = connection.execute(text(EPISODES), {"loop": loop}).mappings().all()
    return [
        StoredEpisode(
            row["id"],
            Episode(
                row["check_name"],
                row["slice_name"],
                json.loads(row["slice"]),
                tuple(msgspec.json.decode(row["crossings"], type=list[Crossing])),
                row["state"],
            ),
            row["resolved_day"],
            row["decision"],
            row["note"],
        )
        for row in rows
    ]


def is_count(stored: StoredEpisode) -> bool:
    """Whether this is the alert of an incident, which no evidence carries."""
    return stored.episode.check == CHECK


def save_episode(
    connection: Connection,
    loop: str,
    episode: Episode,
    told: Sequence[Alert],
    now: dt.datetime,
    receivers: Sequence[str],
) -> None:
    """Write the episode if it changed; a new severity is a transition and, in the same transaction, an outbox row."""
    known = connection.execute(text(EPISODES), {"loop": loop}).mappings().all()
    mine = [row for row in known if (row["slice_name"], row["check_name"]) == key_of(episode)]
    open_ = next((row for row in mine if row["state"] in OPEN), None)
    crossings = plain_text(episode.crossings)
    if open_ is not None and (open_["crossings"], open_["state"]) == (crossings, episode.state):
        return
    if open_ is None and any(json.loads(row["crossings"])[0] == json.loads(crossings)[0] for row in mine):
        return  # resolved by somebody while we looked
    if open_ is None:
        number, seen = open_episode(connection, loop, episode, now), 0
    else:
        number, seen = open_["id"], len(json.loads(open_["crossings"]))
        connection.execute(text(UPDATE_EPISODE), {"id": number, "crossings": crossings, "state": episode.state})
    for crossing in episode.crossings[seen:]:
        reason = "raised" if crossing is not episode.crossings[0] else "fired"
        add_transition(connection, number, reason, crossing.severity, now)
        alert = next(a for a in told if (a.fingerprint, a.severity) == (episode.fingerprint(loop), crossing.severity))
        enqueue(connection, Message.about(alert, f"{alert.fingerprint}:{number}", now, loop), receivers, now)


def open_episode(connection: Connection, loop: str, episode: Episode, now: dt.datetime) -> int:
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
    }
    return int(connection.execute(text(SAVE_EPISODE + " RETURNING id"), row).scalar_one())


def add_transition(connection: Connection, episode: int, reason: str, severity: str, now: dt.datetime) -> None:
    """Add a row for what happened to an episode; severity: empty at its end."""
    row = {"episode": episode, "at_us": microseconds(now), "reason": reason, "severity": severity}
    connection.execute(text(ADD_TRANSITION), row)


def key_of(episode: Episode) -> EpisodeKey:
    """Under which the look that goes on knows it."""
    return EpisodeKey(episode.slice_name, episode.check)


def plain_text(value: object) -> str:
    """A value as the JSON text of a column."""
    return msgspec.json.encode(value).decode()
