"""Were the targets met? Each with what was measured, its 95% interval, and a verdict that does not flatter."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.benchmarks.decouple_bench import metrics
from tests.benchmarks.decouple_bench.judges import JUDGE_BENIGN, JUDGE_NULL
from tests.benchmarks.decouple_bench.scenarios import NULLS
from tests.benchmarks.decouple_bench.summary import (
    A1,
    GUARANTEED,
    TUNED_A1,
    TUNED_CUSUM,
    Cases,
    Found,
    Mode,
    benign,
    nulls,
)

FASTER = (
    ("abrupt +9/-4", "7-day z, raw outcome", 3.7),
    ("abrupt +9/-4", "ADWIN, raw outcome", 3.7),
    ("abrupt +9/-4", "CUSUM, raw outcome", 2.2),
    ("slow +9/-4 in 12 steps", "7-day z, raw outcome", 1.6),
    ("slow +9/-4 in 12 steps", "ADWIN, raw outcome", 1.6),
    ("slow +9/-4 in 12 steps", "CUSUM, raw outcome", 1.6),
)
PRICED = ("abrupt +9/-4", "slow +9/-4 in 12 steps", "drop 0/-4")
CAPTURED = (("capture abrupt", 3.0), ("capture slow, 12 steps", 1.7))
PRICE = 1.3  # the most that the guarantee may cost in delay, against a CUSUM tuned on the same score
BENIGN_SHARE, JUDGE_BENIGN_SHARE = 0.10, 0.05

Estimate = tuple[float, float, float]


def targets(found: Found, modes: list[Mode], labels: int) -> list[dict[str, Any]]:
    """One row a target."""
    by_name = {mode.name: mode for mode in modes}
    rows = [_faster(found, by_name, labels, *target) for target in FASTER if target[1] in by_name]
    rows += [_price(found, by_name, labels, scenario) for scenario in PRICED]
    for mode in modes[: len(GUARANTEED)]:
        rows.append(_within_bound(found, mode, labels))
        if mode.promised == 365:
            rows.append(_quiet(benign(found, [mode], labels), BENIGN_SHARE))
    return rows


def judge_targets(found: Found, modes: list[Mode], labels: int) -> list[dict[str, Any]]:
    """The same for the watch over a judge."""
    by_name = {mode.name: mode for mode in modes}
    ours, plain = by_name["e-SR on B1, tuned"], by_name["e-SR on B2, tuned"]
    rows = []
    for scenario, aim in CAPTURED:
        paths = found[scenario, labels].paths
        ratio = metrics.delay_ratio((paths[plain.detector], plain.threshold), (paths[ours.detector], ours.threshold))
        rows.append(at_least(f"{scenario}: delay of B2 over that of B1; equal false alerts", aim, ratio))
    for mode in modes:
        if mode.detector == "e-SR on B1":
            rows.append(_within_bound(found, mode, labels, [JUDGE_NULL]))
            rows.append(_quiet(benign(found, [mode], labels, JUDGE_BENIGN), JUDGE_BENIGN_SHARE))
    return rows


def _faster(
    found: Found, by_name: Mapping[str, Mode], labels: int, scenario: str, rival: str, aim: float
) -> dict[str, Any]:
    paths, slow, fast = found[scenario, labels].paths, by_name[rival], by_name[TUNED_A1]
    ratio = metrics.delay_ratio((paths[rival], slow.threshold), (paths[TUNED_A1], fast.threshold))
    return at_least(f"{scenario}: delay of {rival}, over ours; equal false alerts", aim, ratio)


def _price(found: Found, by_name: Mapping[str, Mode], labels: int, scenario: str) -> dict[str, Any]:
    paths, rival = found[scenario, labels].paths, by_name[TUNED_CUSUM]
    ratio = metrics.delay_ratio((paths[A1], float(np.log(365))), (paths[TUNED_CUSUM], rival.threshold))
    return at_most(f"{scenario}: delay guaranteed at A=365, over a tuned CUSUM on the same score", PRICE, ratio)


def _within_bound(found: Found, mode: Mode, labels: int, cases: Cases = NULLS) -> dict[str, Any]:
    worst = max(nulls(found, [mode], labels, cases), key=lambda row: row["ratio_high"])
    told = f"{mode.name}: false alerts of every null, over the bound of {worst['bound']:.2f} (worst: {worst['null']})"
    return at_most(told, 1.0, (worst["ratio"], worst["low"] / worst["bound"], worst["ratio_high"]))


def _quiet(rows: list[dict[str, Any]], aim: float) -> dict[str, Any]:
    worst = max((row for row in rows if row["kind"] == "benign"), key=lambda row: float(row["share"]))
    told = f"{worst['mode']}: share of every benign case (worst: {worst['scenario']})"
    return at_most(told, aim, (worst["share"], worst["low"], worst["high"]))


def at_least(told: str, aim: float, estimate: Estimate) -> dict[str, Any]:
    """A target from below: met when the whole interval is there."""
    value, low, _ = estimate
    return _row(told, f">= {aim}", estimate, value >= aim, low >= aim)


def at_most(told: str, aim: float, estimate: Estimate) -> dict[str, Any]:
    """A target from above: met when the whole interval is there."""
    value, _, high = estimate
    return _row(told, f"<= {aim}", estimate, value <= aim, high <= aim)


def _row(told: str, aim: str, estimate: Estimate, met: bool, clearly: bool) -> dict[str, Any]:
    verdict = "met" if clearly else "met, within the error" if met else "MISSED"
    return {
        "target": told,
        "aim": aim,
        **dict(zip(("measured", "low", "high"), estimate, strict=True)),
        "verdict": verdict,
    }
