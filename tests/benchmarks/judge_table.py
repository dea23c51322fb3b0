"""How soon is a drifting judge told, and how often one that does not drift?

`python -m tests.benchmarks.judge_table [RUNS]`.
Ten pairs a day that a person judged, 100 days of reference, then twelve fortnightly checkpoints, thresholds of the
defaults, one judge, which has .07 of the false-alert budget to itself.
"""

import sys
from typing import Any

import numpy as np

from monitor.statistics.family import JUDGE_WEIGHTS
from tests.benchmarks.results_file import save
from tests.monitor.events import in_memory
from tests.monitor.judge_worlds import World, watch

WORLDS = {
    "no change": World(),
    "capture .27 to .67 in 12 steps": World(capture=(0.27, 0.67), sound=(0.81, 0.87)),
    "capture .27 to .67 at once": World(capture=(0.27, 0.67), sound=(0.81, 0.87), steps=1),
    "capture in 12 steps, 30 a day": World(capture=(0.27, 0.67), sound=(0.81, 0.87), per_day=30),
    "noisier (.81 to .6), at once": World(capture=(0.27, 0.40), sound=(0.81, 0.60), steps=1),
    "better judge": World(capture=(0.27, 0.10), sound=(0.81, 0.95)),
    "easier anchors": World(alike=(0.65, 0.85)),
    "no change, 20 days of reference": World(reference=20),
}


def row(name: str, world: World, runs: int) -> dict[str, Any]:
    """Shares of runs with an alert by the end of the 6th, 7th, 8th and 12th checkpoint; its mean day; who is named."""
    store = in_memory()
    seen = [watch(world, store, seed) for seed in range(runs)]
    tickets, warnings = (np.array([one.day_of(severity) for one in seen]) for severity in ("ticket", "warning"))
    named = [alert.attribution for one in seen for alert in one.told()[-1:]]
    likeliest = max(sorted(set(named)), key=named.count, default="")
    return {
        "world": name,
        **{f"ticket by {n}": round(float(np.mean(tickets <= 14 * n)), 3) for n in (6, 7, 8, 12)},
        "mean day": round(float(tickets[np.isfinite(tickets)].mean()), 1) if np.isfinite(tickets).any() else "-",
        "warning by 12": round(float(np.mean(warnings <= 168)), 3),
        "named": f"{likeliest} {named.count(likeliest)}/{len(named)}" if named else "-",
    }


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    kept = 0.035 + 0.015 + 0.01 + 3 * JUDGE_WEIGHTS["B4"] + 2 * JUDGE_WEIGHTS["flips"]
    save(
        "judge_table",
        "The watch over a judge",
        f"without a change at most {kept * 168 / 30:.2f} tickets and {kept * 168 / 365:.3f} warnings in 168 days",
        [row(name, world, count) for name, world in WORLDS.items()],
        {"runs": count, "monte_carlo_error": f"at most {0.5 / count**0.5:.3f} on a share"},
    )
