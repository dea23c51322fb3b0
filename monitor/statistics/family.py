"""How is one false-alert budget shared over many series?

Each series gets a share of the restart mass; all together at most 1 a day. With a common threshold A the expected
number of false alerts in T days, over all series, under any dependence, is at most T / A (sum of their bounds).
Source: Shin, Ramdas, Rinaldo 2022, arXiv:2203.03532 (the bound of one series).
"""

from collections.abc import Mapping, Sequence

SCORE_WEIGHTS = {"A1": 0.35, "A2": 0.15, "A7": 0.10, "A3": 0.05}  # over all traffic, summed before the threshold
SLICE_WEIGHT = 0.15  # shared by cohorts and arms
ESCAPE_WEIGHT = 0.05  # shared by the ways to escape being judged (A8)
CURVE_WEIGHT = 0.01  # of the over-optimisation curve (A5)
ANCHORED_WEIGHT = 0.04  # of all tests on anchor sets
VOICE_WEIGHT = 0.03  # of all tests of a checkpoint's voice
# Of all judges together, .07: B1 capture, B2 agreement, moves of items judged again (B6, M, S-, S+), bias.
JUDGE_WEIGHTS = {
    "B1": 0.035,
    "B2": 0.015,
    **dict.fromkeys(("B6", "M", "S-", "S+"), 0.0025),
    "B4": 0.002,
    "flips": 0.002,
    "first": 0.002,  # B4 for each of three cues
}
GUARD_SCORES = ("A1", "A2", "A7")  # the association alone warns of nothing, so it is no part of the guard
GUARD_ALPHA = 0.05  # chance that the guard is ever wrong; beside the budget in days, not part of it


def slice_weights(traffic: Mapping[str, float], risk: Mapping[str, float]) -> dict[str, float]:
    """Mass a day of each slice, in proportion to its share of traffic times its risk; they sum to SLICE_WEIGHT.

    traffic: by slice, not negative. risk: positive multipliers of some slices; 1 for the others. No mass at all where
    there is no traffic.

    >>> traffic = {"tier=free": 0.8, "tier=paid": 0.2}
    >>> {name: round(mass, 3) for name, mass in slice_weights(traffic, {}).items()}
    {'tier=free': 0.12, 'tier=paid': 0.03}
    >>> {name: round(mass, 3) for name, mass in slice_weights(traffic, {"tier=paid": 4.0}).items()}
    {'tier=free': 0.075, 'tier=paid': 0.075}
    """
    stakes = {name: share * risk.get(name, 1.0) for name, share in traffic.items()}
    most = max(stakes.values(), default=0.0)
    if not most > 0:
        return {}
    total = sum(stake / most for stake in stakes.values())  # of ratios: the sum of huge stakes would overflow
    return {name: SLICE_WEIGHT * (stake / most) / total for name, stake in stakes.items()}


def series_weight(series: str, mass: float | None = None) -> float:
    """Mass a day of one score's series: of all traffic (mass None), or of a slice with this mass for all scores.

    A score without a weight only explains (A4): 0.

    >>> series_weight("A1"), round(series_weight("A1", 0.13), 3), series_weight("A4")
    (0.35, 0.07, 0.0)
    """
    own = SCORE_WEIGHTS.get(series, 0.0)
    return own if mass is None else own / sum(SCORE_WEIGHTS.values()) * mass


def guard_weight(series: str) -> float:
    """Share of the guard's level that a score over all traffic gets: in proportion to its mass in the family.

    >>> [round(guard_weight(series), 3) for series in ("A1", "A2", "A7", "A3")]
    [0.583, 0.25, 0.167, 0.0]
    """
    return SCORE_WEIGHTS[series] / sum(SCORE_WEIGHTS[name] for name in GUARD_SCORES) if series in GUARD_SCORES else 0.0


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


def judge_weight(series: str, judges: int) -> float:
    """Mass a day of one series of one of so many watched judges; B4 of each cue has its own. 0 for what only explains.

    >>> judge_weight("B1", 2), judge_weight("T", 1)
    (0.0175, 0.0)
    """
    return JUDGE_WEIGHTS.get(series, 0.0) / judges


def curve_level(threshold: float) -> float:
    """Level of one daily look at the over-optimisation curve, so that it stays within its share of the budget.

    A test at level w / A on each of T days gives at most w T / A false alerts, under any dependence: what a series of
    mass w is allowed at threshold A.

    >>> round(curve_level(30.0), 6)
    0.000333
    """
    return CURVE_WEIGHT / threshold
