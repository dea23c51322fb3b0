"""How does an alert about the machinery live? It waits, fires, and recovers by itself, but never by silence."""

import datetime as dt
from dataclasses import dataclass, replace

from monitor.check import Slice
from monitor.oncall.alerts import OPEN, Reason

RECOVERIES = 3  # evaluations on fresh data, better than the recovery threshold, that end it
SAME_EPISODE = dt.timedelta(hours=24)  # broken again within it, it is the same episode
ENDED = ("resolved", "superseded")


@dataclass(frozen=True)
class Reading:
    """What one operational rule says at one moment.

    value: worse is larger; None while nothing can be said. limit: broken beyond it. recovered: well at or under it.
    hold: how long it must be broken. since: when it broke, if the data tell; else the moment it was first seen broken.
    message: for people.
    """

    check: str
    slice: Slice
    severity: str
    value: float | None
    limit: float
    recovered: float
    hold: dt.timedelta
    message: str
    since: dt.datetime | None = None

    @property
    def is_broken(self) -> bool:
        """Beyond the limit; what is not a number is broken, too."""
        return self.value is not None and not self.value <= self.limit

    @property
    def is_well(self) -> bool:
        """At or under the recovery threshold."""
        return self.value is not None and self.value <= self.recovered


def at_once(check: str, part: Slice, severity: str, *, is_broken: bool, message: str) -> Reading:
    """The reading of a rule that is broken or is not, and waits for nothing."""
    return Reading(check, part, severity, float(is_broken), 0.5, 0.0, dt.timedelta(0), message)


@dataclass(frozen=True)
class Life:
    """Where an operational episode stands.

    changed: since when it is in this state; of a pending one, when it broke. good: evaluations in a row that were well.
    evaluated: the last moment that was decided. fired: whether it ever fired. reopened: how often it fired again.
    """

    state: str
    changed: dt.datetime
    evaluated: dt.datetime
    good: int = 0
    fired: bool = False
    reopened: int = 0


def follow(life: Life | None, reading: Reading, now: dt.datetime) -> tuple[Life | None, Reason]:
    """The life after an evaluation, and why. None: there is no episode, or the last one `is_over`.

    What is unknown neither opens nor ends an alert. Asking again at the same moment changes nothing.

    >>> at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    >>> late = Reading("no_data", {}, "ticket", 30.0, 24.0, 12.0, dt.timedelta(minutes=10), "")
    >>> life, why = follow(None, late, at)
    >>> life.state, follow(life, late, at + dt.timedelta(minutes=10))[0].state
    ('pending', 'firing')
    """
    if life is not None and now <= life.evaluated:
        return life, Reason.REPEATED
    if life is None or life.state in ENDED:
        return _closed(life, reading, now)
    if reading.value is None:
        return replace(life, evaluated=now), Reason.UNKNOWN
    return _pending(life, reading, now) if life.state == "pending" else _open(life, reading, now)


def is_over(life: Life, now: dt.datetime) -> bool:
    """Whether it ended so long ago that the next one is another episode."""
    return life.state in ENDED and now - life.changed >= SAME_EPISODE


def _closed(life: Life | None, reading: Reading, now: dt.datetime) -> tuple[Life | None, Reason]:
    if not reading.is_broken:
        return life, Reason.UNKNOWN if reading.value is None else Reason.QUIET
    began = min(reading.since or now, now)
    if life is None:
        broken = Life("pending", began, now)
    else:
        broken = replace(life, state="pending", changed=max(began, life.changed), good=0)
    return _pending(broken, reading, now)


def _pending(life: Life, reading: Reading, now: dt.datetime) -> tuple[Life, Reason]:
    life = replace(life, evaluated=now)
    if not reading.is_broken:
        return replace(life, state="resolved", changed=now), Reason.CALMED
    if now - life.changed < reading.hold:
        return life, Reason.PENDING
    again = life.fired
    fired = replace(life, state="firing", changed=now, good=0, fired=True, reopened=life.reopened + again)
    return fired, Reason.REOPENED if again else Reason.FIRED


def _open(life: Life, reading: Reading, now: dt.datetime) -> tuple[Life, Reason]:
    assert life.state in OPEN
    if not reading.is_well:
        return replace(life, evaluated=now, good=0), Reason.LATCHED
    life = replace(life, evaluated=now, good=life.good + 1)
    if life.good < RECOVERIES:
        return life, Reason.RECOVERING
    return replace(life, state="resolved", changed=now, good=0), Reason.RECOVERED
