"""Is a claim confirmed as seldom as promised where it is wrong, and soon where it is right?"""

import numpy as np
import pytest

from monitor.statistics.claims import DailySums, blend, log_evidence, start_masses

DAYS, UNITS, RUNS, LEVEL = 168, 100, 400, np.log(20)
LOOKS = range(14, DAYS + 1, 14)


def binary(rng: np.random.Generator, expected: float, share: float, days: int = DAYS, units: int = UNITS) -> DailySums:
    """Effects expected - success of units that succeed with a chance of `share`."""
    wins = rng.binomial(units, share, days).astype(float)
    lost = units - wins
    return DailySums(
        np.full(days, float(units)),
        expected * units - wins,
        wins * (expected - 1) ** 2 + lost * expected**2,
    )


def ever(sums: DailySums, bound: float, masses: np.ndarray) -> bool:
    """Whether on any day looked at, one in a fortnight, there is a start with enough evidence."""
    return any(evidence(sums, bound, masses, day) >= LEVEL for day in LOOKS)


def evidence(sums: DailySums, bound: float, masses: np.ndarray, day: int) -> float:
    return float(log_evidence(DailySums(*(part[:day] for part in vars(sums).values())), bound, masses[:day]).max())


@pytest.mark.parametrize("deployments", [[], range(0, DAYS, 14)])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_claim_at_its_boundary_is_ever_confirmed_as_seldom_as_promised(
    sign: int, share: float, deployments: list[int]
) -> None:
    """Promised .05; the Monte-Carlo error of 400 runs is .011."""
    rng = np.random.default_rng([sign + 1, int(share * 100)])
    masses = start_masses(DAYS, deployments)
    streams = (binary(rng, share + 0.01, share) for _ in range(RUNS))
    wrong = sum(ever(sums if sign > 0 else -sums, sign * 0.01, masses) for sums in streams)
    assert wrong / RUNS <= 0.05


def test_any_rule_that_keeps_the_mean_down_is_within_the_promise() -> None:
    """The chance of a day follows the days before; only the mean given the past is held at the bound."""
    rng = np.random.default_rng(5)
    share, rows = np.full(RUNS, 0.5), []
    for _ in range(DAYS):
        wins = rng.binomial(20, share)
        total = 20 * share - wins
        rows.append((np.full(RUNS, 20.0), total, wins * (share - 1) ** 2 + (20 - wins) * share**2))
        share = np.where(total > 0, 0.95, 0.3)
    runs = np.array(rows).transpose(2, 1, 0)
    masses = start_masses(DAYS, [])
    assert np.mean([ever(DailySums(*run), 0.0, masses) for run in runs]) <= 0.05


def test_a_loss_is_confirmed_soon_after_it_begins() -> None:
    """4 points from day 56 on, against a bound of 1.4: measured .43 within 56 days and .96 within 112."""
    rng = np.random.default_rng(7)
    masses, found = start_masses(DAYS, range(0, DAYS, 14)), []
    for _ in range(100):
        quiet, worse = binary(rng, 0.7, 0.7, days=56), binary(rng, 0.7, 0.66, days=112)
        parts = (np.concatenate(pair) for pair in zip(vars(quiet).values(), vars(worse).values(), strict=True))
        sums = DailySums(*parts)
        found.append([evidence(sums, 0.014, masses, day) >= LEVEL for day in (112, 168)])
    assert np.mean(found, axis=0) == pytest.approx([0.45, 0.95], abs=0.15)


def test_nothing_is_claimed_without_a_unit() -> None:
    nothing = np.zeros(DAYS)
    assert log_evidence(DailySums(nothing, nothing, nothing), 0.0, start_masses(DAYS, [3])).max() <= 0


def test_evidence_never_starts_with_more_than_one() -> None:
    assert start_masses(10_000, range(0, 10_000, 3)).sum() <= 1


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_a_blend_of_two_tied_scores_of_one_unit_is_within_the_promise(share: float) -> None:
    """Both scores of a unit are the same success, the second is known of some units only. Promised .05."""
    rng = np.random.default_rng(int(share * 10))
    masses, wrong = start_masses(DAYS, []), 0
    for _ in range(RUNS):
        effects = (rng.random((DAYS, UNITS)) < 0.4) - 0.4
        few = effects[:, : int(UNITS * share)]
        sums = (DailySums(np.full(DAYS, e.shape[1]), e.sum(axis=1), (e**2).sum(axis=1)) for e in (effects, few))
        wrong += ever(blend(*sums, 0.5), 0.0, masses)
    assert wrong / RUNS <= 0.05
