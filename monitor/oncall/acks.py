"""Who has an alert, and until when? An ack stops reminders; it lapses with its time, a severer crossing, or the end."""

import datetime as dt

from sqlalchemy import Connection

from consumers.mendable import Mendable
from monitor.oncall.alerts import Reason
from monitor.oncall.episodes import StoredEpisode, add_transition, change, moved, read_episodes
from monitor.production.items import microseconds

LASTS = {"page": dt.timedelta(hours=4)}
LASTS_ELSE = dt.timedelta(hours=24)
LONGEST = dt.timedelta(days=7)


class AckRefused(Mendable):
    """An alert cannot be acked, or given back; the message says why."""


def ack(
    connection: Connection,
    loop: str,
    number: int,
    owner: str,
    note: str,
    now: dt.datetime,
    length: dt.timedelta | None = None,
) -> dt.datetime:
    """Somebody has it, until the moment returned: 4 hours for a page, else 24, unless `length` says otherwise.

    Acking again changes owner and time. Raises AckRefused for an alert that is not open, or a length beyond a week.
    """
    stored = _open(connection, loop, number)
    length = length or LASTS.get(stored.episode.severity, LASTS_ELSE)
    if not dt.timedelta(0) < length <= LONGEST:
        raise AckRefused(f"an ack lapses within {LONGEST.days} days: choose a shorter --for, as 4h or 2d")
    if not owner.strip():
        raise AckRefused("an ack needs an owner: --by NAME")
    until = now + length
    taken = {"ack_owner": owner, "ack_note": note, "ack_until_us": microseconds(until)}
    change(connection, number, **{**moved("acked", now), **taken})
    told = f"{owner} until {until:%Y-%m-%d %H:%M} UTC" + (f": {note}" if note else "")
    add_transition(connection, number, Reason.ACKED, stored.episode.severity, now, actor=owner, note=told)
    return until


def unack(connection: Connection, loop: str, number: int, owner: str, now: dt.datetime) -> None:
    """Give it back: it fires again, and reminders go on. Raises AckRefused unless it is acked."""
    stored = _open(connection, loop, number)
    if stored.ack is None:
        raise AckRefused(f"alert {number} is not acked")
    change(connection, number, **moved("firing", now))
    add_transition(connection, number, Reason.UNACKED, stored.episode.severity, now, actor=owner)


def lapse(connection: Connection, loop: str, now: dt.datetime) -> None:
    """Acks whose time is over end, inside the caller's transaction."""
    for stored in read_episodes(connection, loop):
        if stored.is_open and stored.ack is not None and stored.ack.until <= now:
            change(connection, stored.id, **moved("firing", now))
            told = f"{stored.ack.owner} had it until {stored.ack.until:%Y-%m-%d %H:%M} UTC"
            add_transition(connection, stored.id, Reason.LAPSED, stored.episode.severity, now, note=told)


def _open(connection: Connection, loop: str, number: int) -> StoredEpisode:
    found = next((one for one in read_episodes(connection, loop) if one.id == number), None)
    if found is None or not found.is_open:
        raise AckRefused(f"no open alert {number} in loop {loop!r}; `reward-drift alerts list` names them")
    return found
