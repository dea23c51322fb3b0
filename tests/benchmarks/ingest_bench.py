"""How close does ingest come to the database itself? Events a second against sqlite3.executemany of the same rows.

    python -m tests.benchmarks.ingest_bench --events 1000000

Both sides write into tables of the same migration, with the same pragmas, batch size and positions. The bare side has
its tuples ready in memory; only its inserts and commits are timed. Rely on the
ratios, and on that of processor time where others share the machine.
"""

import argparse
import json
import multiprocessing
import platform
import random
import resource
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sqlmodel import SQLModel

from consumers.ingest import ingest
from consumers.sources import JsonlSource
from consumers.store import EventStore

BATCH = 2000
Seconds = np.ndarray  # [by the clock, of this process on a processor]
RESULTS = Path(__file__).parent / "results" / "ingest.json"
TYPED = ("response", "feedback", "outcome", "score", "text")
SENTENCE = 'the order was shipped yesterday and you can return it within thirty days\n if the box is "unopened" naïve ✓'
WORDS = SENTENCE.split(" ")  # with a line end and quotes, which make escapes, as real texts do


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeated", type=int, default=100_000, help="events of each of the three interleaved rounds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small = [measure(Path(folder), options.repeated, seed) for seed in range(3)]
        large = measure(Path(folder), options.events, seed=3)
    result = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "batch": BATCH,
        "rounds": small,
        "median_ratio": round(statistics.median(step["ratio"] for step in small), 3),
        "median_cpu_ratio": round(statistics.median(step["cpu_ratio"] for step in small), 3),
        "large": large,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def measure(folder: Path, events: int, seed: int) -> dict[str, Any]:
    """One round: the same events through ingest, then their rows through executemany."""
    file, ours, bare = folder / "events.jsonl", folder / "ours.sqlite", folder / "bare.sqlite"
    write_events(file, events, seed)
    (seconds, cpu), peak = _in_own_process(_ingest, file, ours)
    (bare_seconds, bare_cpu), _ = _in_own_process(_write_bare, ours, bare)
    found = {
        "events": events,
        "bytes_per_event": round(file.stat().st_size / events),
        "ingest_per_second": round(events / seconds),
        "executemany_per_second": round(events / bare_seconds),
        "ratio": round(bare_seconds / seconds, 3),
        "cpu_ratio": round(bare_cpu / cpu, 3),
        "ingest_peak_mib": round(peak / 1024),
    }
    for path in folder.iterdir():
        path.unlink()
    return found


def write_events(file: Path, events: int, seed: int) -> None:
    """Responses with their feedback, outcomes and scores, about 0.9 kB an event."""
    chance = random.Random(seed)
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(60, 330))) for _ in range(500)]
    with file.open("w", encoding="utf-8") as out:
        for number in range(events):
            out.write(json.dumps(_event(number, chance, texts), ensure_ascii=False, separators=(",", ":")) + "\n")


def _event(number: int, chance: random.Random, texts: list[str]) -> dict[str, Any]:
    response, turn = divmod(number, 5)
    user, checkpoint = f"user-{chance.randint(1, 20_000)}", f"support-bot-2026-{response // 20_000:02}"
    name = f"resp-{response:09}"
    kind, data = (
        ("response", _response(name, checkpoint, user, chance, texts)),
        ("feedback", _feedback(name, user, chance, texts)),
        ("outcome", {"response_id": name, "metric": "task_success", "value": chance.random() < 0.7, "method": "human"}),
        ("score", {"response_id": name, "scorer": _SCORER, "value": chance.gauss(0, 1), "status": "ok"}),
        ("response", _response(f"{name}-b", checkpoint, user, chance, texts)),
    )[turn]
    return {
        "specversion": "1.0",
        "id": f"{kind}-{number:010}",
        "source": f"/gateway/{kind}",
        "type": f"rewarddrift.{kind}.v1",
        "time": f"2026-03-{1 + response % 28:02}T09:{number % 60:02}:00.{number % 1000:03}Z",
        "subject": name,
        "data": data,
    }


_SCORER = {"name": "reward-model", "kind": "reward_model", "revision": "2026-02-01", "trained_on": True}


def _response(name: str, checkpoint: str, user: str, chance: random.Random, texts: list[str]) -> dict[str, Any]:
    return {
        "response_id": name,
        "checkpoint": checkpoint,
        "prompt_id": f"prompt-{chance.randint(1, 5000)}",
        "conversation_id": f"conv-{name[5:12]}",
        "user": user,
        "cohort": {"tier": chance.choice(["free", "pro", "enterprise"]), "locale": "en"},
        "prompt": chance.choice(texts)[:300],
        "response": chance.choice(texts),
        "latency_ms": round(chance.uniform(100, 3000), 1),
        "input_tokens": chance.randint(10, 900),
        "output_tokens": chance.randint(10, 900),
    }


def _feedback(name: str, user: str, chance: random.Random, texts: list[str]) -> dict[str, Any]:
    return {
        "response_id": name,
        "signal": "thumbs",
        "value": chance.randint(0, 1),
        "comment": chance.choice(texts)[:200],
        "actor": {"id": user, "role": chance.choice(["end_user", "end_user", "engineer"])},
        "surface": {"name": "chat-widget", "environment": "production", "purpose": "product"},
    }


def _now() -> Seconds:
    return np.array([time.perf_counter(), time.process_time()])


def _ingest(file: Path, path: Path) -> Seconds:
    with EventStore.open(path) as store:
        start = _now()
        result = ingest(JsonlSource([file], batch_size=BATCH), store)
        seconds = _now() - start
        assert result.appended.accepted == sum(1 for _ in file.open("rb")), "every event is accepted"
    return seconds


def _write_bare(filled: Path, path: Path) -> Seconds:
    """Rows of the filled store into a fresh one; returns the seconds of inserts and commits alone."""
    EventStore.open(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    statements = {table: _statement(table) for table in ("event", *TYPED)}
    seconds = np.zeros(2)
    for rows in _batches(filled):
        start = _now()
        connection.execute("BEGIN IMMEDIATE")
        for table, batch in rows.items():
            connection.executemany(statements[table], batch)
        connection.execute("INSERT OR REPLACE INTO source_position VALUES ('/file', '{}', 0)")
        connection.execute("COMMIT")
        seconds += _now() - start
    connection.close()
    return seconds


def _statement(table: str) -> str:
    places = ",".join("?" for _ in SQLModel.metadata.tables[table].columns)
    return f"INSERT INTO {table} VALUES ({places}) ON CONFLICT DO NOTHING"


def _batches(filled: Path) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    connection = sqlite3.connect(filled)
    last = connection.execute("SELECT max(seq) FROM event").fetchone()[0]
    for first in range(1, last + 1, BATCH):
        yield {
            table: connection.execute(
                f"SELECT * FROM {table} WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, first + BATCH - 1)
            ).fetchall()
            for table in ("event", *TYPED)
        }
    connection.close()


def _in_own_process(work: Callable[..., Seconds], *paths: Path) -> tuple[Seconds, int]:
    """(what work returns, peak resident memory in KiB)"""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sender, work, *paths))
    process.start()
    sender.close()
    answer: tuple[Seconds, int] = receiver.recv()
    process.join()
    return answer


def _report(sender: Any, work: Callable[..., Seconds], *paths: Path) -> None:
    sender.send((work(*paths), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


if __name__ == "__main__":
    assert shutil.disk_usage(tempfile.gettempdir()).free > 10 << 30, "needs 10 GiB of free disk"
    main()
