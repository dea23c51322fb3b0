"""Do the intervals and gates keep what they promise? Shares measured on simulated labels and judges.

`python -m tests.benchmarks.interval_table --runs 4000` writes tests/benchmarks/results/interval_table.{json,md}.
The tests of monitor/statistics run the same functions with fewer runs.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from monitor.statistics.anytime import GatePath, _judge_weights, _log_evidence, gate_path
from monitor.statistics.bounded import betting_upper, exact_interval, mean_bounds
from monitor.statistics.intervals import empirical_bernstein
from monitor.statistics.multiplicity import all_pass, e_bh, e_lond
from monitor.statistics.non_inferiority import margin_test
from monitor.statistics.prediction_powered import (
    Estimate,
    estimate_mean,
    judged_bounds,
    stratified_mean,
    weighted_mean,
)
from tests.benchmarks.results_file import save

Array = np.ndarray
MARGIN = 0.03
ALPHA = 0.05


def three_judges(rng: np.random.Generator, items: int) -> tuple[Array, Array]:
    """Outcomes of mean .5 and three judges of decreasing skill who all flatter."""
    quality = rng.normal(size=items)
    outcome = (rng.random(items) < 1 / (1 + np.exp(-2.5 * quality))).astype(float)
    seen = 2.5 * quality[:, None] + 0.5 + rng.normal(size=(items, 3)) * [0.7, 1.0, 1.5]
    return outcome, 1 / (1 + np.exp(-seen))


def flattering_judge(chance: float, blind: float, rng: np.random.Generator, items: int) -> tuple[Array, Array]:
    """A judge that passes a share of the failures and errs no other way."""
    outcome = (rng.random(items) < chance).astype(float)
    return outcome, np.where(rng.random(items) < blind, 1.0, outcome)


def paired(mean: float, correlation: float, rng: np.random.Generator, *shape: int) -> tuple[Array, Array]:
    """Effects in {-1, 0, 1} with a fifth of discordant pairs, and a judge's effects of this correlation."""
    effect, other = (_discordant(mean, rng.random(shape)) for _ in range(2))
    return effect, np.where(rng.random(shape) < correlation, effect, other)


def _discordant(mean: float, drawn: Array) -> Array:
    return np.where(drawn < 0.1 + mean / 2, 1.0, np.where(drawn < 0.2, -1.0, 0.0))


def judged_coverage(n: int, runs: int, others: int = 3000, confidence: float = 0.9) -> dict[str, float]:
    """Coverage of `judged_bounds` with three judges, and how much the judges saved."""
    rng = np.random.default_rng(n)
    rows = []
    for _ in range(runs):
        outcome, judged = three_judges(rng, n + others)
        found = judged_bounds(outcome[:n], judged[:n], judged[n:], confidence, binary=True)
        rows.append((found.low <= 0.5 <= found.high, found.method == "judged", found.value, outcome[:n].mean()))
    covered, used, value, plain = np.array(rows, float).T
    return {"coverage": covered.mean(), "judged": used.mean(), "saving": plain.var() / value.var()}


def saving(n: int, runs: int, correlation: float = 0.7) -> tuple[float, float]:
    """Effective labels per label with N = 17 n: measured over runs, and as the estimates say (median)."""
    rng = np.random.default_rng(n)
    rows = []
    for _ in range(runs):
        effect, judged = paired(MARGIN, correlation, rng, 18 * n)
        found = estimate_mean(effect[:n], judged[:n], judged[n:])
        rows.append((found.value, effect[:n].mean(), found.effective / n))
    value, plain, told = np.array(rows).T
    return float(plain.var() / value.var()), float(np.median(told))


def one_way_misses(chance: float, blind: float, n: int, runs: int) -> dict[str, float]:
    """Low ends above the truth, of the bare t interval and of `judged_bounds`; each promised .05 at most."""
    rng = np.random.default_rng(n)
    rows = []
    for _ in range(runs):
        outcome, judged = flattering_judge(chance, blind, rng, 18 * n)
        bare = estimate_mean(outcome[:n], judged[:n], judged[n:])
        reach = float(stats.t.ppf(0.95, n - 1)) * bare.variance**0.5
        found = judged_bounds(outcome[:n], judged[:n], judged[n:], 0.9, binary=True)
        rows.append((bare.value - reach > chance, found.low > chance, found.high < chance))
    bare_low, low, high = np.array(rows, float).mean(axis=0)
    return {"bare": bare_low, "low": low, "high": high}


def strata_coverage(runs: int) -> float:
    """Coverage (.90 promised) of three cohorts with 25, 60 and 100 labels and unlike judges."""
    rng = np.random.default_rng(3)
    shares, sizes, shifts = [0.5, 0.3, 0.2], [25, 60, 100], [0.0, 1.0, -1.0]
    population = [_cohort(np.random.default_rng(0), 200_000, shift)[0].mean() for shift in shifts]
    truth = float(np.dot(shares, population))
    covered = 0
    for _ in range(runs):
        parts: list[Estimate] = []
        for n, shift in zip(sizes, shifts, strict=True):
            outcome, judged = _cohort(rng, n + 800, shift)
            parts.append(estimate_mean(outcome[:n], judged[:n], judged[n:]))
        found = stratified_mean(parts, shares).bounds(0.9)
        covered += found.low <= truth <= found.high
    return covered / runs


def _cohort(rng: np.random.Generator, items: int, shift: float) -> tuple[Array, Array]:
    quality = rng.normal(size=items) + shift
    outcome = (rng.random(items) < 1 / (1 + np.exp(-2 * quality))).astype(float)
    return outcome, np.tanh(quality + rng.normal(size=items))


def weighted_coverage(runs: int, items: int = 3000) -> dict[str, float]:
    """Coverage (.90 promised) where items the judge doubts are labelled four times as often."""
    rng = np.random.default_rng(4)
    rows = []
    for _ in range(runs):
        outcome, judged = three_judges(rng, items)
        chances = np.where(np.abs(judged[:, 0] - 0.5) < 0.3, 0.12, 0.03)
        taken = rng.random(items) < chances
        found = weighted_mean(outcome[taken], judged[taken], chances[taken], judged)
        bounds = found.bounds(0.9)
        bare = outcome[taken].mean()
        rows.append((bounds.low <= 0.5 <= bounds.high, found.value, bare))
    covered, value, bare = np.array(rows, float).T
    return {"coverage": covered.mean(), "bias": value.mean() - 0.5, "bare_bias": bare.mean() - 0.5}


def margin_decisions(n: int, correlation: float, truth: float, runs: int, others: int = 10_000) -> dict[str, float]:
    """Shares of GO and NO-GO at margin 3 pt."""
    rng = np.random.default_rng(n)
    told = []
    for _ in range(runs):
        effect, judged = paired(truth, correlation, rng, n + others)
        told.append(margin_test(effect[:n], judged[:n], judged[n:], MARGIN).decision)
    return {answer: told.count(answer) / runs for answer in ("GO", "NO-GO")}


def anytime_paths(truth: float, correlation: float, planned: int, ratio: int, runs: int, seed: int = 0) -> GatePath:
    """Paths of many gates at once, ratio unlabelled prompts for each planned label."""
    effect, judged, unlabelled = _prompts(truth, correlation, planned, ratio, runs, seed)
    return gate_path(effect, judged, unlabelled, planned, MARGIN)


def known_mean_paths(
    truth: float, correlation: float, planned: int, ratio: int, runs: int, seed: int, less_favourable: bool
) -> GatePath:
    """The rule that was not taken: the judge's mean estimated once, or moved to its less favourable end."""
    effect, judged, unlabelled = _prompts(truth, correlation, planned, ratio, runs, seed)
    reach = unlabelled.std(axis=1, keepdims=True) / np.sqrt(planned * ratio) * stats.norm.ppf(1 - ALPHA / 20)
    weights = _judge_weights(effect, judged)
    ahead = effect - MARGIN - weights * (judged - unlabelled.mean(axis=1, keepdims=True))
    shift = np.abs(weights) * reach * less_favourable
    most = 1 + 2 * np.abs(weights) + MARGIN
    return GatePath(_log_evidence(-ahead - shift, most), _log_evidence(ahead - shift, most))


def _prompts(truth: float, correlation: float, planned: int, ratio: int, runs: int, seed: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    effect, judged = paired(truth, correlation, rng, runs, planned)
    return [effect, judged, paired(truth, correlation, rng, runs, planned * ratio)[1]]


def crossed(path: Array, alpha: float = ALPHA) -> tuple[float, float]:
    """Share of runs that ever cross, and the median labels until then (infinite if fewer than half do)."""
    hit = path >= -np.log(alpha)
    labels = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1.0, np.inf)
    return float(hit.any(axis=1).mean()), float(np.median(labels))


def rare_misses(n: int, up: float, down: float, runs: int) -> dict[str, float]:
    """Two-sided misses (.05 promised) for effects that are rarely +1 or -1: betting, `mean_bounds`, Bernstein, t."""
    drawn = np.random.default_rng(n).random((runs, n))
    effects = np.where(drawn < up, 1.0, np.where(drawn < up + down, -1.0, 0.0))
    truth, mean, spread = up - down, effects.mean(axis=1), effects.std(axis=1, ddof=1)
    high, low = betting_upper(effects, 0.025), -betting_upper(-effects, 0.025)
    bernstein = np.array([empirical_bernstein(n, s * s * (n - 1)) for s in spread])
    chosen = [mean_bounds(row) for row in effects[: runs // 4]]
    t = stats.t.ppf(0.975, n - 1) * spread / np.sqrt(n)
    return {
        "betting": float(np.mean((truth > high) | (truth < low))),
        "chosen": float(np.mean([not found.low <= truth <= found.high for found in chosen])),
        "bernstein": float(np.mean(np.abs(mean - truth) > bernstein)),
        "t": float(np.mean(np.abs(mean - truth) > t)),
        "betting_excess": float(np.mean(high - mean)),
        "bernstein_excess": float(np.mean(bernstein)),
    }


def binomial_worst(n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Smallest coverage over true chances, of Clopper-Pearson and of mid-p, computed without chance."""
    chances = np.linspace(0.001, 0.999, 999)
    k = np.arange(n + 1)
    mass = stats.binom.pmf(k[:, None], n, chances)
    ends = np.array([exact_interval(int(each), n, confidence) for each in k])
    exact = (ends[:, :1] <= chances) & (chances <= ends[:, 1:])
    below = stats.binom.cdf(k[:, None], n, chances) - mass / 2
    mid = (below > (1 - confidence) / 2) & (1 - below > (1 - confidence) / 2)
    return float((mass * exact).sum(axis=0).min()), float((mass * mid).sum(axis=0).min())


def false_discoveries(runs: int, nulls: int = 16, planted: int = 4) -> dict[str, float]:
    """False discovery rate of e-BH and e-LOND (.05 promised) with correlated nulls, and their power."""
    rng = np.random.default_rng(9)
    shared = rng.normal(size=(runs, 1))
    shift = np.where(np.arange(nulls) % (nulls // planted) == 0, 3.0, 0.0)
    values = 0.7 * shared + np.sqrt(1 - 0.49) * rng.normal(size=(runs, nulls)) + shift
    evidence = np.exp(3.0 * values - 4.5)
    result = {}
    for name, rule in (("e_bh", e_bh), ("e_lond", e_lond)):
        found = np.array([rule(row) for row in evidence])
        false = (found & (shift == 0)).sum(axis=1) / np.maximum(found.sum(axis=1), 1)
        result |= {name: float(false.mean()), f"{name}_power": float(found[:, shift > 0].mean())}
    return result


def cohort_gate(runs: int, at_margin: int, n: int = 800, cohorts: int = 5) -> float:
    """Share of GO when every cohort must pass and some lie at the margin."""
    rng = np.random.default_rng(5)
    truths = np.where(np.arange(cohorts) < at_margin, MARGIN, -0.03)
    effects = _discordant(truths[:, None], rng.random((runs, cohorts, n)))
    z = (effects.mean(axis=2) - MARGIN) / effects.std(axis=2, ddof=1) * np.sqrt(n)
    return float(np.mean([all_pass(row) for row in stats.t.cdf(z, n - 1)]))


def rows(runs: int) -> Iterator[dict[str, Any]]:
    for n in (10, 20, 30, 50, 100, 200, 300):
        found = judged_coverage(n, runs)
        yield _row("PPI++, three judges, coverage", f"n {n}, N 3000", ".90", found["coverage"], _besides(found))
    for n in (50, 100, 300):
        measured, told = saving(n, runs)
        yield _row("effective labels a label", f"correlation .7, n {n}, N 17 n", "1.86", measured, f"told {told:.2f}")
    for chance, blind, n in ((0.8, 0.1, 100), (0.8, 0.1, 200), (0.8, 0.3, 100), (0.5, 0.1, 100), (0.9, 0.3, 200)):
        found = one_way_misses(chance, blind, n, runs)
        setting = f"success {chance}, judge passes {blind} of failures, n {n}"
        yield _row("judge that errs one way, low end missed", setting, "<= .05", found["low"], _besides(found))
    yield _row("PPI++, strata, coverage", "25, 60, 100 labels", ".90", strata_coverage(runs), "")
    found = weighted_coverage(runs)
    yield _row("PPI++, unequal chances, coverage", "3000 items, .12 or .03", ".90", found["coverage"], _besides(found))
    yield from _decisions(runs)
    for n, up, down in ((50, 0.02, 0.01), (200, 0.02, 0.01), (800, 0.1, 0.1)):
        found = rare_misses(n, up, down, runs)
        yield _row("bounded effects, misses", f"+1 {up}, -1 {down}, n {n}", "<= .05", found["betting"], _besides(found))
    for n in (10, 30, 100):
        exact, mid = binomial_worst(n)
        yield _row("exact binomial, worst coverage", f"n {n}", ">= .95", exact, f"mid-p {mid:.3f}")
    found = false_discoveries(runs)
    yield _row("e-BH, false discoveries", "16 nulls, 4 planted", "<= .05", found["e_bh"], _besides(found))
    yield _row("e-LOND, false discoveries", "16 weeks, 4 planted", "<= .05", found["e_lond"], "")
    for at_margin in (1, 0):
        share = cohort_gate(min(runs, 2000), at_margin)
        yield _row("all cohorts pass", f"{at_margin} of 5 at the margin, n 800", "<= .05" * at_margin, share, "")


def _decisions(runs: int) -> Iterator[dict[str, Any]]:
    for correlation, n in ((0.0, 1374), (0.5, 1064), (0.7, 748), (0.85, 422)):
        go = margin_decisions(n, correlation, 0.0, runs)["GO"]
        at_margin = margin_decisions(n, correlation, MARGIN, 4 * runs)
        setting = f"margin 3 pt, correlation {correlation}, n {n}, N 10,000"
        yield _row("non-inferiority, power", setting, ".80", go, "")
        yield _row("non-inferiority, error", setting, ".05", at_margin["GO"], f"NO-GO {at_margin['NO-GO']:.3f}")
    for correlation, ratio in ((0.0, 1), (0.7, 1), (0.7, 5), (0.7, 20), (0.95, 1)):
        setting = f"correlation {correlation}, N {ratio} x 3000"
        make = partial(anytime_paths, correlation=correlation, planned=3000, ratio=ratio, runs=50)
        yield from _gate_rows("fresh batches", setting, make, runs)
        if correlation:
            make = partial(known_mean_paths, correlation=correlation, planned=3000, ratio=ratio, runs=50)
            yield from _gate_rows("mean estimated once", setting, partial(make, less_favourable=False), runs)
            yield from _gate_rows("less favourable end", setting, partial(make, less_favourable=True), runs)


def _gate_rows(name: str, setting: str, make: Callable[..., GatePath], runs: int) -> Iterator[dict[str, Any]]:
    alpha = 0.9 * ALPHA if name == "less favourable end" else ALPHA
    for truth, promised in ((MARGIN, "<= .05"), (0.0, ""), (-0.02, ""), (0.06, "")):
        paths = [make(truth=truth, seed=seed) for seed in range(min(runs, 1000) // 50)]
        go, go_labels = crossed(np.concatenate([path.go for path in paths]), alpha)
        no, no_labels = crossed(np.concatenate([path.no_go for path in paths]), alpha)
        besides = f"median labels {go_labels:.0f}; NO-GO {no:.3f}, {no_labels:.0f}".replace("inf", "-")
        yield _row(f"anytime gate, {name}, GO", f"{setting}, harm {truth:+.2f}", promised, go, besides)


def _row(question: str, setting: str, promised: str, measured: float, besides: str) -> dict[str, Any]:
    return {
        "question": question,
        "setting": setting,
        "promised": promised,
        "measured": f"{measured:.3f}",
        "besides": besides,
    }


def _besides(found: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in found.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    error = f"{np.sqrt(0.9 * 0.1 / runs):.4f} at .90, {np.sqrt(0.95 * 0.05 / runs):.4f} at .05"
    save(
        "interval_table",
        "Intervals and gates against their promises",
        "coverage within .01 of what is promised, errors at most what is promised",
        list(rows(runs)),
        {
            "runs": runs,
            "runs_of_a_gate": min(runs, 1000),
            "runs_of_an_error_at_the_margin": 4 * runs,
            "Monte_Carlo_error": error,
        },
    )


if __name__ == "__main__":
    main()
