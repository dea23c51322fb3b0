"""What does `doctor` say of the places that alerts go to, and what is to be done next? It holds no secret."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import inspect

from consumers.connections import DatabaseUnsuitable
from consumers.database import DatabaseTooNew
from monitor.commands.common import StoreUnusable, UsageFault, open_store, store_exists
from monitor.oncall.health import Health, read_health
from monitor.oncall.receivers.configured import URL, ReceiverUnusable, configured_receivers, route_of
from monitor.oncall.settings import ReceiverSettings
from monitor.production.items import EPOCH
from monitor.settings import SettingsError, load_settings

NONE = f"none; name some under `receivers` in the settings, or set {URL}, to send alerts"


def receiver_rows(path: Path, store: str) -> list[dict[str, Any]]:
    """A row for each receiver: can it be used, and does it take what it is sent."""
    try:
        settings = load_settings(path).receivers if path.exists() else ()
    except SettingsError:
        return []  # told by the row of the settings
    health = _health(store)
    rows = [*_named(settings, health), *_of_environment({one.name for one in settings}, health)]
    return rows or [_row("none", "receivers", NONE)]


def _health(store: str) -> dict[str, Health]:
    """What the store knows of receivers; a store that cannot be read has a row of its own."""
    try:
        if not store_exists(store):
            return {}
        with open_store(store) as opened:
            return read_health(opened.engine) if inspect(opened.engine).has_table("receiver_health") else {}
    except (StoreUnusable, UsageFault, DatabaseTooNew, DatabaseUnsuitable):
        return {}


def _named(settings: tuple[ReceiverSettings, ...], health: dict[str, Health]) -> Iterator[dict[str, Any]]:
    for one in settings:
        try:
            route_of(one)
        except ReceiverUnusable as fault:
            yield _row("MEND", "receiver", str(fault))
        else:
            yield _judged(str(one), health.get(one.name))


def _of_environment(named: set[str], health: dict[str, Health]) -> Iterator[dict[str, Any]]:
    for name in configured_receivers():
        if name not in named:
            yield _judged(f"{name}: of the environment", health.get(name))


def _judged(told: str, health: Health | None) -> dict[str, Any]:
    if health is not None and health.failing_since_us is not None:
        since = EPOCH + dt.timedelta(microseconds=health.failing_since_us)
        failing = f"takes nothing since {since:%Y-%m-%d %H:%M} UTC ({health.failures} failures)"
        return _row(
            "MEND", "receiver", f"{told}; {failing}; try it: reward-drift alerts test --receiver {health.receiver}"
        )
    return _row("ok", "receiver", told)


def _row(state: str, what: str, told: str) -> dict[str, Any]:
    return {"state": state, "what": what, "told": told}
