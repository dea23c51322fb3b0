"""Would an alert arrive? A message marked TEST goes all the way, through the same outbox, to each receiver asked."""

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, text

from consumers.database import writing
from monitor.oncall.cannot_page import CHECK, TEST, receiver_alert
from monitor.oncall.deliver import Courier, Parcel
from monitor.oncall.outbox import drop, enqueue, read_waiting
from monitor.oncall.receivers.port import Message, Route

WAS_SENT = "SELECT sent_us IS NOT NULL FROM outbox WHERE id = :id"


@dataclass(frozen=True)
class Fired:
    """How a test reached one receiver: after how many seconds it answered, or the fault."""

    receiver: str
    seconds: float | None
    fault: str | None


def test_fire(
    engine: Engine,
    routes: Mapping[str, Route],
    names: Sequence[str],
    loop: str,
    now: dt.datetime,
    told: Callable[[str], None],
) -> list[Fired]:
    """Send a test to these receivers and end it; of each that failed another receiver gets a ticket.

    A test that failed is not tried again. Raises KeyError for a name that is no route's.
    """
    began = time.perf_counter()
    tests = {name: _test(routes, name, loop, now) for name in names}
    with writing(engine) as connection:
        rows = {name: enqueue(connection, message, [name], now)[0] for name, message in tests.items()}
    courier = Courier(engine, routes, told, failures=1, only=lambda m: m.alert.get("check") in (TEST, CHECK))
    courier.round(now)
    went = {parcel.row.id: parcel for parcel in courier.parcels}
    fired = [_fired(engine, name, row, went.get(row), time.perf_counter() - began) for name, row in rows.items()]
    _end(engine, [tests[one.receiver] for one in fired if one.fault is None], set(rows.values()), now)
    courier.round(now)
    return fired


def _test(routes: Mapping[str, Route], name: str, loop: str, now: dt.datetime) -> Message:
    if name not in routes:
        raise KeyError(name)
    alert = receiver_alert(name, loop, "ticket", now, f"a test of {name}: nothing is wrong", check=TEST)
    line = f"[TEST] {loop}: a test of {name}, nothing is wrong and nothing is to be done"
    return Message.about(alert, f"{alert.fingerprint}:{now.timestamp():.6f}", now, loop, "test", page=(line,))


def _fired(engine: Engine, name: str, row: int, went: Parcel | None, seconds: float) -> Fired:
    if went is not None:
        return Fired(name, None if went.fault else went.seconds, str(went.fault) if went.fault else None)
    with engine.connect() as connection:  # a monitor that runs was quicker
        was_sent = connection.execute(text(WAS_SENT), {"id": row}).scalar_one()
    return Fired(name, seconds, None) if was_sent else Fired(name, None, "another process is sending it; ask again")


def _end(engine: Engine, arrived: Sequence[Message], rows: set[int], now: dt.datetime) -> None:
    """Resolve what arrived; what did not is over."""
    waiting = [row for row in read_waiting(engine) if row.id in rows]
    with writing(engine) as connection:
        for row in waiting:
            drop(connection, row, "over")
        for message in arrived:
            ended = {**message.to_plain(), "kind": "resolved", "alert": {**message.alert, "state": "resolved"}}
            enqueue(connection, Message.from_plain(ended), [str(message.alert["slice"]["receiver"])], now)
