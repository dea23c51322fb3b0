"""What do schedules and runs look like as JSON? The same on the command line and over the API."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine

from monitor.production.items import EPOCH
from monitor.serving.lease import migrated
from monitor.serving.runs import Run, Runs
from monitor.serving.slots import slots_of
from monitor.settings import Settings

US = dt.timedelta(microseconds=1)


def schedule_told(engine: Engine, settings: Settings, runs: int) -> dict[str, Any]:
    """Each job with its next slot and its newest run, and so many of the last runs."""
    table = Runs(migrated(engine), settings.loop)
    return {
        "jobs": _jobs(settings, table.newest(), table.now()),
        "runs": [_plain(run) for run in table.latest(runs)],
    }


def _jobs(settings: Settings, newest: Sequence[Run], now_us: int) -> list[dict[str, Any]]:
    last = {run.job: run for run in newest}
    return [
        {
            "job": name,
            "when": str(when) if isinstance(when, str) else f"every {when}",
            "next": _moment(slots_of(when, settings.alerts.timezone).after(now_us)),
            "last": _plain(last[name]) if name in last else None,
        }
        for name, when in settings.serve.times().items()
    ]


def _plain(run: Run) -> dict[str, Any]:
    return {
        "job": run.job,
        "slot": _moment(run.slot_us),
        "state": run.state,
        "started": _moment(run.started_us),
        "finished": None if run.finished_us is None else _moment(run.finished_us),
        "attempts": run.attempts,
        "late": run.late,
        "missed": run.missed,
        "missed_slots": [_moment(slot) for slot in run.missed_us],
        "note": run.note,
    }


def _moment(time_us: int) -> str:
    return (EPOCH + time_us * US).isoformat(timespec="seconds").replace("+00:00", "Z")
