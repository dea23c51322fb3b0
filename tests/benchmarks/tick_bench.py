"""What does a day without news cost? A tick on an unchanged store against a look at everything in it.

    python -m tests.benchmarks.tick_bench --events 300000 1000000

200 cohort values and all traffic have five series each, and every value one of the newest checkpoint: 1,205. The store
is looked at once; then, on later days and without a new event, come rounds of both: `tick_store`, memory loaded and
saved, and `look` at the same store.
"""

import argparse
import datetime as dt
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from consumers.ingest import ingest
from consumers.sources import JsonlSource
from consumers.store import EventStore
from monitor.detection.tick import look
from monitor.service import tick_store
from monitor.settings import parse_settings
from tests.benchmarks.loop_events import DAYS, FIRST, SETTINGS, write_events
from tests.benchmarks.results_file import save

COHORTS = {"team": 200}
ROUNDS = 5


def main() -> None:
    """Fill a store, look once, then time days without news."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[300_000, 1_000_000])
    options = parser.parse_args()
    rows = [_filled_and_measured(events) for events in options.events]
    save(
        "tick",
        "A day without news",
        "a daily tick on 1,000 series whose data did not change costs less than 5% of a look at everything",
        rows,
        {"rounds": ROUNDS, "time": "CPU seconds of the process, medians of interleaved rounds"},
    )


def _filled_and_measured(events: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.jsonl"
        writer = multiprocessing.get_context("spawn").Process(target=write_events, args=(file, events, COHORTS, 1))
        writer.start()
        writer.join()
        with EventStore.open(Path(folder) / "store") as store:
            ingest(JsonlSource([file]), store)
            return _measure(store)


def _measure(store: EventStore) -> dict[str, Any]:
    settings = parse_settings(SETTINGS.format(keys=", ".join(COHORTS)))
    end = dt.datetime.fromtimestamp(FIRST, dt.UTC) + dt.timedelta(days=DAYS + 30)  # everything has matured
    first = tick_store(store, settings, end, end, ())
    ticks, looks = [], []
    for days in range(1, ROUNDS + 1):
        as_of = end + dt.timedelta(days=days)
        ticks.append(_cpu(lambda as_of=as_of: tick_store(store, settings, as_of, as_of, ())))
        looks.append(_cpu(lambda as_of=as_of: look(store, settings, as_of)))
    tick, whole = statistics.median(ticks), statistics.median(looks)
    return {
        "events": first.events.accepted,
        "series": _series(store),
        "alerts": len(first.alerts),
        "look_CPU_seconds": round(whole, 2),
        "tick_CPU_seconds": round(tick, 3),
        "tick_share": f"{tick / whole:.1%}",
    }


def _series(store: EventStore) -> int:
    with store.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT json_array_length(series) FROM monitor_memory").scalar_one()


def _cpu(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
