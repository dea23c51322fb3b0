"""What does one decision cost at size? A candidate with a million scored answers, 50,000 of them labelled.

    python -m tests.benchmarks.gate_bench --answers 1000000

The reference has 100,000 scored answers, half of them labelled. Every answer is in one of 200 cohorts, each of which
has to pass. A process of its own decides, on a store that was filled before; its time and its memory are told.
"""

import argparse
import datetime as dt
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from consumers.ingest import ingest
from consumers.sources import JsonlSource
from consumers.store import EventStore
from tests.benchmarks.results_file import save

COHORTS, LABELLED, OF_REFERENCE = 200, 50_000, 100_000
FIRST = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
SETTINGS = """\
loop: support-bot
reward: {scorer: reward-model}
outcome: {metric: task_success, horizon: 1d}
cohorts: [team]
unit: response
"""


def main() -> None:
    """Fill a store, decide once, tell time and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=1_000_000)
    options = parser.parse_args()
    save(
        "gate",
        "One decision at size",
        "1,000,000 candidate scores and 50,000 labels in 200 slices decided in under 30 seconds, in under 1 GiB",
        [_decided(options.answers)],
        {"time": "wall clock and CPU of the whole command, start of Python included, one round"},
    )


def _decided(answers: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "reward-drift.yaml").write_text(SETTINGS)
        _write(place / "events.jsonl", answers)
        with EventStore.open(place / "store") as store:
            ingest(JsonlSource([str(place / "events.jsonl")]), store)
        (place / "events.jsonl").unlink()
        command = [sys.executable, "-c", "from monitor.cli import main; main()", "gate", "--json", "--quiet"]
        command += ["--candidate", "new", "--reference", "old", "-s", str(place / "reward-drift.yaml")]
        began = time.perf_counter()
        done = subprocess.run(
            [*command, "--store", str(place / "store")],
            capture_output=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
        )
        spent = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = json.loads(done.stdout)
    slices = [one for one in told["findings"] if one["check"] == "reward_outcome_decoupling"]
    return {
        "candidate_scores": answers,
        "labels": LABELLED,
        "slices": len(slices) - 1,
        "decision": told["decision"],
        "method": slices[0]["method"],
        "wall_seconds": round(spent, 1),
        "CPU_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_MiB": used.ru_maxrss // 1024,
    }


def _write(file: Path, answers: int) -> None:
    chance = random.Random(0)
    with file.open("w", encoding="utf-8") as out:
        for side, count, first in (("old", OF_REFERENCE, FIRST), ("new", answers, FIRST + dt.timedelta(days=14))):
            for event in _events(side, count, LABELLED / count, first, chance):
                out.write(json.dumps(event, separators=(",", ":")) + "\n")


def _events(side: str, count: int, asked: float, first: dt.datetime, chance: random.Random) -> Iterator[dict[str, Any]]:
    step = dt.timedelta(days=13) / count
    for number in range(count):
        at, name, success = first + number * step, f"{side}-{number}", chance.random() < 0.7
        team, score = f"team-{number % COHORTS:03}", round(chance.gauss(0.5 * success, 1.0), 4)
        answer = {"response_id": name, "checkpoint": side, "user": f"u{side}{number}", "cohort": {"team": team}}
        scorer = {"name": "reward-model", "kind": "reward_model", "revision": "1"}
        yield _event(f"r{name}", "response", at, answer)
        yield _event(f"s{name}", "score", at, {"response_id": name, "scorer": scorer, "value": score})
        if chance.random() < asked:
            outcome = {"response_id": name, "metric": "task_success", "value": success, "method": "human"}
            later = at + dt.timedelta(hours=6)
            yield _event(f"o{name}", "outcome", later, {**outcome, "propensity": asked})


def _event(name: str, kind: str, at: dt.datetime, data: dict[str, Any]) -> dict[str, Any]:
    told = {"specversion": "1.0", "id": name, "source": "/bench", "type": f"rewarddrift.{kind}.v1"}
    return {**told, "time": at.isoformat(), "data": data}


if __name__ == "__main__":
    main()
