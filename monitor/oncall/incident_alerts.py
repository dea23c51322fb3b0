"""Which incidents of the intake must be told, and which alerts end because theirs was closed?"""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from consumers.database import reading, writing
from consumers.incidents import Incident, read_incidents
from monitor.oncall.alerts import Reason
from monitor.oncall.episodes import add_transition, change, is_count, keep_alert, moved, open_episode, read_episodes
from monitor.oncall.intake import alert_of, episode_of
from monitor.oncall.tell import tell
from monitor.production.items import microseconds
from monitor.settings import Settings


def save_incidents(engine: Engine, settings: Settings, now: dt.datetime, receivers: Sequence[str]) -> None:
    """Open and send one alert for each incident not told yet, and end those of closed ones, in one transaction.

    Several at once leave as one message.
    """
    loop = settings.loop
    if not _have_changed(engine, loop):
        return
    with writing(engine) as connection:
        known = {s.episode.slice["incident"]: s for s in read_episodes(connection, loop) if is_count(s)}
        for incident in read_incidents(connection, open_only=False):
            stored, is_open = known.get(str(incident.id)), incident.closed_at_us is None
            if is_open and stored is None:
                _open(connection, loop, incident, now)
            elif not is_open and stored is not None and stored.is_open:
                _end(connection, stored.id, incident, now)
        tell(connection, settings, now, receivers)


def _have_changed(engine: Engine, loop: str) -> bool:
    """Whether an incident was opened or closed since it was last asked; without the turn of a writer."""
    with reading(engine) as connection:
        present = {str(incident.id) for incident in read_incidents(connection, open_only=True)}
        stored = [s for s in read_episodes(connection, loop) if is_count(s)]
    return present != {s.episode.slice["incident"] for s in stored if s.is_open}


def _open(connection: Connection, loop: str, incident: Incident, now: dt.datetime) -> None:
    episode = episode_of(incident)
    number = open_episode(connection, loop, episode, now)
    change(connection, number, fired_us=microseconds(now))
    keep_alert(connection, number, alert_of(incident, loop))
    add_transition(connection, number, Reason.FIRED, episode.severity, now)


def _end(connection: Connection, number: int, incident: Incident, now: dt.datetime) -> None:
    told = {"decision": "incident closed", "note": incident.note, "ended_us": microseconds(now)}
    change(connection, number, **told, **moved("resolved", now))
    add_transition(connection, number, Reason.RESOLVED, "", now, note=incident.note)
