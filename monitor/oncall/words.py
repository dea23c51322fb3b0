"""What is said of an episode, and of many at once, where no look explains it anew?"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from monitor.check import Interval
from monitor.oncall.alerts import SEVERITIES
from monitor.oncall.episodes import StoredEpisode
from monitor.report import wording
from monitor.result import Alert, plain_json

SHOWN = 5  # of many


def alert_of_episode(stored: StoredEpisode, loop: str) -> Alert:
    """What was told of an episode last; of one that an earlier release told, what its row says."""
    if stored.alert is not None:
        return stored.alert
    episode = stored.episode
    where = wording.slice_name(episode.slice)
    return Alert(
        fingerprint=stored.fingerprint, check=episode.check, attribution="undecided", severity=episode.severity,
        slice=episode.slice, checkpoint="", fired_at=stored.opened, leading="undecided", shares={}, effect=Interval(),
        reward_change=Interval(), outcome_change=Interval(), n=0, evidence=None, state=episode.state,
        message=f"{loop}: {episode.check}, {where}; `reward-drift tick` explains it anew",
    )  # fmt: skip


def combined(alerts: Sequence[Alert], family: str, loop: str) -> Alert:
    """Many alerts as one: the worst speaks for all, five are named by effect times volume, all are counted."""
    ranked = sorted(alerts, key=weight, reverse=True)
    named = "; ".join(_short(alert) for alert in ranked[:SHOWN])
    more = f"; {len(ranked) - SHOWN} more" if len(ranked) > SHOWN else ""
    what = "alerts" if family == "digest" else f"alerts of {family.replace('_', ' ')}"
    worst = max(ranked, key=lambda alert: SEVERITIES.index(alert.severity))
    return replace(worst, message=f"{loop}: {len(ranked)} {what}: {named}{more}.", examples=())


def weight(alert: Alert) -> tuple[float, int]:
    """By what alerts of one message are ranked: effect times volume, then severity."""
    return (alert.effect.value or 0.0) * alert.n, SEVERITIES.index(alert.severity)


def _short(alert: Alert) -> str:
    harm = f" {wording.points(-alert.effect.value)}" if alert.effect.value is not None else ""
    return f"{alert.severity} {alert.check} on {wording.slice_name(alert.slice)}{harm}"


def plain_alert(alert: Alert) -> Mapping[str, Any]:
    """An alert of the output contract as plain JSON types."""
    plain: dict[str, Any] = plain_json(asdict(alert))
    return plain


def ago(age: dt.timedelta | None) -> str:
    """How old something is, in the unit that suits.

    >>> ago(dt.timedelta(seconds=40)), ago(dt.timedelta(hours=5)), ago(dt.timedelta(days=3)), ago(None)
    ('0 min', '5 h', '3 d', 'never')
    """
    if age is None:
        return "never"
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"
