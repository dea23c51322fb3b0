"""How do alerts live between looks? One cheap step, as often as each minute: what is due by the clock is done.

    1 incidents     of the intake that nobody was told of
    2 machinery     freshness, rejected events, broken checks: holds, recoveries
    3 acks          whose time is over
    4 tell          what was not told yet, or waited
    5 silences      that ended: what still fires
    6 reminders     of what nobody has

Everything that decides is in the database, so that a step after a restart does what the step before it would have done.
"""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import Engine

from consumers.database import reading, writing
from monitor.oncall.acks import lapse
from monitor.oncall.episodes import read_episodes
from monitor.oncall.incident_alerts import save_incidents
from monitor.oncall.machinery import is_operational, observe, read_machinery
from monitor.oncall.remind import end_silences, remind
from monitor.oncall.tell import tell
from monitor.oncall.words import alert_of_episode
from monitor.result import Alert
from monitor.settings import Settings


def keep_alerts(
    engine: Engine, settings: Settings, as_of: dt.datetime, now: dt.datetime, receivers: Sequence[str]
) -> None:
    """Take one step. as_of: the moment of the data, for how old they are; now: that of every timer. Aware times.

    receivers: names of those that are sent what is told. The monitor's tables are there (MonitorState).
    """
    save_incidents(engine, settings, now, receivers)
    with reading(engine) as connection:
        readings = read_machinery(connection, settings, as_of)
    with writing(engine) as connection:
        observe(connection, settings.loop, readings, now)
        lapse(connection, settings.loop, now)
        tell(connection, settings, now, receivers)
        end_silences(connection, settings, now, receivers)
        remind(connection, settings, now, receivers)


def machinery_alerts(engine: Engine, loop: str) -> list[Alert]:
    """The open alerts about the machinery, for a report that must not look calm meanwhile."""
    with reading(engine) as connection:
        stored = [one for one in read_episodes(connection, loop) if one.is_open and is_operational(one)]
    return [alert_of_episode(one, loop) for one in stored]
