"""Which targets do the loops and the judges meet? One row each."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.benchmarks.decouple_bench import metrics, rivals
from tests.benchmarks.decouple_bench.judges import JUDGE_BENIGN, JUDGE_NULL
from tests.benchmarks.decouple_bench.scenarios import BENIGN, CHECKPOINT_DAYS, NULLS, QUIET_DAYS, information
from tests.benchmarks.decouple_bench.summary import (
    A1,
    ASSOCIATION,
    FAMILY,
    GUARANTEED,
    HARMS,
    RAW,
    TICKET,
    TUNED_A1,
    Cases,
    Found,
    Mode,
    benign,
    nulls,
)
from tests.benchmarks.decouple_bench.verdicts import Estimate, at_least, at_most

ABRUPT, SLOW, DROP, ONE_COHORT, DECAY = (HARMS[place].name for place in (0, 1, 2, 4, 5))
FASTER = (  # scenario, rival, aim, stretch
    (ABRUPT, "7-day z, raw outcome", 3.7, 4.0),
    (ABRUPT, "ADWIN, raw outcome", 3.7, 4.0),
    (ABRUPT, "CUSUM, raw outcome", 2.2, 2.5),
    (SLOW, "7-day z, raw outcome", 1.6, None),
    (SLOW, "ADWIN, raw outcome", 1.6, None),
    (SLOW, "CUSUM, raw outcome", 1.6, None),
)
PRICED = ((ABRUPT, 1.3), (SLOW, 1.3), (DROP, 1.6))  # the most that the guarantee may cost in delay
CAPTURED = (("capture abrupt", 3.0), ("capture slow, 12 steps", 1.5))
CHECKPOINT, STRETCH_CHECKPOINT = 5, 4  # of twelve, by which the slow loop is to be alerted
BENIGN_SHARE, JUDGE_BENIGN_SHARE = 0.10, 0.05
ASSOCIATION_DAYS, COHORT_RATIO, LEAST_RATIO, STRETCH_RATIO = 12, 2.5, 1.35, 1.25


def targets(found: Found, modes: list[Mode], labels: int) -> list[dict[str, Any]]:
    """Of the loops: speed at equal false alerts, the price of the guarantee, bounds, what the outcome does not show."""
    by_name = {mode.name: mode for mode in modes}
    rows = [_faster(found, by_name, labels, *target) for target in FASTER if target[1] in by_name]
    rows += [_checkpoint(found, by_name[name], labels) for name in (TUNED_A1, f"{A1}, guaranteed A=365")]
    rows += [_price(found, by_name, labels, *target) for target in PRICED]
    rows += [_least(found, days, labels) for days in (365, 2240)]
    rows += [_within_bound(found, mode, labels, [*NULLS, *BENIGN]) for mode in modes[: len(GUARANTEED)]]
    rows += [
        _quiet(found, mode, labels, BENIGN, BENIGN_SHARE) for mode in modes[: len(GUARANTEED)] if mode.promised == 365
    ]
    return [*rows, *_decay(found, by_name, labels), _cohort(found, labels)]


def judge_targets(found: Found, modes: list[Mode], labels: int) -> list[dict[str, Any]]:
    """Of the watch over a judge, at so many anchors a day."""
    by_name, told = {mode.name: mode for mode in modes}, f"{labels} anchors a day, "
    ours, plain = by_name["e-SR on B1, tuned"], by_name["e-SR on B2, tuned"]
    rows = []
    for scenario, aim in CAPTURED:
        watched = found[scenario, labels]
        ratio = _ratio(found, labels, scenario, plain, ours)
        late = [metrics.delay(watched.paths[mode.detector], mode.threshold, watched.labels) for mode in (ours, plain)]
        beside = f"{late[0].days:.1f} days against {late[1].days:.1f}"
        rows.append(
            at_least(f"{told}{scenario}: delay of B2 over that of B1; equal false alerts", aim, ratio, beside=beside)
        )
    for mode in modes:
        if mode.detector == "e-SR on B1":
            rows.append(_within_bound(found, mode, labels, [JUDGE_NULL, *JUDGE_BENIGN], told))
            if mode.promised == 365:
                rows.append(_quiet(found, mode, labels, JUDGE_BENIGN, JUDGE_BENIGN_SHARE, told))
    return rows


def _faster(
    found: Found, by_name: Mapping[str, Mode], labels: int, scenario: str, rival: str, aim: float, stretch: float | None
) -> dict[str, Any]:
    modes = [by_name[TUNED_A1], by_name[rival]]
    ratio = _ratio(found, labels, scenario, modes[1], modes[0])
    beside = _against(found, labels, scenario, *modes) + "; " + _at_default_weights(found, labels, scenario)
    return at_least(f"{scenario}: delay of {rival}, over ours; equal false alerts", aim, ratio, stretch, beside)


def _checkpoint(found: Found, mode: Mode, labels: int) -> dict[str, Any]:
    """The checkpoint that serves at the mean delay, of twelve; its interval is that of the mean."""
    watched = found[SLOW, labels]
    late = metrics.delay(watched.paths[mode.detector], mode.threshold, watched.labels)
    days = late.days, late.days - 1.96 * late.error, late.days + 1.96 * late.error
    told = f"{SLOW}: checkpoint at the mean delay, {mode.name}, weight 1"
    beside = f"{late.days:.1f} ± {late.error:.1f} days, {late.labels:,.0f} labels"
    estimate = tuple(float(np.ceil(value / CHECKPOINT_DAYS)) for value in days)
    return at_most(told, CHECKPOINT, (estimate[0], estimate[1], estimate[2]), STRETCH_CHECKPOINT, beside)


def _price(found: Found, by_name: Mapping[str, Mode], labels: int, scenario: str, aim: float) -> dict[str, Any]:
    watched, ours = found[scenario, labels], by_name[f"{A1}, guaranteed A=365"]
    best = min(
        (by_name[name] for name in rivals.SCORE_SLACKS),
        key=lambda mode: metrics.delay(watched.paths[mode.detector], mode.threshold, watched.labels).days,
    )
    told = f"{scenario}: delay guaranteed at A=365, over the best tuned CUSUM on the same score ({best.name})"
    beside = _against(found, labels, scenario, ours, best) + "; " + _at_default_weights(found, labels, scenario)
    return at_most(told, aim, _ratio(found, labels, scenario, ours, best), beside=beside)


def _least(found: Found, days: int, labels: int) -> dict[str, Any]:
    watched, harm = found[ABRUPT, labels], HARMS[0]
    late = metrics.delay(watched.paths[A1], float(np.log(days)), watched.labels)
    least = np.log(days) / information(harm) / labels
    ratio = late.days / least, (late.days - 1.96 * late.error) / least, (late.days + 1.96 * late.error) / least
    beside = f"{late.days:.1f} days, {late.labels:,.0f} labels, baseline estimated; least {least:.1f} days"
    told = f"{ABRUPT}: delay guaranteed at A={days:,} as shipped, over log(A)/KL"
    return at_most(told, LEAST_RATIO, ratio, STRETCH_RATIO, beside)


def _within_bound(found: Found, mode: Mode, labels: int, cases: Cases, where: str = "") -> dict[str, Any]:
    worst = max(nulls(found, [mode], labels, cases), key=lambda row: row["ratio_high"])
    null = f"every null over the bound of {worst['bound']:.2f} (worst: {worst['null']})"
    told = f"{where}{mode.name}: false alerts of {null}"
    beside = f"{worst['runs']} runs each of {len(cases)} nulls"
    return at_most(told, 1.0, (worst["ratio"], worst["low"] / worst["bound"], worst["ratio_high"]), beside=beside)


def _quiet(found: Found, mode: Mode, labels: int, cases: Cases, aim: float, where: str = "") -> dict[str, Any]:
    rows = benign(found, [mode], labels, cases)
    worst = max(rows, key=lambda row: float(row["high"]))
    told = f"{where}{mode.name}: share alerting after any benign change (worst: {worst['scenario']})"
    beside = ", ".join(f"{row['scenario']} {row['share']:.2f}" for row in rows)
    return at_most(told, aim, (worst["share"], worst["low"], worst["high"]), beside=beside)


def _decay(found: Found, by_name: Mapping[str, Mode], labels: int) -> list[dict[str, Any]]:
    """Association alone decays: ours by the series that sees it, beside those that watch the outcome."""
    watched, rows = found[DECAY, labels], []
    blind = max(
        (metrics.alerting(watched.paths[name], by_name[name].threshold, since=QUIET_DAYS).share, name)
        for name in RAW if name in by_name
    )  # fmt: skip
    beside = f"outcome monitors, tuned: at most {blind[0]:.2f} ever alert ({blind[1]})"
    for name, days in ((ASSOCIATION, 365), (TICKET, 30)):
        late = metrics.delay(watched.paths[name], float(np.log(days)), watched.labels)
        estimate = late.days, late.days - 1.96 * late.error, late.days + 1.96 * late.error
        told = f"association alone decays: mean days to the alert, {name}, guaranteed A={days}"
        rows.append(at_most(told, ASSOCIATION_DAYS, estimate, beside=beside))
    return rows


def _cohort(found: Found, labels: int) -> dict[str, Any]:
    threshold = float(np.log(365))
    ours, alone = Mode(FAMILY, FAMILY, threshold, 365), Mode(A1, A1, threshold, 365)
    told = f"{ONE_COHORT}: delay of all traffic alone over that of the family, both guaranteed A=365"
    beside = _against(found, labels, ONE_COHORT, ours, alone)
    return at_least(told, COHORT_RATIO, _ratio(found, labels, ONE_COHORT, alone, ours), beside=beside)


def _ratio(found: Found, labels: int, scenario: str, slow: Mode, fast: Mode) -> Estimate:
    paths = found[scenario, labels].paths
    return metrics.delay_ratio((paths[slow.detector], slow.threshold), (paths[fast.detector], fast.threshold))


def _against(found: Found, labels: int, scenario: str, ours: Mode, rival: Mode) -> str:
    watched = found[scenario, labels]
    mine, other = (metrics.delay(watched.paths[m.detector], m.threshold, watched.labels) for m in (ours, rival))
    return f"{mine.days:.1f} days ({mine.labels:,.0f} labels) against {other.days:.1f} ({other.labels:,.0f})"


def _at_default_weights(found: Found, labels: int, scenario: str) -> str:
    watched = found[scenario, labels]
    return f"default weights {metrics.delay(watched.paths[FAMILY], float(np.log(365)), watched.labels).days:.1f}"
