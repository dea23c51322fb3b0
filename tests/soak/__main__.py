"""Run every soak in full, about an hour, and write what was done: python -m tests.soak [NAME ...]"""

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks import results_file
from tests.broker import OwnBroker
from tests.postgres import Server, find_binaries, fresh_database
from tests.soak.duplicates import send_again_and_again
from tests.soak.kills import kill_readers
from tests.soak.outages import silence_the_broker, stop_the_database
from tests.soak.pages import kill_monitors
from tests.soak.schedules import serve_and_disturb
from tests.soak.threads import CASES, stop_the_ping
from tests.soak.zombies import stop_and_continue

TARGET = (
    "0 events lost, 0 doubled, contents equal to an undisturbed run's, no position moved back; every alert told, one"
    " incident each; each slot once, 0 writes under an old lease; no ping more than two periods after a thread or"
    " process came to harm"
)


def main() -> None:
    """Run the soaks named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(SOAKS)}")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = {name: _run(name, options.seed) for name in options.names or SOAKS}
    known = {row["soak"]: row for row in _earlier_rows()} | found
    results_file.save(
        "soak",
        "Soaks of the intake, the pager and the schedule",
        TARGET,
        [known[name] for name in SOAKS if name in known],
        {"broker": "tansu 0.6.0 (Apache Kafka was not run)", "database": "PostgreSQL 15 where not named otherwise"},
    )


def _earlier_rows() -> list[dict[str, Any]]:
    file = results_file.RESULTS / "soak.json"
    rows: list[dict[str, Any]] = json.loads(file.read_text())["rows"] if file.exists() else []
    return rows


class Servers:
    """A broker and a PostgreSQL for one soak."""

    def __init__(self, folder: Path) -> None:
        binaries = find_binaries()
        assert binaries is not None, "PostgreSQL is not installed"
        self.folder = folder
        self.broker = OwnBroker(folder)
        self.broker.start()
        self.server = Server(binaries)

    def close(self) -> None:
        self.broker.kill()
        self.server.remove()

    def postgres(self) -> contextlib.AbstractContextManager[str]:
        return fresh_database(self.server.admin_url)

    @contextlib.contextmanager
    def sqlite(self) -> Iterator[str]:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            yield f"sqlite:///{folder}/store.sqlite"


def _send_again(servers: Servers, seed: int) -> Mapping[str, int]:
    with servers.postgres() as url:
        return send_again_and_again(servers.broker, url, 100_000, 1_000, seed)


SOAKS: Mapping[str, Callable[[Servers, int], Mapping[str, Any]]] = {
    "kills-sqlite": lambda given, seed: kill_readers(given.broker, given.sqlite, 500, seed),
    "kills-postgres": lambda given, seed: kill_readers(given.broker, given.postgres, 500, seed),
    "zombies": lambda given, seed: stop_and_continue(given.broker, given.postgres, 50, seed),
    "rebalances": lambda given, seed: stop_and_continue(given.broker, given.postgres, 15, seed, slow_commits=2.0),
    "outages": lambda given, seed: stop_the_database(given.broker, given.server, 20, seed),
    "silences": lambda given, seed: silence_the_broker(given.broker, given.server, 10, seed, 30),
    "duplicates": _send_again,
    "schedules-sqlite": lambda given, seed: vars(serve_and_disturb(given.sqlite, 30, seed, 4)),
    "schedules-postgres": lambda given, seed: vars(serve_and_disturb(given.postgres, 30, seed, 4)),
    "threads": lambda given, _seed: stop_the_ping(given.folder, CASES),
    "pages-sqlite": lambda given, seed: kill_monitors(given.sqlite, 200, seed),
    "pages-postgres": lambda given, seed: kill_monitors(given.postgres, 200, seed),
}


def _run(name: str, seed: int) -> dict[str, Any]:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Servers(Path(folder))) as servers:
        found = SOAKS[name](servers, seed)
    told = ", ".join(f"{key} {value}" for key, value in found.items())
    row = {"soak": name, "seed": seed, "seconds": round(time.monotonic() - began), "what happened": told}
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
