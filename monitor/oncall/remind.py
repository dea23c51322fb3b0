"""Who must hear of an open alert again, and what still fires at the end of a silence?"""

import datetime as dt
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from monitor.oncall.episodes import StoredEpisode, change, read_episodes
from monitor.oncall.ledger import mark, read_muted
from monitor.oncall.receivers.port import Kind
from monitor.oncall.silences import Silence, close_silence, read_silences
from monitor.oncall.tell import Book, digest_key, needs, open_under, read_book, send, told_of, unhealthy
from monitor.production.items import microseconds
from monitor.settings import Settings

EVERY: Mapping[str, dt.timedelta] = {
    "page": dt.timedelta(hours=1),
    "warning": dt.timedelta(days=1),
    "ticket": dt.timedelta(days=7),
}


def remind(connection: Connection, settings: Settings, now: dt.datetime, receivers: Sequence[str]) -> None:
    """One message for all open alerts that nobody has, and that were told too long ago, under the key of the worst.

    Inside the caller's transaction. A silenced or withheld alert is not repeated.
    """
    if not any(_is_due(stored, now) for stored in read_episodes(connection, settings.loop)):
        return
    book = read_book(connection, settings, now, receivers, {})
    silences = [one for one in read_silences(connection, settings.loop) if one.is_on(now)]
    ill = unhealthy(connection, book.episodes.values())
    due = [
        stored
        for stored in book.episodes.values()
        if _is_due(stored, now)
        and book.heard.own_keys(stored)
        and not any(one.mutes(stored) for one in silences)
        and not needs(stored, settings) & ill
    ]
    if due:
        worst = max(due, key=lambda stored: (EVERY["ticket"] - EVERY[stored.episode.severity], -stored.id))
        key = book.heard.own_keys(worst)[0]
        members = open_under(book, key)
        others = sorted({one.id for one in due} - {one.id for one in members})
        note = "still open, and nobody has it" + (f"; nor {', '.join(map(str, others))}" if others else "")
        send(connection, book, key, "reminder", told_of(book, members, "digest"), members, [], note)
        for stored in due:
            change(connection, stored.id, reminded_us=microseconds(now))


def _is_due(stored: StoredEpisode, now: dt.datetime) -> bool:
    told = stored.reminded
    return stored.episode.state == "firing" and told is not None and now - told >= EVERY[stored.episode.severity]


def end_silences(connection: Connection, settings: Settings, now: dt.datetime, receivers: Sequence[str]) -> None:
    """Of each silence that is over tell once what still fires and was not told, inside the caller's transaction."""
    over = [one for one in read_silences(connection, settings.loop) if one.closed is None and one.ends <= now]
    if not over:
        return
    book = read_book(connection, settings, now, receivers, {})
    still = [one for one in read_silences(connection, settings.loop) if one.is_on(now)]
    for silence in over:
        _tell_end(connection, book, silence, still)
        close_silence(connection, silence.id, now)


def _tell_end(connection: Connection, book: Book, silence: Silence, still: Sequence[Silence]) -> None:
    muted = read_muted(connection)
    fires = [
        stored
        for stored in book.episodes.values()
        if stored.is_open and stored.id in muted and silence.mutes(stored)
        and not any(one.mutes(stored) for one in still)
    ]  # fmt: skip
    if not fires:
        return
    key = fires[0].key if len(fires) == 1 else digest_key(book, f"silence {silence.id}")
    kind: Kind = "fired" if len(fires) == 1 else "digest"
    note = f"silence {silence.id} of {silence.author} ended ({silence.reason}); this still fires"
    number = send(connection, book, key, kind, told_of(book, fires, "digest"), fires, [], note)
    for stored in fires:
        mark(connection, muted[stored.id], "silenced", number)
