"""What do the paths say? All figures of the benchmark as plain rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.benchmarks.decouple_bench import metrics
from tests.benchmarks.decouple_bench.judges import JudgeScenario
from tests.benchmarks.decouple_bench.runs import Watched
from tests.benchmarks.decouple_bench.scenarios import (
    BENIGN,
    HARMS,
    MONITORED_DAYS,
    NULLS,
    QUIET_DAYS,
    TRAPS,
    Scenario,
    information,
)

Found = Mapping[tuple[str, int], Watched]
Cases = Sequence[Scenario | JudgeScenario]

A1, FAMILY, TUNED_A1, TUNED_CUSUM = "e-SR on A1", "family of series", "e-SR on A1, tuned", "CUSUM, A1"
GUARANTEED = [(name, days) for name in (A1, FAMILY) for days in (365, 2240)]
ASSOCIATION, TICKET = "e-SR on A3", "family of series, ticket"
PROMISED = [*GUARANTEED, (ASSOCIATION, 365), (TICKET, 30)]
JUDGE_PROMISED = [("e-SR on B1", 365), ("e-SR on B1", 2240), ("e-SR on B2", 365), ("e-SR on B3", 365)]
UNTUNED = {"7-day z, raw outcome": 1.645, "28-day z, raw outcome": 1.645, "reference-window test": 0.1,
           "Page-Hinkley, raw outcome": 50.0, "ADWIN, raw outcome": -np.log(0.00201),
           "MAPIE risk monitoring, raw outcome": 0.005, "MAPIE risk monitoring, A1": 0.005}  # fmt: skip
MAPIES = ("MAPIE risk monitoring, A1", "MAPIE risk monitoring, raw outcome")
RAW = ("CUSUM, raw outcome", "Page-Hinkley, raw outcome", "7-day z, raw outcome", "28-day z, raw outcome",
       "ADWIN, raw outcome", "KSWIN, daily means", "MAPIE risk monitoring, raw outcome")  # fmt: skip


@dataclass(frozen=True)
class Mode:
    """A detector at a threshold. promised: threshold in days if the false alerts are bounded."""

    name: str
    detector: str
    threshold: float
    promised: float | None


def modes(tune: Watched, promised: Sequence[tuple[str, float]]) -> list[Mode]:
    """The guaranteed modes, (detector, days) each, MAPIE's by its own promise, then all detectors but the first tuned.

    Tuned: to a tenth of these null runs.
    """
    ours = [Mode(f"{name}, guaranteed A={days:,}", name, float(np.log(days)), days) for name, days in promised]
    taken = {name for name, _ in promised}
    theirs = [
        Mode(f"{name}, guaranteed .05 for ever", name, UNTUNED[name], None) for name in MAPIES if name in tune.paths
    ]
    return [*ours, *theirs] + [
        Mode(name, name, metrics.tuned(path), None) for name, path in tune.paths.items() if name not in taken
    ]


def nulls(found: Found, modes: list[Mode], labels: int, cases: Cases = NULLS) -> list[dict[str, Any]]:
    """Share of null runs that alert in each mode, on each null; where promised, against the bound."""
    return [
        _null(mode, case.name, metrics.alerting(watched.paths[mode.detector], mode.threshold))
        for mode in modes
        for case in cases
        if (watched := found.get((case.name, labels)))
    ]


def _null(mode: Mode, null: str, share: metrics.Share) -> dict[str, Any]:
    row = {"mode": mode.name, "null": null, **metrics.plain(share)}
    if mode.promised is None:
        return {**row, "bound": None}
    bound = min(1.0, MONITORED_DAYS / mode.promised)
    return {**row, "bound": bound, "ratio": share.share / bound, "ratio_high": share.high / bound}


def harms(found: Found, modes: list[Mode], labels: int, cases: Cases = HARMS) -> list[dict[str, Any]]:
    """Delay and power of each mode in each harm."""
    return [
        {"mode": mode.name, "scenario": harm.name, "labels_a_day": labels,
         **metrics.plain(metrics.delay(watched.paths[mode.detector], mode.threshold, watched.labels))}
        for harm in cases if (watched := found.get((harm.name, labels))) for mode in modes
    ]  # fmt: skip


def ratios(found: Found, modes: list[Mode], labels: int) -> list[dict[str, Any]]:
    """Delay of every other mode over that of the tuned e-SR on A1, on the same runs of each harm."""
    ours = next(mode for mode in modes if mode.detector == TUNED_A1)
    rows = []
    for harm in HARMS:
        paths = found[harm.name, labels].paths
        for mode in modes:
            if mode is not ours:
                slow, fast = (paths[mode.detector], mode.threshold), (paths[TUNED_A1], ours.threshold)
                estimate = dict(zip(("ratio", "low", "high"), metrics.delay_ratio(slow, fast), strict=True))
                rows.append({"mode": mode.name, "scenario": harm.name, **estimate})
    return rows


def benign(found: Found, modes: list[Mode], labels: int, cases: Cases = (*BENIGN, *TRAPS)) -> list[dict[str, Any]]:
    """Share of runs that alert after a harmless change, and in the traps; runs that did so before are left out."""
    return [
        {"mode": mode.name, "scenario": case.name, "kind": case.kind, "labels_a_day": labels,
         **metrics.plain(metrics.alerting(watched.paths[mode.detector], mode.threshold, since=QUIET_DAYS))}
        for case in cases if (watched := found.get((case.name, labels))) for mode in modes
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
        for name, days in [*GUARANTEED, (ASSOCIATION, 365)]:
            late = metrics.delay(watched.paths[name], float(np.log(days)), watched.labels)
            least = np.log(days) / nats / labels
            row = {"mode": f"{name}, guaranteed A={days:,}", "scenario": harm.name, "nats_a_label": nats}
            rows.append(
                {**row, "least_days": least, "days": late.days, "error": late.error, "ratio": late.days / least}
            )
    return rows
