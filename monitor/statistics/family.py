"""How is one false-alert budget shared over many series?

Each series gets a share of the restart mass; all together at most 1 a day. With a common threshold A the expected
number of false alerts in T days, over all series, under any dependence, is at most T / A (sum of their bounds).
"""

from collections.abc import Mapping, Sequence

SCORE_WEIGHTS = {"A1": 0.35, "A2": 0.15, "A7": 0.10, "A3": 0.05}  # over all traffic, summed before the threshold
SLICE_WEIGHT = 0.15  # shared by cohorts and arms
ESCAPE_WEIGHT = 0.05  # shared by the ways to escape being judged (A8)
CURVE_WEIGHT = 0.01  # of the over-optimisation curve (A5); the rest, .14, is kept for judges and voice


def slice_weights(traffic: Mapping[str, float]) -> dict[str, float]:
    """Mass a day of each slice, in proportion to its share of traffic; they sum to SLICE_WEIGHT.

    >>> {name: round(mass, 3) for name, mass in slice_weights({"tier=free": 0.8, "tier=paid": 0.2}).items()}
    {'tier=free': 0.12, 'tier=paid': 0.03}
    """
    total = sum(traffic.values())
    return {name: SLICE_WEIGHT * share / total for name, share in traffic.items()} if total > 0 else {}


def series_weight(series: str, mass: float | None = None) -> float:
    """Mass a day of one score's series: of all traffic (mass None), or of a slice with this mass for all scores.

    A score without a weight only explains (A4): 0.

    >>> series_weight("A1"), round(series_weight("A1", 0.13), 3), series_weight("A4")
    (0.35, 0.07, 0.0)
    """
    own = SCORE_WEIGHTS.get(series, 0.0)
    return own if mass is None else own / sum(SCORE_WEIGHTS.values()) * mass


def arm_traffic(arms: Sequence[str]) -> dict[str, float]:
    """Traffic of the arms that serve at once: together they count like all values of one cohort key.

    >>> arm_traffic(["a", "b"])
    {'checkpoint=a': 0.5, 'checkpoint=b': 0.5}
    """
    return {f"checkpoint={arm}": 1 / len(arms) for arm in arms}


def escape_weight(ways: int) -> float:
    """Mass a day of each of so many series of A8, which stand alone.

    >>> escape_weight(2)
    0.025
    """
    return ESCAPE_WEIGHT / ways


def curve_level(threshold: float) -> float:
    """Level of one daily look at the over-optimisation curve, so that it stays within its share of the budget.

    A test at level w / A on each of T days gives at most w T / A false alerts, under any dependence: what a series of
    mass w is allowed at threshold A.

    >>> round(curve_level(30.0), 6)
    0.000333
    """
    return CURVE_WEIGHT / threshold
