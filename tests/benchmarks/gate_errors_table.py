"""How often does the gate's decision err, and do the numbers of units that it asks for suffice?

Five protected cohorts of 200 answers a checkpoint, at most 10 points of harm, alpha .05; on the same prompts or not,
outcomes of 0 and 1 or anything between (tests/gate_error_worlds.py). A NO-GO is wrong where nothing changed, a GO where
one cohort of five is worse by just what is tolerated. Sizes: pilots of 300 pairs say how many it takes to pass, and how
large a harm would be shown. Halves: `gate --aa` on recorded loops, if REWARD_DRIFT_DATA names them.

`python -m tests.benchmarks.gate_errors_table` writes tests/benchmarks/results/gate_errors_table.{json,md}; `--quick`
draws a few of each and writes nothing.
"""

import argparse
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from monitor.gate.aa import run_aa
from monitor.gate.result import Decision
from monitor.replay import after_last_event, ingested
from monitor.settings import load_settings
from monitor.statistics.shares import share_interval
from tests.benchmarks.results_file import save
from tests.gate_error_worlds import COHORTS, KINDS, TOLERANCE, Kind, Worlds, decisions, sizes
from tests.monitor.events import EVER

ANSWERS, ALPHA = 200, 0.05
PLACES = {"unchanged": 0.0, "one cohort worse by the tolerance": TOLERANCE}
WRONG = {"unchanged": Decision.NO_GO, "one cohort worse by the tolerance": Decision.GO}
COLUMNS = ("world", *Decision, "measured", "share", "stated", "cpu_ms_each")
HALVES = [("judge_goodhart/exp3_control", "round-0"), ("qa_feedback_rounds", "round-01"), ("open_bandit", "random")]
Row = dict[str, Any]


def main() -> None:
    """Draw, decide, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few draws; nothing is written")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    repeats = 8 if options.quick else 200
    with ProcessPoolExecutor(options.processes) as pool:
        halves = pool.submit(aa_rows, repeats if not options.quick else 20)
        numbers = pool.submit(size_rows, repeats)
        errors = list(
            pool.map(error_row, *zip(*((kind, what, repeats) for kind in KINDS for what in PLACES), strict=True))
        )
        rows = [*errors, *numbers.result(), *halves.result()]
    rows = [{str(key): row.get(key, "") for key in COLUMNS} for row in rows]
    if options.quick:
        print(*rows, sep="\n")
    else:
        save(
            "gate_errors_table",
            "How often the gate errs",
            "a wrong NO-GO and a wrong GO each in at most 5% of gates; n_needed passes, and `visible` is shown, in 80%",
            rows,
            {"draws": "share with its 95% interval over the draws of the row, seeds fixed"},
        )


def error_row(kind: Kind, what: str, repeats: int) -> Row:
    """One kind of world: how often each was decided."""
    began = time.process_time()
    worlds = Worlds(kind.paired, ANSWERS)
    losses = [0.0, 0.0, PLACES[what], 0.0, 0.0]
    counted = decisions(worlds, kind, losses[: len(COHORTS)], repeats, seed=20)
    wrong = WRONG[what]
    return {
        "world": f"{kind.name}; {what}",
        **{one.value: counted[one] for one in Decision},
        "measured": f"wrong {wrong.value}",
        "share": _share(counted[wrong], repeats),
        "stated": f"<= {ALPHA:g}",
        "cpu_ms_each": round(1000 * (time.process_time() - began) / repeats),
    }


def size_rows(repeats: int) -> list[Row]:
    """Whether n_needed passes, and `visible` is shown, with power .8: paired, a fifth of outcomes differ, 3 points."""
    passed, shown, pilots = sizes(5 * repeats)
    return [
        {
            "world": f"paired, discordance .2; {what}",
            "measured": what,
            "share": _share(hits, pilots),
            "stated": "about .8",
        }
        for what, hits in (("PASS at n_needed", passed), ("FAIL at a harm of `visible`", shown))
    ]


def aa_rows(repeats: int) -> list[Row]:
    """`gate --aa` of recorded loops."""
    data = os.environ.get("REWARD_DRIFT_DATA")
    return [row for name, reference in HALVES if data for row in _halves(Path(data) / name, name, reference, repeats)]


def _halves(folder: Path, name: str, reference: str, repeats: int) -> Iterator[Row]:
    settings = load_settings(folder / "reward-drift.yaml")
    with ingested([str(folder / "events.jsonl.gz")], settings) as (store, _):
        found = run_aa(store.engine, settings, reference, after_last_event(store, EVER), repeats)
    for what, rate, counted in (
        ("wrong NO-GO", found.false_no_go, found.same),
        ("wrong GO", found.false_go, found.harmed),
    ):
        yield {
            "world": f"--aa {name}, {found.units} units",
            **{one.value: counted[one] for one in Decision},
            "measured": what,
            "share": "cannot be: too rare an outcome" if rate is None else _told(*rate),
            "stated": f"<= {ALPHA:g}",
        }


def _share(hits: int, of: int) -> str:
    return _told(*share_interval(hits, of))


def _told(value: float, low: float, high: float) -> str:
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
