"""What share of weekly gates can decide, at which error, from how many labels, and under which assumption?

Five protected cohorts of equal traffic; at most 3 points of harm; alpha .05 for a wrong GO and a wrong NO-GO. Paired
effects differ from 0 in a fifth of the prompts; a judge says what a person said with chance rho, else something
unrelated, and scores 20 further prompts a label. GO: all traffic and each cohort pass. NO-GO: any is shown harmed, by
Holm. Rules: own units (each cohort alone, 3 points), spread 1 pt (declared: no cohort further than that from the
average), cohorts 10 pt (all traffic at 3 points, each cohort alone at 10). Looks: the k-th at the same candidate may
spend alpha / (k (k + 1)). Carried: decided by week 1, by week 12, and the share of all gates held that decided.

`python -m tests.benchmarks.decision_table` writes tests/benchmarks/results/decision_table.{json,md}; `--quick` runs a
few of each and writes nothing.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from monitor.statistics.anytime import gate_path
from monitor.statistics.carried import Carried, Week, carried, carried_decision, look_alpha
from monitor.statistics.label_draw import draw_chances, systematic_draw
from monitor.statistics.multiplicity import all_pass, e_lond, holm
from monitor.statistics.pooling import CohortSample, PastGate, cohort_tests
from monitor.statistics.sample_test import SampleTest, sample_test
from tests.benchmarks.interval_table import paired
from tests.benchmarks.results_file import MACHINE, RESULTS, _table

Array = np.ndarray
COHORTS, MARGIN, WIDE, ALPHA = 5, 0.03, 0.10, 0.05
OTHERS = 20  # scored prompts a label
PAST, WEEKS = 26, 12
HARMS = {"unchanged": 0.0, "2 points better": -0.02, "6 points worse": 0.06}
RULES = ("own units", "spread 1 pt", "cohorts 10 pt")


class World(NamedTuple):
    """Where labels come from. rho: of the judge; None: outcomes without a pair, against a frozen baseline."""

    name: str
    rho: float | None


UNPAIRED, PAIRED = World("unpaired, success .8", None), World("paired", 0.0)
JUDGED = [World(f"paired, judge {rho}", rho) for rho in (0.5, 0.7, 0.85)]
CHOSEN = World("paired, judge .7, labels chosen", -1.0)


def drawn(world: World, harms: Array, n: int, rng: np.random.Generator) -> dict[str, CohortSample]:
    """A week's labels of each cohort."""
    return {f"cohort {place}": _cohort(world, harm, n, rng) for place, harm in enumerate(harms.tolist())}


def _cohort(world: World, harm: float, n: int, rng: np.random.Generator) -> CohortSample:
    if world.rho is None:  # a baseline of 4,000 units a cohort
        baseline = rng.binomial(4000, 0.8) / 4000
        return CohortSample(baseline - (rng.random(n) < 0.8 - harm), 1.0, baseline_error=float(np.sqrt(0.16 / 4000)))
    if world.rho < 0:
        return _chosen(harm, n, rng)
    if not world.rho:
        return CohortSample(paired(harm, 0.0, rng, n)[0], 1.0)
    effect, judged = paired(harm, world.rho, rng, n * (1 + OTHERS))
    return CohortSample(effect[:n], 1.0, judged[:n], judged[n:])


def _chosen(harm: float, n: int, rng: np.random.Generator) -> CohortSample:
    """Three tenths of the prompts are open (judges disagree, six tenths of pairs differ), the rest nearly all tie."""
    items = n * (1 + OTHERS)
    hard = rng.random(items) < 0.3
    differs = np.where(hard, 0.6, 0.03)
    mean = harm * differs / 0.201
    effect, other = (_signed(differs, mean, rng.random(items)) for _ in range(2))
    judged = np.where(rng.random(items) < 0.7, effect, other)
    scores = np.stack([judged, hard], axis=1)
    chances = draw_chances(np.sqrt(differs), n, 0.2)
    taken = systematic_draw(chances, np.lexsort((rng.random(items), hard)), rng.random())
    return CohortSample(effect[taken], 1.0, scores[taken], chances=chances[taken], everyone=scores)


def _signed(differs: Array, mean: Array, lot: Array) -> Array:
    return np.where(lot < (differs + mean) / 2, 1.0, np.where(lot < differs, -1.0, 0.0))


def together(cohorts: Mapping[str, CohortSample], tolerance: float, alpha: float) -> SampleTest:
    """All traffic: cohorts have equal shares and equally many labels."""
    parts = list(cohorts.values())

    def joined(name: str) -> Array | None:
        found = [getattr(one, name) for one in parts]
        return None if found[0] is None else np.concatenate(found)

    keys = {name: joined(name) for name in ("judged", "unlabelled", "chances", "everyone")}
    error = float(np.sqrt(sum(one.baseline_error**2 for one in parts))) / len(parts)
    effects = np.concatenate([one.effects for one in parts])
    return sample_test(effects, tolerance, baseline_error=error, alpha=alpha, **keys)


def answers(
    cohorts: Mapping[str, CohortSample], alpha: float, rng: np.random.Generator, refused: bool
) -> dict[str, str]:
    """What each rule says of one gate: GO by intersection-union, NO-GO by Holm over all traffic and the cohorts."""
    whole = together(cohorts, MARGIN, alpha)
    found = cohort_tests(cohorts, MARGIN, spread=0.01, alpha=alpha)
    rules = {"own units": found.own, "spread 1 pt": found.tests, "cohorts 10 pt": _wide(found.own)}
    if refused:
        rules |= _rivals(cohorts, found.own, alpha, rng)
    told = {rule: answer([whole, *tests.values()], alpha) for rule, tests in rules.items()}
    worse = {
        f"{rule}, or shown worse": "NO-GO" if whole.low > 0 and said != "GO" else said for rule, said in told.items()
    }
    return told | worse


def _wide(own: Mapping[str, SampleTest]) -> dict[str, SampleTest]:
    """The same bounds held against 10 points; that a cohort is shown more than 10 points worse hardly happens here."""
    return {name: replace(one, p_safe=float(one.high >= WIDE), p_harm=1.0) for name, one in own.items()}


def _rivals(
    cohorts: Mapping[str, CohortSample], own: Mapping[str, SampleTest], alpha: float, rng: np.random.Generator
) -> dict[str, Mapping[str, SampleTest]]:
    """A wider spread; a spread from a history of cohorts that never differed; pooling where cohorts look alike."""
    reach = 2 * special.ndtri(1 - alpha)
    error = float(np.mean([(one.high - one.low) / reach for one in own.values()]))
    past = [PastGate(rng.normal(0, error, COHORTS), np.full(COHORTS, error**2)) for _ in range(PAST)]
    values = np.array([one.value for one in own.values()])
    alike = special.chdtrc(COHORTS - 1, float(((values - values.mean()) ** 2).sum()) / error**2) > 0.1
    return {
        "spread 2 pt": cohort_tests(cohorts, MARGIN, spread=0.02, alpha=alpha).tests,
        "26 past gates, alike": cohort_tests(cohorts, MARGIN, past=past, alpha=alpha).tests,
        "pooled if they look alike (refused)": cohort_tests(cohorts, MARGIN, spread=0.0, alpha=alpha).tests
        if alike
        else own,
    }


def answer(tests: list[SampleTest], alpha: float) -> str:
    if all_pass(np.array([one.p_safe for one in tests]), alpha):
        return "GO"
    return "NO-GO" if holm(np.array([one.p_harm for one in tests]), alpha).any() else "INCONCLUSIVE"


def week_shares(
    world: World, harms: Array, labels: int, runs: int, refused: bool = False
) -> dict[str, dict[str, float]]:
    """Shares of GO and NO-GO of one week's gates, by rule."""
    rng = np.random.default_rng([labels, runs, int(1000 * (2 + (world.rho if world.rho is not None else 2)))])
    n = 7 * labels // COHORTS
    found = [answers(drawn(world, harms, n, rng), ALPHA, rng, refused) for _ in range(runs)]
    return {
        rule: {what: float(np.mean([one[rule] == what for one in found])) for what in ("GO", "NO-GO")}
        for rule in found[0]
    }


def all_alike(harm: float) -> Array:
    return np.full(COHORTS, harm)


def one_apart(harm: float, rest: float = 0.0) -> Array:
    return np.array([harm] + [rest] * (COHORTS - 1))


def week_rows(world: World, runs: int) -> Iterator[dict[str, Any]]:
    """One week at 100 labels a day, by the kind of labels."""
    shares = {name: week_shares(world, all_alike(harm), 100, runs) for name, harm in HARMS.items()}
    wrong = week_shares(world, one_apart(MARGIN), 100, runs)
    for rule in RULES:
        yield _week_row(world.name, rule, shares, wrong[rule]["GO"])


def _week_row(
    name: str, rule: str, shares: Mapping[str, Mapping[str, Mapping[str, float]]], wrong: float
) -> dict[str, Any]:
    known = {case: one[rule] for case, one in shares.items()}
    worse = {case: one[f"{rule}, or shown worse"] for case, one in shares.items()}
    return {
        "labels": name,
        "rule": rule,
        "unchanged GO": _told(known["unchanged"]["GO"]),
        "unchanged NO-GO": _told(known["unchanged"]["NO-GO"]),
        "better GO": _told(known["2 points better"]["GO"]),
        "worse NO-GO": _told(known["6 points worse"]["NO-GO"]),
        "worse GO": _told(known["6 points worse"]["GO"]),
        "decided, mean of three": _told(_decided(known)),
        "GO, one cohort at 3 pt, others 0": _told(wrong),
        "NO-GO once shown worse at all: unchanged, worse, decided": ", ".join(
            _told(share) for share in (worse["unchanged"]["NO-GO"], worse["6 points worse"]["NO-GO"], _decided(worse))
        ),
    }


def _decided(shares: Mapping[str, Mapping[str, float]]) -> float:
    return float(np.mean([one["GO"] + one["NO-GO"] for one in shares.values()]))


def curve_rows(world: World, runs: int) -> Iterator[dict[str, Any]]:
    """The same against labels a day."""
    for labels in (20, 50, 100, 200, 400):
        shares = {name: week_shares(world, all_alike(harm), labels, runs) for name, harm in HARMS.items()}
        for rule in RULES:
            found = {name: one[rule]["GO"] + one[rule]["NO-GO"] for name, one in shares.items()}
            yield {
                "labels": world.name,
                "a day": labels,
                "rule": rule,
                **{name: _told(share) for name, share in found.items()},
                "decided, mean of three": _told(float(np.mean(list(found.values())))),
            }


def false_rows(runs: int) -> Iterator[dict[str, Any]]:
    """What each rule says wrongly when its assumption holds and when it does not (100 a day, judge .7)."""
    cases = {
        "all at 3 pt": all_alike(MARGIN),
        "one at 3 pt, others 1.75 (1 pt from the average)": one_apart(MARGIN, 0.0175),
        "one at 3 pt, others .5 (2 pt)": one_apart(MARGIN, 0.005),
        "one at 3 pt, others 0 (2.4 pt)": one_apart(MARGIN),
        "one at 6 pt, others 0 (4.8 pt)": one_apart(0.06),
        "one at 10 pt, others 0 (8 pt)": one_apart(WIDE),
    }
    shares = {name: week_shares(JUDGED[1], harms, 100, runs, refused=True) for name, harms in cases.items()}
    for rule in [*RULES, "spread 2 pt", "26 past gates, alike", "pooled if they look alike (refused)"]:
        yield {"GO wrongly, rule": rule, **{name: _told(one[rule]["GO"]) for name, one in shares.items()}}


def carried_rows(world: World, runs: int) -> Iterator[dict[str, Any]]:
    """A candidate stays in canary until decided, at most 12 weeks: share of all its gates that decide."""
    ways: dict[str, Callable[[World, Array, np.random.Generator], tuple[str, int]]] = {
        "own units, e-values": _by_evidence,
        **{f"{rule}, looks": partial(_by_looks, rule) for rule in RULES},
    }
    for name, way in ways.items():
        rng = np.random.default_rng(len(world.name))
        found = {case: [way(world, all_alike(harm), rng) for _ in range(runs)] for case, harm in HARMS.items()}
        wrong = [way(world, one_apart(MARGIN), rng)[0] == "GO" for _ in range(runs)]
        yield {
            "labels": world.name,
            "way": name,
            **{case: _carried_cell(one) for case, one in found.items()},
            "share of gates, mean of three": _told(float(np.mean([_gate_share(one) for one in found.values()]))),
            "GO ever, one cohort at 3 pt, others 0": _told(float(np.mean(wrong))),
        }


def _by_looks(rule: str, world: World, harms: Array, rng: np.random.Generator) -> tuple[str, int]:
    n = 7 * 100 // COHORTS
    seen: dict[str, CohortSample] = {}
    for week in range(1, WEEKS + 1):
        fresh = drawn(world, harms, n, rng)
        seen = {name: _longer(seen[name], one) for name, one in fresh.items()} if seen else fresh
        alpha = look_alpha(week, ALPHA)
        found = answers(seen, alpha, rng, refused=False)[rule]
        if found != "INCONCLUSIVE":
            return found, week
    return "INCONCLUSIVE", WEEKS


def _longer(seen: CohortSample, more: CohortSample) -> CohortSample:
    def joined(name: str) -> Array | None:
        first, second = getattr(seen, name), getattr(more, name)
        return None if first is None else np.concatenate([first, second])

    effects = np.concatenate([seen.effects, more.effects])
    return CohortSample(effects, 1.0, joined("judged"), joined("unlabelled"))


def _by_evidence(world: World, harms: Array, rng: np.random.Generator) -> tuple[str, int]:
    n = 7 * 100 // COHORTS
    rho = world.rho or 0.0
    slices: dict[str, Carried] = {}
    weeks: dict[str, list[Week]] = {}
    for name, harm in [(f"cohort {place}", harm) for place, harm in enumerate(harms.tolist())]:
        weeks[name] = []
        for _ in range(WEEKS):
            effect, judged = paired(harm, rho, rng, n * (1 + OTHERS))
            weeks[name].append(Week("candidate", effect[:n], judged[:n], judged[n:]))
        slices[name] = carried(weeks[name], MARGIN, OTHERS if rho else 0)
    slices["all"] = carried(
        [_mixed(week, rng) for week in zip(*weeks.values(), strict=True)], MARGIN, OTHERS if rho else 0
    )
    return carried_decision(slices, ALPHA)


def _mixed(parts: tuple[Week, ...], rng: np.random.Generator) -> Week:
    """All traffic of a week, in an order blind to cohorts."""
    effects, judged, unlabelled = (
        np.concatenate([getattr(one, side) for one in parts]) for side in ("effects", "judged", "unlabelled")
    )
    order, beside = rng.permutation(effects.size), rng.permutation(unlabelled.size)
    return Week("candidate", effects[order], judged[order], unlabelled[beside])


def _carried_cell(found: list[tuple[str, int]]) -> str:
    week, decided = np.array([one[1] for one in found]), np.array([one[0] != "INCONCLUSIVE" for one in found])
    first = float((decided & (week == 1)).mean())
    return f"week 1 {_told(first)}, by 12 {_told(float(decided.mean()))}, of gates {_told(_gate_share(found))}"


def _gate_share(found: list[tuple[str, int]]) -> float:
    return sum(one[0] != "INCONCLUSIVE" for one in found) / sum(one[1] for one in found)


def candidate_rows(runs: int) -> Iterator[dict[str, Any]]:
    """NO-GO over a year of weekly candidates, a third 6 points worse: e-LOND against alpha each week."""
    for labels in (700, 2800, 7000):
        for rest in (0.0, MARGIN):
            rng = np.random.default_rng(labels)
            found = np.array([_year(labels, rest, rng) for _ in range(runs)]).mean(axis=0)
            yield {
                "labels a candidate": labels,
                "harm of the others": rest,
                "e-LOND, worse ones called": _told(float(found[0])),
                "false discoveries": _told(float(found[1])),
                "alpha each week, worse ones called": _told(float(found[2])),
                "false discoveries each week": _told(float(found[3])),
            }


def _year(labels: int, rest: float, rng: np.random.Generator, weeks: int = 52) -> tuple[float, float, float, float]:
    worse = rng.random(weeks) < 1 / 3
    harm, lot = np.where(worse, 0.06, rest)[:, None], rng.random((weeks, labels))
    effects = np.where(lot < 0.1 + harm / 2, 1.0, np.where(lot < 0.2, -1.0, 0.0))
    path = gate_path(effects, np.zeros_like(effects), np.zeros((weeks, 0)), labels, MARGIN)
    by_lond = e_lond(np.exp(path.no_go[:, -1]), ALPHA)
    alone = np.array([sample_test(one, MARGIN).p_harm < ALPHA for one in effects])
    return (*_discoveries(by_lond, worse), *_discoveries(alone, worse))


def _discoveries(rejected: Array, worse: Array) -> tuple[float, float]:
    return float(rejected[worse].mean()) if worse.any() else 0.0, float(
        (rejected & ~worse).sum() / max(rejected.sum(), 1)
    )


def _told(share: float) -> str:
    return f"{share:.2f}" if share >= 0.095 or share == 0 else f"{share:.3f}"


def _part(which: tuple[Callable[..., Iterator[dict[str, Any]]], int]) -> tuple[list[dict[str, Any]], float]:
    rows, runs = which
    started = time.process_time()
    return list(rows(runs)), time.process_time() - started


PARTS: dict[str, list[Callable[[int], Iterator[dict[str, Any]]]]] = {
    "A candidate that stays in canary until decided, 100 labels a day": [
        partial(carried_rows, world) for world in (PAIRED, *JUDGED[1:])
    ],
    "When an assumption is false: wrongly GO, 100 labels a day, judge .7": [false_rows],
    "One week, 100 labels a day": [partial(week_rows, world) for world in (UNPAIRED, PAIRED, *JUDGED, CHOSEN)],
    "Labels a day": [partial(curve_rows, world) for world in JUDGED[1:]],
    "A year of weekly candidates, NO-GO of all traffic, labels alone": [candidate_rows],
}


def main(runs: int, quick: bool) -> str:
    """Run all parts over two processes; the page, written unless quick."""
    each = dict(zip(PARTS, (max(runs // 5, 1), 2 * runs, runs, runs, max(runs // 10, 1)), strict=True))
    jobs = [(name, rows) for name, kinds in PARTS.items() for rows in kinds]
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(_part, [(rows, each[name]) for name, rows in jobs]))
    carried_runs, false_runs, week_runs, _, years = each.values()
    details = {
        "runs": f"{week_runs} a figure, {false_runs} where an assumption is false, {carried_runs} carried,"
        f" {years} years",
        "Monte Carlo error": f"{_error(0.5, week_runs)} of a share of .50, {_error(0.05, false_runs)} of an error of"
        f" .05, {_error(0.5, carried_runs)} of a carried share of .50",
        "CPU seconds": round(sum(seconds for _, seconds in found)),
    }
    page = [f"# {__doc__.splitlines()[0]}", "", __doc__.split("\n\n")[1], "", f"Machine: {MACHINE}."]
    parts = {
        name: [row for (one, _), (rows, _) in zip(jobs, found, strict=True) if one == name for row in rows]
        for name in PARTS
    }
    for name, rows in parts.items():
        page += ["", f"## {name}", "", *_table(rows)]
    page += ["", *(f"- {key}: {value}" for key, value in details.items())]
    if not quick:
        (RESULTS / "decision_table.md").write_text("\n".join(page) + "\n")
        (RESULTS / "decision_table.json").write_text(
            json.dumps({"machine": MACHINE, **details, "parts": parts}, indent=1) + "\n"
        )
    return "\n".join(page)


def _error(share: float, runs: int) -> str:
    return f"{np.sqrt(share * (1 - share) / runs):.3f}"


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=200)
    asked.add_argument("--quick", action="store_true", help="a few runs of each, nothing written")
    given = asked.parse_args()
    print(main(4 if given.quick else given.runs, given.quick))
