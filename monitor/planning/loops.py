"""What loop is to be planned for: one of a few numbers, or the one that a history shows?"""

import datetime as dt
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from consumers.mendable import Mendable
from monitor.check import load_checks
from monitor.detection.book import SeriesKey
from monitor.planning.history import History
from monitor.planning.sight import Loop, Stake
from monitor.settings import Settings
from monitor.snapshot import Part, slice_name, unit_means
from monitor.statistics import scores
from monitor.statistics.family import SCORE_WEIGHTS
from monitor.statistics.reference_error import QUANTILE
from monitor.telling.explain import DECOUPLING_CHECK, material_harm

Array = NDArray[np.float64]

RATE_DAYS = 28
LIKED = 0.5  # share of rewards that are 1, where only numbers are given
HELD_BACK = "nobody is held back, as they are now; beside a holdback there is less to concede and less to count"
ATOM = 0.01  # effects of reference units closer than this are taken together


class NothingToPlanWith(Mendable):
    """A loop cannot be planned for; the message says what is missing or impossible."""


def loop_of_numbers(
    labels_a_day: float, success: float, slope: float, reference: int, settings: Settings
) -> tuple[Loop, list[str]]:
    """A loop of outcomes that happen or not, rewarded by 0 or 1, and what is assumed of it.

    Raises NothingToPlanWith for numbers that no such loop can have.
    """
    rewards, outcomes = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])
    expected = success + slope * (rewards - LIKED)
    if not (0 < success < 1 and (expected >= 0).all() and (expected <= 1).all()):
        raise NothingToPlanWith(
            f"--success {success:g} --slope {slope:g}: success would be {expected[0]:.2f} after a 0 and"
            f" {expected[-1]:.2f} after a 1; both must lie in 0..1"
        )
    if not (labels_a_day > 0 and reference >= 2):
        raise NothingToPlanWith("--labels-per-day must be above 0, --reference at least 2")
    chances = 0.5 * np.where(outcomes > 0, expected, 1 - expected)
    worth, harm = worth_of(settings), settings.alerts.material_harm
    effects = {
        "A1": scores.calibration_residual(expected, outcomes),
        "A2": scores.outcome_loss(np.full(4, success), outcomes),
        "A7": scores.unearned_reward(rewards, np.full(4, LIKED), outcomes, np.full(4, success), worth),
    }
    lifts = _lifts(slope, worth)
    stakes = [
        Stake(
            values,
            outcomes,
            chances,
            lifts[name],
            QUANTILE * float(np.sqrt(chances @ values**2 / reference)),
            SCORE_WEIGHTS[name],
            labels_a_day,
        )
        for name, values in effects.items()
    ]
    loop = Loop(labels_a_day, success, slope, reference, _horizon_days(settings), harm, settings.alerts.days(), stakes)
    return loop, ["rewards are 0 or 1, half of them 1; every unit has a reward and an outcome; one cohort"]


def loops_of_history(history: History) -> tuple[dict[str, Loop], list[str]]:
    """All traffic (named "") and every cohort slice, as loops; and what is assumed of them.

    Raises NothingToPlanWith if all traffic is none.
    """
    loops = {}
    for part in history.snapshot.parts():
        stakes = list(_stakes(history, part))
        if stakes and "checkpoint" not in part.slice:
            loops[slice_name(part.slice)] = _loop_of_part(history, part, stakes)
    if "" not in loops:
        raise NothingToPlanWith("no unit of the reference has both a reward and an outcome; see `reward-drift status`")
    beside_held = history.memory.book.info[_key("A2", "")].allowance <= material_harm(history.snapshot)
    return loops, [HELD_BACK] if beside_held else []


def _loop_of_part(history: History, part: Part, stakes: list[Stake]) -> Loop:
    labelled = (part.role == "reference") & ~np.isnan(part.outcome)
    _, _, outcomes = unit_means(part.unit, part.day, part.outcome, labelled)
    return Loop(
        labels_a_day=_units_a_day(history, part, part.outcome),
        success=float(outcomes.mean()),
        slope=history.memory.baseline.gain,
        reference=outcomes.size,
        horizon_days=_horizon_days(history.settings),
        material_harm=material_harm(history.snapshot),
        thresholds=history.case.thresholds,
        stakes=stakes,
    )


def _stakes(history: History, part: Part) -> Iterator[Stake]:
    """The series of a slice that can alert, as its reference shows them; none where it has no evidence of its own."""
    book, name, worth = history.memory.book, slice_name(part.slice), worth_of(history.settings)
    effects = {
        "A1": scores.calibration_residual(part.expected, part.outcome),
        "A2": scores.outcome_loss(part.mean_outcome, part.outcome),
        "A7": scores.unearned_reward(part.reward, part.mean_reward, part.outcome, part.mean_outcome, worth),
    }
    lifts = _lifts(history.memory.baseline.gain, worth)
    for score, values in effects.items():
        key = _key(score, name)
        mine = (part.role == "reference") & ~np.isnan(values)
        if key in history.case.weights and mine.any():
            rate, info = _units_a_day(history, part, values), book.info[key]
            conceded = max(info.allowance - material_harm(history.snapshot), QUANTILE * info.baseline_error)
            yield Stake(*_atoms(part, values, mine), lifts[score], conceded, history.case.weights[key], rate)


def _key(score: str, name: str) -> SeriesKey:
    return SeriesKey(DECOUPLING_CHECK, score, name)


def _atoms(part: Part, values: Array, mine: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Effect, outcome and share of reference units that are nearly alike; their mean effect is kept exactly."""
    _, _, effects = unit_means(part.unit, part.day, values, mine)
    _, _, outcomes = unit_means(part.unit, part.day, part.outcome, mine)
    rounded = np.round(np.stack([effects, outcomes]) / ATOM)
    _, index, counts = np.unique(rounded, axis=1, return_inverse=True, return_counts=True)
    means = [np.bincount(index.ravel(), column) / counts for column in (effects, outcomes)]
    return means[0], means[1], counts / counts.sum()


def _units_a_day(history: History, part: Part, values: Array) -> float:
    """Units with such a value a day, over the last 28 days of the watch; over the reference's where none came yet."""
    book, known = history.memory.book, ~np.isnan(values)
    days = min(book.days, RATE_DAYS)
    recent = known & (part.role == "monitored") & (part.day >= book.first_day + book.days - days)
    if recent.any():
        return float(np.unique(part.unit[recent]).size / days)
    before = known & (part.role == "reference")
    return float(np.unique(part.unit[before]).size / max(np.ptp(part.day[before]) + 1, 1))


def _lifts(slope: float, worth: float) -> dict[str, float]:
    """What a point of reward adds to each score's effect."""
    return {"A1": slope, "A2": 0.0, "A7": worth}


def worth_of(settings: Settings) -> float:
    """The outcome, in points, that a point of reward must at least bring (of A7)."""
    return float({**load_checks()[DECOUPLING_CHECK].defaults, **settings.checks.get(DECOUPLING_CHECK, {})}["worth"])


def _horizon_days(settings: Settings) -> float:
    return settings.outcome.horizon / dt.timedelta(days=1)
