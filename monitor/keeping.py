"""Which words of people are kept no longer? Those of whom an event asks to be erased, and those that are too old."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import Connection

from consumers.database import writing
from consumers.erasure import erase_user, requested_erasures
from consumers.ledger import Erased
from consumers.retention import Expired, expire
from consumers.store import EventStore
from consumers.wipe import WORDY, wipe
from monitor.detection.state import MonitorState
from monitor.production.items import microseconds
from monitor.settings import RetentionSettings
from monitor.telling.quotes import Dropped, drop_quotes


@dataclass(frozen=True)
class Forgotten:
    """One erasure: the ledger's entry, and the quotes in alerts that went with it."""

    entry: Erased
    quotes: Dropped


def erase(store: EventStore, user: str) -> Forgotten:
    """Remove every word of a user, in one transaction; harmless when it was done before."""
    quotes: list[Dropped] = []

    def forget_quotes(connection: Connection) -> None:
        quotes.append(drop_quotes(connection))

    entry = erase_user(store, user, also=[forget_quotes])
    return Forgotten(entry, quotes[0])


def erase_requested(store: EventStore) -> list[Forgotten]:
    """Erase everybody whose erasure an event asked for and who is still there."""
    return [erase(store, user) for user in requested_erasures(store)]


def wipe_words(store: EventStore) -> bool:
    """Have what was removed leave the files too; False: somebody has been reading all the while, call it again."""
    return wipe(store.engine, (*WORDY, "outbox", "monitor_memory"))


def expire_words(
    store: EventStore, kept: RetentionSettings, now: dt.datetime, *, dry_run: bool = False
) -> tuple[Expired, int]:
    """Remove what is older than the settings allow; the second number is that of quotes in alerts."""
    MonitorState(store.engine)  # its tables are there from here on
    texts, records = microseconds(now - kept.texts), microseconds(now - kept.rejected)
    gone = expire(store, texts, records, dry_run=dry_run)
    with store.engine.connect() if dry_run else writing(store.engine) as connection:
        return gone, drop_quotes(connection, before_us=texts, dry_run=dry_run).quotes
