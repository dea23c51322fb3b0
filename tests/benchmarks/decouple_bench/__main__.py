"""Run the benchmark: `python -m tests.benchmarks.decouple_bench [--full]`.

Writes results/decouple_bench.{json,md,svg} (in full) or results/decouple_bench_short.{json,md,svg}.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.decouple_bench import apart, cost, plots, report, rivals, summary, targets, targets_apart
from tests.benchmarks.decouple_bench.apart import FULL, SHORT, Size
from tests.benchmarks.decouple_bench.judges import JUDGE_BENIGN, JUDGE_HARMS, JUDGE_NULL, watch_judges
from tests.benchmarks.decouple_bench.runs import watch_all
from tests.benchmarks.decouple_bench.scenarios import BENIGN, HARMS, NULLS, TRAPS, TUNED_ON
from tests.benchmarks.decouple_bench.summary import JUDGE_PROMISED, PROMISED
from tests.benchmarks.results_file import MACHINE, RESULTS

TUNING_SEED, SEED, LABELS, FEW_LABELS = 1, 2, 100, 20
ANCHORS = (10, 30)
ABOUT = """\
Generated loops, not data of anybody: 4 cohorts, a thumb as reward, a binary outcome, {labels} labels a day, 60
reference days, then 224 monitored days; whatever changes does so after 56 of them. {runs} runs of each harm, {quiet} of
each null and benign change ({few} of each trap, and for ADWIN, KSWIN and MAPIE), seed {seed}. Everything not called
*guaranteed* is tuned on {tuning} other null runs with the weekday mix ({few_tuning} for ADWIN, KSWIN and MAPIE; seed
{tuning_seed}) to alert in at most .10 of them. Guaranteed modes are not tuned: default allowance, default weights of
the family (A1 alone: weight 1), A = mean days to a false alert. Families, known baselines, cadence, evasion and stories
are measured by themselves.

Delay is the mean over the 168 days that are left, 168 where there was no alert, ± its standard error; runs that alerted
before the change are left out (-: all had). Intervals are 95%: exact binomial for shares, bootstrap over runs for
ratios. Tuned thresholds have an error of their own that is in no interval: with {tuning} runs the .10 is uncertain by
±{tuned_error:.3f} (one standard error); the column of the weekday null shows what became of it. The audit beside a
changed feedback rate is a null by design: a random audit does not depend on who likes to answer.

Machine: {machine}; {seconds:,.0f} s in {processes} processes.{absent}"""


def main() -> None:
    """Run, print and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="300 runs a null instead of 60")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    size = FULL if asked.full else SHORT
    name = "decouple_bench" if asked.full else "decouple_bench_short"
    found = measure(size, asked.processes, RESULTS / f"{name}.svg")
    text = report.markdown(found)
    (RESULTS / f"{name}.json").write_text(json.dumps(_finite(found), indent=1) + "\n")
    (RESULTS / f"{name}.md").write_text(text)
    print(text)


def measure(size: Size, processes: int, figure: Path) -> dict[str, Any]:
    """Everything that is reported."""
    start = time.monotonic()
    parts = apart.measure(size, SEED, processes)
    tune, found = watch(size, processes)
    told = {**figures(tune, found), **judge_figures(*watch_judged(size)), **parts, "cost": cost.measure()}
    if plots.PRESENT:
        plots.draw(found, LABELS, figure)
    seconds = time.monotonic() - start
    told["targets"] = [*told.pop("loop_targets"), *told.pop("judge_targets"), *targets_apart.targets(parts)]
    told["targets"] += [targets_apart.short_enough(seconds, processes)] * (size == SHORT)
    return {"about": _about(size, processes, seconds), "size": vars(size), **told}


def watch(size: Size, processes: int) -> tuple[summary.Found, summary.Found]:
    """The runs that thresholds are tuned on, and those that are reported."""
    few = [case.with_labels(FEW_LABELS) for case in (TUNED_ON, HARMS[0], HARMS[1])]
    tune = watch_all([TUNED_ON, few[0]], size.tuning, min(size.tuning, 2 * size.few), TUNING_SEED, processes)
    quiet = watch_all([*NULLS, *BENIGN], size.quiet, size.few, SEED, processes)
    traps = watch_all(TRAPS, size.few, size.few, SEED, processes)
    return tune, quiet | traps | watch_all([*HARMS, *few], size.runs, size.few, SEED, processes)


def watch_judged(size: Size) -> tuple[summary.Found, summary.Found]:
    """The same of a judge, at each number of anchors a day."""
    tune, found = {}, {}
    for anchors in ANCHORS:
        cases = [case.with_labels(anchors) for case in (JUDGE_NULL, *JUDGE_HARMS, *JUDGE_BENIGN)]
        tune |= watch_judges(cases[:1], size.tuning, min(size.tuning, 2 * size.few), TUNING_SEED)
        found |= watch_judges(cases, size.quiet, size.few, SEED)
    return tune, found


def figures(tune: summary.Found, found: summary.Found) -> dict[str, Any]:
    """All figures of the loops."""
    modes, sparse = (summary.modes(tune[TUNED_ON.name, labels], PROMISED) for labels in (LABELS, FEW_LABELS))
    return {
        "seeds": {"tuning": TUNING_SEED, "runs": SEED},
        "loop_targets": targets.targets(found, modes, LABELS),
        "harms": summary.harms(found, modes, LABELS),
        "ratios": summary.ratios(found, modes, LABELS),
        "benign": summary.benign(found, modes, LABELS),
        "nulls": summary.nulls(found, modes, LABELS),
        "untuned": summary.untuned(found, LABELS),
        "limits": summary.limits(found, LABELS),
        "sparse_harms": summary.harms(found, sparse, FEW_LABELS),
        "sparse_nulls": summary.nulls(found, sparse, FEW_LABELS),
        "allowance": {f"{case}, {labels} a day": watched.allowance for (case, labels), watched in found.items()},
        "thresholds": {mode.name: mode.threshold for mode in modes},
    }


def judge_figures(tune: summary.Found, found: summary.Found) -> dict[str, Any]:
    """All figures of the judge, one entry a number of anchors a day."""
    told: dict[str, Any] = {}
    rows = []
    for anchors in ANCHORS:
        modes = summary.modes(tune[JUDGE_NULL.name, anchors], JUDGE_PROMISED)
        rows += targets.judge_targets(found, modes, anchors)
        told[str(anchors)] = {
            "harms": summary.harms(found, modes, anchors, JUDGE_HARMS),
            "quiet": summary.nulls(found, modes, anchors, [JUDGE_NULL]),
            "benign": summary.benign(found, modes, anchors, JUDGE_BENIGN),
        }
    return {"judge": told, "judge_targets": rows}


def _finite(value: Any) -> Any:
    """The same without NaN, which no reader of JSON has to know: what could not be measured is null."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _about(size: Size, processes: int, seconds: float) -> str:
    missing = [
        name
        for name, there in (
            ("river: no ADWIN, no KSWIN", rivals.RIVER),
            ("mapie: no risk monitoring", rivals.MAPIE),
            ("matplotlib: no figure", plots.PRESENT),
        )
        if not there
    ]
    return ABOUT.format(
        labels=LABELS, runs=size.runs, quiet=size.quiet, few=size.few,
        few_tuning=min(size.tuning, 2 * size.few), seed=SEED, tuning=size.tuning, tuning_seed=TUNING_SEED,
        tuned_error=(0.1 * 0.9 / size.tuning) ** 0.5, machine=MACHINE, seconds=seconds, processes=processes,
        absent="".join(f" Left out, not installed: {name} (`pip install '.[bench]'`)." for name in missing),
    )  # fmt: skip


if __name__ == "__main__":
    main()
