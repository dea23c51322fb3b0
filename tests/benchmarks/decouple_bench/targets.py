"""Were the targets met? Each with what was measured, its 95% interval, and a verdict that does not flatter."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.benchmarks.decouple_bench import metrics
from tests.benchmarks.decouple_bench.summary import A1, GUARANTEED, TUNED_A1, TUNED_CUSUM, Found, Mode, benign, nulls

FASTER = (
    ("abrupt +9/-4", "7-day z, raw outcome", 3.7),
    ("abrupt +9/-4", "ADWIN, raw outcome", 3.7),
    ("abrupt +9/-4", "CUSUM, raw outcome", 2.2),
    ("slow +9/-4 in 12 steps", "7-day z, raw outcome", 1.6),
    ("slow +9/-4 in 12 steps", "ADWIN, raw outcome", 1.6),
    ("slow +9/-4 in 12 steps", "CUSUM, raw outcome", 1.6),
)
PRICED = ("abrupt +9/-4", "slow +9/-4 in 12 steps", "drop 0/-4")
PRICE = 1.3  # the most that the guarantee may cost in delay, against a CUSUM tuned on the same score
BENIGN_SHARE = 0.10

Estimate = tuple[float, float, float]


def targets(found: Found, modes: list[Mode], labels: int) -> list[dict[str, Any]]:
    """One row a target."""
    by_name = {mode.name: mode for mode in modes}
    rows = [_faster(found, by_name, labels, *target) for target in FASTER if target[1] in by_name]
    rows += [_price(found, by_name, labels, scenario) for scenario in PRICED]
    for mode in modes[: len(GUARANTEED)]:
        rows.append(_within_bound(found, mode, labels))
        if mode.promised == 365:
            rows.append(_quiet(found, mode, labels))
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


def _within_bound(found: Found, mode: Mode, labels: int) -> dict[str, Any]:
    worst = max(nulls(found, [mode], labels), key=lambda row: row["ratio_high"])
    told = f"{mode.name}: false alerts of every null, over the bound of {worst['bound']:.2f} (worst: {worst['null']})"
    return at_most(told, 1.0, (worst["ratio"], worst["low"] / worst["bound"], worst["ratio_high"]))


def _quiet(found: Found, mode: Mode, labels: int) -> dict[str, Any]:
    cases = [row for row in benign(found, [mode], labels) if row["kind"] == "benign"]
    worst = max(cases, key=lambda row: row["share"])
    told = f"{mode.name}: share of every benign case (worst: {worst['scenario']})"
    return at_most(told, BENIGN_SHARE, (worst["share"], worst["low"], worst["high"]))


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
