"""What do the paths say? All figures of the benchmark as plain rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.benchmarks.decouple_bench import metrics
from tests.benchmarks.decouple_bench.runs import Watched
from tests.benchmarks.decouple_bench.scenarios import (
    BENIGN,
    HARMS,
    MONITORED_DAYS,
    NULLS,
    QUIET_DAYS,
    TRAPS,
    TUNED_ON,
    information,
)

Found = Mapping[tuple[str, int], Watched]

A1, FAMILY, TUNED_A1, TUNED_CUSUM = "e-SR on A1", "family of series", "e-SR on A1, tuned", "CUSUM, A1"
GUARANTEED = [(name, days) for name in (A1, FAMILY) for days in (365, 2240)]
ASSOCIATION, TICKET = "e-SR on A3", "family of series, ticket"
PROMISED = [*GUARANTEED, (ASSOCIATION, 365), (TICKET, 30)]
UNTUNED = {"7-day z, raw outcome": 1.645, "28-day z, raw outcome": 1.645, "reference-window test": 0.1,
           "Page-Hinkley, raw outcome": 50.0, "ADWIN, raw outcome": -np.log(0.00201)}  # fmt: skip


@dataclass(frozen=True)
class Mode:
    """A detector at a threshold. promised: threshold in days if the false alerts are bounded."""

    name: str
    detector: str
    threshold: float
    promised: float | None


def modes(tune: Found, labels: int) -> list[Mode]:
    """The guaranteed modes, then everything tuned to the same share of false alerts."""
    paths = tune[TUNED_ON.name, labels].paths
    ours = [Mode(f"{name}, guaranteed A={days:,}", name, float(np.log(days)), days) for name, days in PROMISED]
    promised = {name for name, _ in PROMISED}
    return ours + [Mode(name, name, metrics.tuned(path), None) for name, path in paths.items() if name not in promised]


def nulls(found: Found, ours: list[Mode], labels: int) -> list[dict[str, Any]]:
    """Share of null runs that alert in each mode, on each null; where promised, against the bound."""
    rows = []
    for mode in ours:
        for scenario in NULLS:
            if (scenario.name, labels) not in found:
                continue
            share = metrics.alerting(found[scenario.name, labels].paths[mode.detector], mode.threshold)
            row = {"mode": mode.name, "null": scenario.name, "labels": labels, **metrics.plain(share)}
            bound = min(1.0, MONITORED_DAYS / mode.promised) if mode.promised else None
            rows.append(
                {
                    **row,
                    "bound": bound,
                    "ratio": bound and share.share / bound,
                    "ratio_high": bound and share.high / bound,
                }
            )
    return rows


def harms(found: Found, ours: list[Mode], labels: int) -> list[dict[str, Any]]:
    """Delay and power of each mode in each harm."""
    return [
        {"mode": mode.name, "scenario": harm.name, "labels_a_day": labels,
         **metrics.plain(metrics.delay(watched.paths[mode.detector], mode.threshold, watched.labels))}
        for harm in HARMS if (watched := found.get((harm.name, labels))) for mode in ours
    ]  # fmt: skip


def benign(found: Found, ours: list[Mode], labels: int) -> list[dict[str, Any]]:
    """Share of runs that alert after a harmless change, and in the traps; runs that did so before are left out."""
    return [
        {"mode": mode.name, "scenario": case.name, "kind": case.kind, "labels_a_day": labels,
         **metrics.plain(metrics.alerting(watched.paths[mode.detector], mode.threshold, since=QUIET_DAYS))}
        for case in (*BENIGN, *TRAPS) if (watched := found.get((case.name, labels))) for mode in ours
    ]  # fmt: skip


def untuned(found: Found, labels: int) -> list[dict[str, Any]]:
    """False alerts of the rivals at the settings they come with."""
    rows = []
    for name, threshold in UNTUNED.items():
        for scenario in NULLS:
            path = found[scenario.name, labels].paths.get(name)
            if path is not None:
                rows.append(
                    {"mode": name, "null": scenario.name, **metrics.plain(metrics.alerting(path, float(threshold)))}
                )
    return rows


def limits(found: Found, labels: int) -> list[dict[str, Any]]:
    """How far from the least delay that any detector with this mean time to a false alert can have?"""
    rows = []
    for harm in HARMS:
        if harm.steps > 1 or harm.cohort is not None or (harm.name, labels) not in found:
            continue
        nats, watched = information(harm), found[harm.name, labels]
        for name, days in GUARANTEED:
            late = metrics.delay(watched.paths[name], float(np.log(days)), watched.labels)
            least = np.log(days) / nats / labels
            row = {"mode": f"{name}, guaranteed A={days:,}", "scenario": harm.name, "nats_a_label": nats}
            rows.append(
                {**row, "least_days": least, "days": late.days, "error": late.error, "ratio": late.days / least}
            )
    return rows
