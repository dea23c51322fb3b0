"""What was it like to be on call this month? Counted from what is on record, and what people entered by hand."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from sqlalchemy import Connection, text

from consumers.mendable import Mendable
from monitor.oncall.alerts import is_inferred
from monitor.oncall.episodes import StoredEpisode, read_episodes
from monitor.oncall.runbook import runbook_names
from monitor.oncall.silences import read_silences
from monitor.production.items import EPOCH, microseconds
from monitor.result import plain_json
from monitor.settings import Settings

ACTED = ("rollback", "retire", "rebaseline")  # decisions that a true alert led to
FALSE = ("false-alert", "dismissed")
PAGES = """
    SELECT COUNT(*) FROM alert_message
    WHERE loop = :loop AND severity = 'page' AND kind IN ('fired', 'raised', 'digest', 'reminder')
      AND at_us >= :begins AND at_us < :ends
"""
FIRST_ACKS = """
    SELECT t.episode, MIN(t.at_us) FROM alert_transition AS t JOIN alert_episode AS e ON e.id = t.episode
    WHERE e.loop = :loop AND t.reason = 'acked' GROUP BY t.episode
"""
MISSED = (
    "SELECT at_us, what FROM missed_incident WHERE loop = :loop AND at_us >= :begins AND at_us < :ends ORDER BY at_us"
)
ADD_MISSED = "INSERT INTO missed_incident (loop, at_us, what, entered_us) VALUES (:loop, :at_us, :what, :now)"
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


class MonthRefused(Mendable):
    """A month cannot be read; the message says how to write it."""


@dataclass(frozen=True)
class Review:
    """One month. Hours and days are decimal.

    pages: messages that paged, reminders included. page_alerts: alerts that were a page. precision: of those that were
    decided, the share that led to an action; None while none was. hours_to_ack: median over page alerts that were
    acked. never_fired, always_fired: rules that raised nothing, or were open all month. false_alerts: severity ->
    how many were dismissed or called false, and how many the promise allows in the month. recall: found over found
    and missed, of alerts that led to an action.
    """

    loop: str
    begins: dt.datetime
    ends: dt.datetime
    pages: int
    page_alerts: int
    acted: int
    dismissed: int
    undecided: int
    precision: float | None
    hours_to_ack: float | None
    silenced_hours: float
    never_fired: Sequence[str]
    always_fired: Sequence[str]
    fired: Mapping[str, int]
    false_alerts: Mapping[str, Mapping[str, float]]
    missed: Sequence[Mapping[str, Any]]
    recall: float | None

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON types."""
        plain: dict[str, Any] = plain_json(asdict(self))
        return plain


def month_of(name: str | None, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Begin and end of a month written as 2026-11; None: of this one, until now. Raises MonthRefused.

    >>> month_of("2026-02", dt.datetime(2026, 3, 9, tzinfo=dt.UTC))[1].isoformat()
    '2026-03-01T00:00:00+00:00'
    """
    try:
        begins = dt.datetime.strptime(name or f"{now:%Y-%m}", "%Y-%m").replace(tzinfo=dt.UTC)
    except ValueError:
        raise MonthRefused(f"--month {name}: write a month as {now:%Y-%m}") from None
    return begins, min((begins + 32 * DAY).replace(day=1), now)


def add_missed(connection: Connection, loop: str, what: str, at: dt.datetime, now: dt.datetime) -> None:
    """Put on record a harm that no alert told of, inside the caller's transaction."""
    row = {"loop": loop, "at_us": microseconds(at), "what": what, "now": microseconds(now)}
    connection.execute(text(ADD_MISSED), row)


def review_month(connection: Connection, settings: Settings, begins: dt.datetime, ends: dt.datetime) -> Review:
    """Count a month of a loop."""
    loop, given = settings.loop, _given(settings.loop, begins, ends)
    stored = [one for one in read_episodes(connection, loop) if one.fired is not None]
    mine = [one for one in stored if one.fired is not None and begins <= one.fired < ends]
    pages = [one for one in mine if one.episode.severity == "page"]
    acted = [one for one in mine if one.decision in ACTED]
    page_acted = [one for one in pages if one.decision in ACTED]
    page_false = [one for one in pages if one.decision in FALSE]
    decided = len(page_acted) + len(page_false)
    missed = [
        {"at": EPOCH + dt.timedelta(microseconds=at), "what": what}
        for at, what in connection.execute(text(MISSED), given)
    ]
    fired = Counter(one.episode.check for one in mine)
    return Review(
        loop=loop,
        begins=begins,
        ends=ends,
        pages=int(connection.execute(text(PAGES), given).scalar_one()),
        page_alerts=len(pages),
        acted=len(page_acted),
        dismissed=len(page_false),
        undecided=len(pages) - decided,
        precision=len(page_acted) / decided if decided else None,
        hours_to_ack=_hours_to_ack(connection, loop, pages),
        silenced_hours=_silenced(connection, loop, begins, ends),
        never_fired=[name for name in alerting_rules() if name not in {one.episode.check for one in stored}],
        always_fired=sorted({one.episode.check for one in stored if _all_month(one, begins, ends)}),
        fired=dict(sorted(fired.items())),
        false_alerts=_false_alerts(mine, settings, (ends - begins) / DAY),
        missed=missed,
        recall=len(acted) / (len(acted) + len(missed)) if acted or missed else None,
    )


def alerting_rules() -> list[str]:
    """Everything that can raise an alert: all of it has a runbook."""
    return runbook_names()


def _hours_to_ack(connection: Connection, loop: str, pages: Sequence[StoredEpisode]) -> float | None:
    """Median hours from the first firing to the first ack; None while nobody acked."""
    first = {
        row[0]: EPOCH + dt.timedelta(microseconds=row[1])
        for row in connection.execute(text(FIRST_ACKS), {"loop": loop})
    }
    waits = [(first[one.id] - one.fired) / HOUR for one in pages if one.id in first and one.fired is not None]
    return float(median(waits)) if waits else None


def _silenced(connection: Connection, loop: str, begins: dt.datetime, ends: dt.datetime) -> float:
    """Hours of silences within the month; two at once count twice."""
    held = [(max(one.begins, begins), min(one.ends, ends)) for one in read_silences(connection, loop)]
    return sum((max(until - since, dt.timedelta(0)) / HOUR for since, until in held), 0.0)


def _all_month(stored: StoredEpisode, begins: dt.datetime, ends: dt.datetime) -> bool:
    return stored.fired is not None and stored.fired <= begins and (stored.ended is None or stored.ended >= ends)


def _false_alerts(mine: Sequence[StoredEpisode], settings: Settings, days: float) -> dict[str, Mapping[str, float]]:
    """Severity -> alerts on evidence that were called false, and the most that the promise allows on average."""
    false = Counter(one.episode.severity for one in mine if one.decision in FALSE and is_inferred(one.episode))
    return {
        severity: {"found": false[severity], "allowed": days / threshold}
        for severity, threshold in settings.alerts.days().items()
    }


def _given(loop: str, begins: dt.datetime, ends: dt.datetime) -> dict[str, Any]:
    return {"loop": loop, "begins": microseconds(begins), "ends": microseconds(ends)}


def review_text(review: Review) -> str:
    """The month for people."""
    precision = "unknown: none was decided" if review.precision is None else f"{review.precision:.0%}"
    acked = "nobody acked one" if review.hours_to_ack is None else f"median {review.hours_to_ack:.1f} h"
    recall = "" if review.recall is None else f", recall {review.recall:.0%}"
    lines = [
        f"{review.loop}, {review.begins:%Y-%m-%d} to {review.ends:%Y-%m-%d}",
        f"pages sent: {review.pages}; alerts that paged: {review.page_alerts} ({review.acted} led to an action,"
        f" {review.dismissed} dismissed, {review.undecided} undecided); precision {precision}",
        f"time to ack: {acked}; silenced: {review.silenced_hours:.1f} h",
        "fired: " + (", ".join(f"{name} {count}" for name, count in review.fired.items()) or "nothing"),
        "never fired: " + (", ".join(review.never_fired) or "none"),
        "open all month: " + (", ".join(review.always_fired) or "none"),
    ]
    for severity, row in review.false_alerts.items():
        lines.append(f"false {severity}s: {row['found']:.0f}, at most {row['allowed']:.2f} expected by the promise")
    lines.append(f"missed, entered by hand: {len(review.missed)}{recall}")
    lines += [f"  {row['at']:%Y-%m-%d}  {row['what']}" for row in review.missed]
    return "\n".join(lines)
