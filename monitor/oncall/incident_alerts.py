"""Which incidents of the intake must be told, and which alerts end because theirs was closed?"""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, text

from consumers.database import reading, writing
from consumers.incidents import Incident, read_incidents
from monitor.oncall.alerts import OPEN
from monitor.oncall.episodes import add_transition, is_count, open_episode, read_episodes
from monitor.oncall.intake import alert_of, episode_of
from monitor.oncall.outbox import enqueue
from monitor.oncall.receivers.port import Message

END_EPISODE = "UPDATE alert_episode SET state = 'resolved', decision = :decision, note = :note WHERE id = :id"


def save_incidents(engine: Engine, loop: str, now: dt.datetime, receivers: Sequence[str]) -> None:
    """Open and send one alert for each incident not told yet, and end those of closed ones, in one transaction."""
    if not _have_changed(engine, loop):
        return
    with writing(engine) as connection:
        known = {s.episode.slice["incident"]: s for s in read_episodes(connection, loop) if is_count(s)}
        for incident in read_incidents(connection, open_only=False):
            stored, is_open = known.get(str(incident.id)), incident.closed_at_us is None
            if is_open and stored is None:
                _tell(connection, loop, incident, now, receivers)
            elif not is_open and stored is not None and stored.episode.state in OPEN:
                _end(connection, stored.id, incident, now)


def _have_changed(engine: Engine, loop: str) -> bool:
    """Whether an incident was opened or closed since it was last asked; without the turn of a writer."""
    with reading(engine) as connection:
        present = {str(incident.id) for incident in read_incidents(connection, open_only=True)}
        stored = [s for s in read_episodes(connection, loop) if is_count(s)]
    return present != {s.episode.slice["incident"] for s in stored if s.episode.state in OPEN}


def _tell(connection: Connection, loop: str, incident: Incident, now: dt.datetime, receivers: Sequence[str]) -> None:
    episode, alert = episode_of(incident), alert_of(incident, loop)
    number = open_episode(connection, loop, episode, now)
    add_transition(connection, number, "fired", episode.severity, now)
    enqueue(connection, Message.about(alert, f"{alert.fingerprint}:{number}", now, loop), receivers, now)


def _end(connection: Connection, number: int, incident: Incident, now: dt.datetime) -> None:
    connection.execute(text(END_EPISODE), {"id": number, "decision": "incident closed", "note": incident.note})
    add_transition(connection, number, "resolved", "", now)
