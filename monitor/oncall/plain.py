"""What does a list tell of an alert, or of a silence? The same rows on the command line and over the API."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from monitor.oncall.episodes import StoredEpisode
from monitor.oncall.silences import Silence
from monitor.production.items import date_of
from monitor.result import plain_json


def alert_row(stored: StoredEpisode, overlays: Sequence[str]) -> dict[str, Any]:
    """An alert in plain JSON types. overlays: as of `overlays_of`."""
    episode, held = stored.episode, stored.ack
    row: dict[str, Any] = plain_json(
        {
            "id": stored.id,
            "check": episode.check,
            "attribution": stored.alert.attribution if stored.alert else episode.check,
            "slice": episode.slice,
            "state": episode.state,
            "overlays": overlays,
            "severity": episode.severity,
            "since": date_of(episode.since),
            "ack": None if held is None else {"owner": held.owner, "note": held.note, "until": held.until},
            "decision": stored.decision,
            "note": stored.note,
        }
    )
    return row


def silence_row(one: Silence, now: dt.datetime) -> dict[str, Any]:
    """A silence in plain JSON types."""
    row: dict[str, Any] = plain_json(
        {
            "id": one.id,
            "matcher": one.matcher,
            "author": one.author,
            "reason": one.reason,
            "begins": one.begins,
            "ends": one.ends,
            "holds": one.is_on(now),
        }
    )
    return row
