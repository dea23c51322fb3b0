"""How much memory does a replay of a million events need? Peak resident memory of the process that replays.

    python -m tests.benchmarks.replay_bench --events 1000000

One process writes the event file, another, fresh one replays it; the kernel says what the second one needed at most.
Memory is read again at the end of ingest, to tell reading from looking.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.loop_events import DAYS, SETTINGS, write_events
from tests.benchmarks.results_file import save
from tests.monitor.events import EVER

COHORTS = {"tier": 4, "locale": 4}


def main() -> None:
    """Write the file, replay it in a fresh process, and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.jsonl"
        writer = context.Process(target=write_events, args=(file, options.events, COHORTS, 1))
        writer.start()
        writer.join()
        answers = context.SimpleQueue()
        replayer = context.Process(target=_replay, args=(file, answers))
        replayer.start()
        row = answers.get()
        replayer.join()
        details = {"file_mib": file.stat().st_size >> 20, "days": DAYS, "cohort_keys": 2, "cohort_values_a_key": 4}
    title, target = "Memory of a replay", "a replay of 1,000,000 events needs less than 1 GiB (1,024 MiB) of memory"
    save("replay", title, target, [row], details)


def _replay(file: Path, answers: Any) -> None:
    from monitor.replay import replay
    from monitor.settings import parse_settings

    marks = [(time.process_time(), _peak_mib())]
    settings = parse_settings(SETTINGS.format(keys=", ".join(COHORTS)))
    report = replay([str(file)], settings, now=EVER, stage=lambda _: marks.append((time.process_time(), _peak_mib())))
    marks.append((time.process_time(), _peak_mib()))
    (begin, imported), (ingested, after_ingest), (end, peak) = marks
    answers.put(
        {
            "events": report.events.accepted,
            "alerts": len(report.alerts),
            "peak_MiB": peak,
            "peak_MiB_after_ingest": after_ingest,
            "peak_MiB_after_imports": imported,
            "ingest_CPU_seconds": round(ingested - begin, 1),
            "look_CPU_seconds": round(end - ingested, 1),
        }
    )


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main()
