"""How does each message reach its receiver? Rounds of delivery, a thread a receiver, none holding up another.

1 what nobody wants is dropped; 2 what is due goes to the thread of its receiver, in order under each key; 3 what comes
back is put on record by the thread that asked for the round, the only one that touches the database; 4 what a receiver
does not take goes to its fallback too, and that it does not is told on a second path.

A row is marked sent only after the receiver took it, so that a crash in between sends it again under the same key.
"""

import datetime as dt
import queue
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine

from consumers.database import writing
from monitor.oncall import outbox
from monitor.oncall.alerts import SEVERITIES
from monitor.oncall.cannot_page import CHECK, TEST, cannot_page, pages_again
from monitor.oncall.health import Health, read_health, save_health
from monitor.oncall.outbox import Row
from monitor.oncall.receivers.port import ENDED, DeliveryFailed, Message, Receiver, Route
from monitor.oncall.receivers.redact import redacted
from monitor.production.items import EPOCH, microseconds

FIRST_RETRY = dt.timedelta(seconds=30)
LAST_RETRY = dt.timedelta(minutes=10)
JITTER = 0.25  # a wait is shorter by up to this share, so that monitors do not come back all at once
FAILURES = 5  # of one message, before the fallback gets it
OUTAGE = dt.timedelta(minutes=10)  # of the receiver, before the fallback gets what waits
IN_A_ROW = 3  # failures, before a receiver is left alone until the next round
ROUND_SECONDS = 60.0  # that one receiver may take of one round
FOLLOWING = ("acked", "unacked", *ENDED)


@dataclass(frozen=True)
class Delivered:
    """How one round of delivery went."""

    sent: int
    failed: int


@dataclass(frozen=True)
class Parcel:
    """A row on its way, and how it went. again: it is told again to a receiver that forgets.

    seconds: how long the receiver took. crash: what ended the process that was to send it.
    """

    row: Row
    again: bool = False
    fault: DeliveryFailed | None = None
    crash: BaseException | None = None
    seconds: float = 0.0


def deliver(engine: Engine, routes: Mapping[str, Route], now: dt.datetime, told: Callable[[str], None]) -> Delivered:
    """Send what is due, once, until every receiver took or refused it.

    told: gets one line for each failure. As nobody may come back soon, the fallback gets what failed at once.
    """
    return Courier(engine, routes, told, failures=1).round(now)


class Courier:
    """Delivers what the outbox holds, round by round; used by one thread.

    told: gets one line for each failure. failures: of one message, before the fallback gets it too. only: which
    messages it delivers.
    """

    def __init__(
        self,
        engine: Engine,
        routes: Mapping[str, Route],
        told: Callable[[str], None],
        *,
        failures: int = FAILURES,
        only: Callable[[Message], bool] = lambda message: True,
    ) -> None:
        self.engine, self.routes, self.told, self.failures, self.only = engine, routes, told, failures, only
        self.parcels: list[Parcel] = []  # that came back in the last round
        self._back: queue.SimpleQueue[Parcel | str] = queue.SimpleQueue()
        self._busy: set[str] = set()

    def round(self, now: dt.datetime, patience_seconds: float | None = None) -> Delivered:
        """Send what is due at `now`, and what that brings about.

        patience_seconds: how long to wait for slow receivers; they go on, are left alone by the next rounds, and what
        they took is put on record by one of these. None: until all are done.
        """
        self.parcels, seen = [], set[int]()
        until = None if patience_seconds is None else time.monotonic() + patience_seconds
        self._start(now, seen)
        while self._busy:
            try:
                back = self._back.get(timeout=None if until is None else max(until - time.monotonic(), 0.0))
            except queue.Empty:
                break
            if isinstance(back, Parcel):
                self._settle(back, now)
            else:
                self._busy.discard(back)
                self._start(now, seen)
        took = [parcel for parcel in self.parcels if not parcel.again]
        failed = sum(parcel.fault is not None for parcel in took)
        return Delivered(len(took) - failed, failed)

    def _start(self, now: dt.datetime, seen: set[int]) -> None:
        """A thread for each idle receiver that has something due which this round did not see yet."""
        for name, parcels in self._lanes(now).items():
            new = [parcel for parcel in parcels if parcel.row.id not in seen]
            if new and name not in self._busy:
                self._busy.add(name)
                seen.update(parcel.row.id for parcel in new)
                send = (name, self.routes[name].receiver, new, self._back)
                threading.Thread(target=_send_all, args=send, daemon=True, name=f"to-{name}").start()

    def _lanes(self, now: dt.datetime) -> dict[str, list[Parcel]]:
        waiting: dict[str, list[Row]] = {name: [] for name in self.routes}
        for row in outbox.read_waiting(self.engine):
            route = self.routes.get(row.receiver)
            if route is None or not self.only(row.message):
                continue
            if self._is_wanted(route, row):
                waiting[row.receiver].append(row)
            else:
                with writing(self.engine) as connection:
                    outbox.drop(connection, row, "unwanted")
        return {name: self._lane(name, rows, now) for name, rows in waiting.items()}

    def _is_wanted(self, route: Route, row: Row) -> bool:
        """Whether a receiver is told: what follows on something it knows, its severities, what is about receivers."""
        message = row.message
        if message.kind in FOLLOWING:
            return outbox.was_told(self.engine, row)
        return message.severity in route.severities or message.alert.get("check") in (CHECK, TEST) or bool(message.via)

    def _lane(self, name: str, rows: Sequence[Row], now: dt.datetime) -> list[Parcel]:
        due = [Parcel(row) for row in in_order(rows, microseconds(now))]
        if (refresh := self.routes[name].refresh) is None:
            return due
        held = {row.message.dedup_key for row in rows}
        stale = outbox.read_stale(self.engine, name, now, refresh)
        return due + [Parcel(row, again=True) for row in stale if row.message.dedup_key not in held]

    def _settle(self, parcel: Parcel, now: dt.datetime) -> None:
        """Put on record how it went, in one transaction."""
        if parcel.crash is not None:
            raise parcel.crash
        self.parcels.append(parcel)
        health = read_health(self.engine).get(parcel.row.receiver, Health(parcel.row.receiver))
        with writing(self.engine) as connection:
            if parcel.fault is None:
                outbox.mark_sent(connection, parcel.row, now, again=parcel.again)
                self._is_well(connection, health, parcel.row, now)
            else:
                self._is_not_taken(connection, health, parcel, parcel.fault, now)

    def _is_well(self, connection: Connection, health: Health, row: Row, now: dt.datetime) -> None:
        if health.told_key is not None:
            message = pages_again(row.receiver, health.told_key, row.message.loop, now)
            outbox.enqueue(connection, message, self._second_path(row.receiver), now)
        save_health(connection, health.after_success(microseconds(now)))

    def _is_not_taken(
        self, connection: Connection, health: Health, parcel: Parcel, fault: DeliveryFailed, now: dt.datetime
    ) -> None:
        row, health = parcel.row, health.after_failure(microseconds(now))
        self.told(_told(row, fault))
        if fault.final and not parcel.again:
            outbox.drop(connection, row, f"refused: {fault}")
            if self._pass_on(connection, row, fault, now):
                return
        elif not parcel.again:
            outbox.mark_failed(connection, row, next_attempt(row, fault, now), str(fault))
        if fault.retry_after:
            outbox.mark_busy(connection, row.receiver, now + fault.retry_after)
        if fault.final or self._is_given_up(row, health, now):
            if not parcel.again:
                self._pass_on(connection, row, fault, now)
            health = self._cannot_page(connection, health, row, fault, now)
        save_health(connection, health)

    def _is_given_up(self, row: Row, health: Health, now: dt.datetime) -> bool:
        since = min(row.created_us, health.failing_since_us or row.created_us)
        return row.attempts + 1 >= self.failures or microseconds(now) - since >= OUTAGE // dt.timedelta(microseconds=1)

    def _pass_on(self, connection: Connection, row: Row, fault: DeliveryFailed, now: dt.datetime) -> bool:
        """Give the message to the fallback too; once, never back to one that failed it, and never a test."""
        fallback = self.routes[row.receiver].fallback
        if fallback is None or fallback in row.message.via or row.message.kind == "test":
            return False
        if row.passed_on is None:
            outbox.pass_on(connection, row, fallback, str(fault), now)
        return True

    def _cannot_page(
        self, connection: Connection, health: Health, row: Row, fault: DeliveryFailed, now: dt.datetime
    ) -> Health:
        """Tell the second path that this receiver takes nothing, once an outage."""
        others = self._second_path(row.receiver)
        if health.told_key is not None or not others:
            return health
        since = EPOCH + dt.timedelta(microseconds=health.failing_since_us or row.created_us)
        message = cannot_page(row.receiver, row.message.loop, row.message.severity, str(fault), since, now)
        outbox.enqueue(connection, message, others, now)
        return replace(health, told_key=message.dedup_key)

    def _second_path(self, name: str) -> list[str]:
        """The fallback of a receiver; without one, everybody else."""
        fallback = self.routes[name].fallback
        return (
            [fallback]
            if fallback is not None and fallback in self.routes
            else [other for other in self.routes if other != name]
        )


def in_order(rows: Sequence[Row], now_us: int) -> Iterator[Row]:
    """The rows of one receiver that may be sent now: under each key none before an older one.

    Keys that failed least come first, so that one that the receiver chokes on holds nothing up; then the severest.
    """
    by_key: dict[str, list[Row]] = {}
    for row in rows:
        by_key.setdefault(row.message.dedup_key, []).append(row)
    heads = sorted(
        by_key.values(), key=lambda of: (of[0].attempts, -SEVERITIES.index(of[0].message.severity), of[0].id)
    )
    for of_key in heads:
        for row in of_key:
            if row.next_attempt_us > now_us:
                break
            yield row


def next_attempt(row: Row, fault: DeliveryFailed, now: dt.datetime) -> dt.datetime:
    """Twice as long each time, up to LAST_RETRY, less some jitter; never sooner than the receiver asked for."""
    wait: dt.timedelta = min(FIRST_RETRY * 2 ** min(row.attempts, 10), LAST_RETRY)
    chance: float = zlib.crc32(f"{row.message.dedup_key}:{row.attempts}".encode()) / 2**32
    return now + max(wait * (1 - JITTER * chance), fault.retry_after)


def _told(row: Row, fault: DeliveryFailed) -> str:
    ends = "refused for good" if fault.final else f"tried {row.attempts + 1} times, will retry"
    return f"alert not delivered to {row.receiver}: {fault}; {ends}"


def _send_all(
    name: str, receiver: Receiver, parcels: Sequence[Parcel], back: "queue.SimpleQueue[Parcel | str]"
) -> None:
    """The life of one receiver's thread: in order, past a key that failed, until it failed too often in a row."""
    failed_keys, in_a_row, began = set[str](), 0, time.monotonic()
    for parcel in parcels:
        if parcel.row.message.dedup_key in failed_keys:
            continue
        sent = _send(receiver, parcel)
        back.put(sent)
        if sent.crash is not None:
            break
        in_a_row = in_a_row + 1 if sent.fault and not sent.fault.final else 0
        if sent.fault and not sent.fault.final:
            failed_keys.add(parcel.row.message.dedup_key)
        asked_for_peace = sent.fault is not None and sent.fault.retry_after
        if in_a_row == IN_A_ROW or asked_for_peace or time.monotonic() - began > ROUND_SECONDS:
            break
    back.put(name)


def _send(receiver: Receiver, parcel: Parcel) -> Parcel:
    began = time.perf_counter()
    try:
        receiver.send(redacted(parcel.row.message))
    except DeliveryFailed as fault:
        return replace(parcel, fault=fault)
    except Exception as fault:  # a receiver that breaks fails like one that cannot be reached
        return replace(parcel, fault=DeliveryFailed(type(fault).__name__))  # its text may hold a secret
    except BaseException as crash:
        return replace(parcel, crash=crash)
    return replace(parcel, seconds=time.perf_counter() - began)
