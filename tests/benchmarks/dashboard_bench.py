"""How long does the first page of the dashboard take, over so many events?

    python -m tests.benchmarks.dashboard_bench --events 1000000
    python -m tests.benchmarks.dashboard_bench --events 10000000 --store postgresql://USER@HOST/EMPTY_DATABASE

A loop of 180 days with 200 cohort values is ingested and looked at once; then every page is asked for over HTTP, in
turns, and how the first page's queries read each table is noted: none may go through a whole table of events.
"""

import argparse
import datetime as dt
import multiprocessing
import os
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import event

from consumers.health import Address
from consumers.ingest import ingest
from consumers.sources import JsonlSource
from consumers.store import EventStore
from monitor.commands.dashboard import Looking
from monitor.service import tick_store
from monitor.settings import Settings, parse_settings
from monitor.web.app import create_app
from monitor.web.server import answering
from monitor.web.state import Dashboard
from tests.benchmarks.loop_events import DAYS, FIRST, SETTINGS, write_events
from tests.benchmarks.results_file import MACHINE, save

COHORTS = {"team": 200}
ROUNDS = 30
EVENTS = "event|response|feedback|outcome|score|preference|text"
WHOLE = re.compile(rf"SCAN ({EVENTS})\b(?! USING)|Seq Scan on ({EVENTS})\b")
LIMITED = ", a bounded number of rows"
READS = re.compile(r"(SCAN|SEARCH|Seq Scan|Index Scan|Index Only Scan|Bitmap Heap Scan)\b.*?(?=  \(cost|$)")
PAGES = ("/", "/alerts", "/alerts/{id}", "/checkpoint", "/compare", "/judges", "/feedback", "/gate", "/data")
END = dt.datetime.fromtimestamp(FIRST, dt.UTC) + dt.timedelta(days=DAYS + 30)  # everything has matured


def main() -> None:
    """Fill a store, look once, ask for pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument(
        "--store",
        help="an empty database to fill, or one that this filled before with as many events; a SQLite file that is"
        " removed afterwards, if left out",
    )
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        EventStore.open(options.store or Path(folder) / "store.sqlite") as store,
    ):
        settings = parse_settings(SETTINGS.format(keys=", ".join(COHORTS)))
        if store.counts().events != options.events:
            _fill(store, settings, options.events, Path(folder) / "events.jsonl")
        rows, reads = _measured(store, settings, options.events)
    kind = store.engine.dialect.name
    save(
        f"dashboard_{kind}" if kind != "sqlite" else "dashboard",
        "The dashboard's pages",
        "the first page in less than 200 ms at the median over 10,000,000 events",
        rows,
        {
            "rounds": f"{ROUNDS}, interleaved",
            "load_average_of_the_machine": round(os.getloadavg()[0], 1),
            "whole_tables_of_events_that_the_first_page_reads": ", ".join(_whole(reads)) or "none",
            "how_the_first_page_reads": "; ".join(reads),
        },
        MACHINE if kind == "sqlite" else f"{MACHINE.rpartition(', ')[0]}, PostgreSQL {_release(store)}",
    )


def _release(store: EventStore) -> str:
    with store.engine.connect() as connection:
        return ".".join(map(str, (connection.dialect.server_version_info or ())[:2]))  # type: ignore[attr-defined]


def _fill(store: EventStore, settings: Settings, events: int, file: Path) -> None:
    arguments = (file, events, COHORTS, 1)
    writer = multiprocessing.get_context("spawn").Process(target=write_events, args=arguments)
    writer.start()
    writer.join()
    ingest(JsonlSource([str(file)]), store)
    tick_store(store, settings, END, END, ())


def _measured(store: EventStore, settings: Settings, events: int) -> tuple[list[dict[str, Any]], list[str]]:
    pages = Dashboard(store.engine, settings, clock=lambda: END)
    with answering(create_app(Looking(), lambda: None, pages), Address("127.0.0.1", 0)) as bound:
        client = httpx.Client(base_url=f"http://{bound}", timeout=60)
        number = client.get("/api/v1/status").json()["alerts"][0]["id"]
        paths = [*PAGES, "/api/v1/status"]
        wall: dict[str, list[float]] = {path: [] for path in paths}
        cpu: dict[str, list[float]] = {path: [] for path in paths}
        for _ in range(ROUNDS):
            for path in paths:
                begun, used = time.perf_counter(), time.process_time()
                answer = client.get(path.format(id=number))
                assert answer.status_code == 200, (path, answer.text)
                wall[path].append(time.perf_counter() - begun)
                cpu[path].append(time.process_time() - used)
                time.sleep(60 / settings.web.requests_per_minute)  # a visitor may not ask more often
        reads = _reads(store, client)
    rows = [
        {
            "events": events,
            "page": path,
            "median_ms": round(1000 * statistics.median(wall[path])),
            "slowest_of_rounds_ms": round(1000 * max(wall[path])),
            "CPU_ms": round(1000 * statistics.median(cpu[path])),
        }
        for path in paths
    ]
    return rows, reads


def _reads(store: EventStore, client: httpx.Client) -> list[str]:
    """How the first page's queries read each table, as the database plans it, each way once."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    client.get("/")
    event.remove(store.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN" if store.engine.dialect.name == "sqlite" else "EXPLAIN"
    found: dict[str, None] = {}
    with store.engine.connect() as connection:
        for statement, parameters in asked:
            if statement.lstrip().startswith("SELECT"):
                lines = [str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)]
                few = LIMITED if "LIMIT" in statement else ""
                found |= {way[0] + few: None for line in lines if (way := READS.search(line))}
    return list(found)


def _whole(reads: list[str]) -> list[str]:
    return [way for way in reads if WHOLE.search(way) and not way.endswith(LIMITED)]


if __name__ == "__main__":
    main()
