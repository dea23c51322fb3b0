"""How does the always-on monitor take one step? Load what it knows, look, keep the result."""

import datetime as dt
import hashlib
from collections.abc import Sequence

from consumers.store import EventStore
from monitor.detection.memory import Memory
from monitor.detection.state import MonitorState
from monitor.detection.tick import look, tick
from monitor.oncall.incident_alerts import save_incidents
from monitor.production.items import EPOCH
from monitor.result import Report
from monitor.settings import Settings

DECIDING = {"loop", "reward", "outcome", "reference", "cohorts", "unit", "checks", "alerts", "judges"}
WHEN_TOLD = {"timezone", "quiet_hours"}


def tick_store(
    store: EventStore, settings: Settings, as_of: dt.datetime, now: dt.datetime, receivers: Sequence[str]
) -> Report:
    """Tick a store and keep memory, alerts and what is to be sent, in one transaction.

    Alerts about the intake come first, in a transaction of their own: they need no reference and no look to succeed.

    Settings that decide anything are part of the memory: changed ones start the next look from nothing, under a new
    baseline, and keep the open alerts. So does a memory that another release saved in a format of its own.
    """
    state, digest = MonitorState(store.engine), settings_digest(settings)
    save_incidents(store.engine, settings, now, receivers)
    kept = state.load(settings.loop)
    if kept is not None:
        as_of = max(as_of, EPOCH + dt.timedelta(days=kept.closed))  # a clock set back decides nothing again
    if isinstance(kept, Memory) and kept.settings == digest:
        seen = tick(store, settings, as_of, kept)
    else:
        seen = look(store, settings, as_of, kept=kept)
    if seen.memory is not None:
        seen.memory.settings = digest
        state.save(settings, seen.memory, seen.since, now, receivers)
    return seen.report


def settings_digest(settings: Settings) -> str:
    """What the settings decide, hashed."""
    deciding = settings.model_dump_json(include=DECIDING, exclude={"alerts": WHEN_TOLD})
    return hashlib.sha256(deciding.encode()).hexdigest()
