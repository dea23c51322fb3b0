"""What does the monitor make of simulated loops? A table of shares alerting and days until then.

`python -m tests.benchmarks.worlds_table --seeds 150` writes tests/benchmarks/results/worlds_table.{json,md}.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from consumers.store import EventStore
from monitor.oncall.alerts import SEVERITIES
from tests.worlds import World, items, selected_items, watch

RESULTS = Path(__file__).parent / "results"
WORLDS = {
    "founding story: +9 / -4 over 12 checkpoints": lambda seed: items(World(9, -4), seed),
    "at once: +9 / -4": lambda seed: items(World(9, -4, steps=1), seed),
    "outcome only: 0 / -4 at once": lambda seed: items(World(0, -4, steps=1), seed),
    "inflation: +9 / 0 at once": lambda seed: items(World(9, 0, steps=1), seed),
    "one cohort -15 at once": lambda seed: items(World(0, -15, steps=1, cohort=2), seed),
    "nothing": lambda seed: items(World(), seed),
    "nothing, autocorrelated days": lambda seed: items(World(day_effect=1.5), seed),
    "honest improvement: +9 / +2.6": lambda seed: items(World(9, 2.6), seed),
    "harder traffic mix": lambda seed: items(World(mix=0.5), seed),
    "honest best-of-n, continuous reward": lambda seed: selected_items(seed),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    seeds = parser.parse_args().seeds
    rows = [measure(name, seeds) for name in WORLDS]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "worlds_table.json").write_text(json.dumps({"seeds": seeds, "worlds": rows}, indent=2) + "\n")
    (RESULTS / "worlds_table.md").write_text(markdown(rows, seeds))
    print(markdown(rows, seeds))


def measure(name: str, seeds: int) -> dict[str, Any]:
    days: dict[str, list[int]] = {severity: [] for severity in SEVERITIES}
    leading: Counter[str] = Counter()
    with EventStore.open(":memory:") as store:
        for seed in range(seeds):
            seen = watch(WORLDS[name](seed), store.engine)
            for severity, day in seen.days().items():
                days[severity].append(day)
            told = [alert for alert in seen.told() if not alert.slice and alert.severity != "ticket"]
            leading.update({alert.leading for alert in told})
    share = {severity: len(found) / seeds for severity, found in days.items()}
    mean = {severity: float(np.mean(found)) if found else None for severity, found in days.items()}
    return {"world": name, "share": share, "mean_days": mean, "leading_of_warned": dict(leading)}


def markdown(rows: list[dict[str, Any]], seeds: int) -> str:
    head = f"Share alerting within 168 days (mean days until then); {seeds} seeds, 100 outcomes a day.\n"
    lines = [head, "| world | ticket | warning | page | leading label of warned |", "|---|---|---|---|---|"]
    for row in rows:
        cells = [_cell(row["share"][s], row["mean_days"][s]) for s in SEVERITIES]
        labels = ", ".join(f"{name} {count}" for name, count in sorted(row["leading_of_warned"].items())) or "-"
        lines.append(f"| {row['world']} | {' | '.join(cells)} | {labels} |")
    lines.append("\nPromised at most, expected number a world: ticket 5.6, warning .46 + .05, page .046 + .005.")
    return "\n".join(lines) + "\n"


def _cell(share: float, days: float | None) -> str:
    return f"{share:.2f}" if days is None else f"{share:.2f} ({days:.0f} d)"


if __name__ == "__main__":
    main()
