"""Which alerts are there, and what stands behind one? The same objects as `reward-drift alerts` tells."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from consumers.database import reading
from consumers.mendable import Mendable
from monitor.oncall.detail import detail_of
from monitor.oncall.episodes import StoredEpisode, read_episodes
from monitor.oncall.overlays import overlays_of
from monitor.oncall.page import known
from monitor.oncall.plain import alert_row, silence_row
from monitor.oncall.silences import read_silences
from monitor.settings import Settings
from monitor.web.views.changes import Changes, read_changes

MOST = 200


class NoSuchAlert(Mendable):
    """There is none of this number in the loop."""


@dataclass(frozen=True)
class Alerts:
    """rows: the newest first, at most 200, as of `alerts list`. more: how many older ones match. checks: to choose.

    untaken: how many of all that match are firing, so that nobody has them.
    """

    rows: Sequence[dict[str, Any]]
    more: int
    untaken: int
    checks: Sequence[str]
    silences: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Behind:
    """told: as of `alerts show`, with overlays. changes: of the alert's slice."""

    stored: StoredEpisode
    told: dict[str, Any]
    changes: Changes


def list_alerts(
    engine: Engine,
    settings: Settings,
    now: dt.datetime,
    *,
    open_only: bool = False,
    severity: str = "",
    check: str = "",
) -> Alerts:
    """Alerts of the loop that match, and the silences that hold."""
    with reading(engine) as connection:
        overlays = overlays_of(connection, settings.loop, now)
        stored = read_episodes(connection, settings.loop)
        silences = read_silences(connection, settings.loop)
    matching = [
        one
        for one in reversed(stored)
        if (not open_only or one.ended is None)
        and severity in ("", one.episode.severity)
        and check in ("", one.episode.check)
    ]
    return Alerts(
        rows=[alert_row(one, overlays[one.id]) for one in matching[:MOST]],
        more=max(len(matching) - MOST, 0),
        untaken=sum(one.episode.state == "firing" for one in matching),
        checks=sorted({one.episode.check for one in stored}),
        silences=[silence_row(one, now) for one in silences if one.is_on(now)],
    )


def behind_alert(engine: Engine, settings: Settings, now: dt.datetime, number: int) -> Behind:
    """Everything about one alert. Raises NoSuchAlert."""
    with reading(engine) as connection:
        episodes = read_episodes(connection, settings.loop)
        stored = next((one for one in episodes if one.id == number), None)
        if stored is None:
            raise NoSuchAlert(f"no alert {number} in loop {settings.loop!r}")
        facts = known(connection, settings, episodes, now)
        told = detail_of(connection, stored, episodes, facts, settings.loop).to_dict()
        told["overlays"] = overlays_of(connection, settings.loop, now)[number]
        changes = read_changes(connection, settings, stored.episode.slice_name)
    return Behind(stored, told, changes)
