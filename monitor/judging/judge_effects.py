"""What are a judge's verdicts worth against its own reference? The series of the four checks over judges.

What the reference led to expect is frozen with it, and 1.645 standard errors of that are conceded at the mix of cells
of the last 28 days, or of the reference if those are larger. Beside it a judge is conceded two points: what nobody
would act on (settings of outcomes concede half a point).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitor.check import Measurement
from monitor.judging.judge_records import REFERENCE_PAIRS, JudgeRecords, Ruler
from monitor.production.baseline import COHORT_UNITS
from monitor.production.items import date_of
from monitor.settings import Settings
from monitor.statistics.cell_means import CellMeans, fit_cell_means
from monitor.statistics.judge_scores import (
    credit,
    cue_bias,
    cue_cells,
    cue_scale,
    cue_strength,
    first_chosen,
    first_place_pull,
    human_disagreement,
    order_flips,
    teacher_capture,
    teacher_captures,
)
from monitor.statistics.reference_error import MIX_DAYS, QUANTILE

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Expecting = Callable[[Array, NDArray[np.intp]], Array]

MATERIAL = 0.02  # shift of a judge that nobody would act on
CUES = ("length", "same_family", "own_student")
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Effects:
    """Watched effects of one ruler against its reference, shape (units,) each but the last three.

    level: what the reference led to expect, on average. error: of that. units: of the reference.
    """

    effects: Array
    days: Codes
    allowances: Array
    level: float
    error: float
    units: int


NOTHING = Effects(np.zeros(0), np.zeros(0, np.int64), np.zeros(0), 0.0, 0.0, 0)


def captures(ruler: Ruler) -> Effects:
    """B1: siding with the teacher where person and teacher differ."""
    anchors = ruler.anchors[ruler.anchors["teacher"].notna()]
    if anchors.empty:
        return NOTHING
    found = teacher_captures(*_codes(anchors, "verdict", "human", "teacher"))
    days = anchors["day"].to_numpy(np.int64)[found.anchors]
    one = np.zeros(days.size, np.int64)

    def effect(expected: Array, mine: NDArray[np.intp]) -> Array:
        chosen = type(found)(found.taken[mine], found.anchors[mine], 0)
        return teacher_capture(chosen, expected)

    return _against(ruler, found.taken, one, days, effect)


def disagreements(ruler: Ruler, alike_only: bool = False) -> Effects:
    """B2: agreeing less with people, by how hard the pair is: whether the teacher agrees with the person, or is absent.

    alike_only: only pairs on which person and teacher agree, where capture costs nothing and noise does.
    """
    anchors = ruler.anchors
    relation = np.select([anchors["teacher"].isna(), anchors["teacher"] == anchors["human"]], [0, 1], 2)
    if alike_only:
        anchors, relation = anchors[relation == 1], relation[relation == 1]
    if anchors.empty:
        return NOTHING
    judge, human = _codes(anchors, "verdict", "human")
    cells = relation * 2 + (human == 0)

    def effect(expected: Array, mine: NDArray[np.intp]) -> Array:
        return human_disagreement(judge[mine], human[mine], expected)

    return _against(ruler, credit(judge, human), cells, anchors["day"].to_numpy(np.int64), effect)


def leanings(ruler: Ruler, cue: str) -> Effects:
    """B4: the verdict following a cue more than in the reference, given the person's verdict."""
    anchors = ruler.anchors[ruler.anchors[cue].notna()]
    days = anchors["day"].to_numpy(np.int64)
    before = anchors[cue].to_numpy(float)[(days >= ruler.begins) & (days < (ruler.ends or NEVER))]
    if not before.any():
        return NOTHING
    judge, human = _codes(anchors, "verdict", "human")
    strength = cue_strength(anchors[cue].to_numpy(float), cue_scale(before))

    def effect(expected: Array, mine: NDArray[np.intp]) -> Array:
        return cue_bias(judge[mine], strength[mine], expected)

    return _against(ruler, first_chosen(judge), cue_cells(human, strength), days, effect)


def order_biases(ruler: Ruler, score: Callable[[Codes, Codes, Array], Array]) -> Effects:
    """Order bias: order_flips, choices that change with the order; first_place_pull, choices of whoever is first."""
    if ruler.orders.empty:
        return NOTHING
    ab, ba = _codes(ruler.orders, "ab", "ba")
    days = ruler.orders["day"].to_numpy(np.int64)

    def effect(expected: Array, mine: NDArray[np.intp]) -> Array:
        return score(ab[mine], ba[mine], expected)

    return _against(ruler, score(ab, ba, np.zeros(1)), np.zeros(days.size, np.int64), days, effect)


ORDER_SCORES = {"flips": order_flips, "first": first_place_pull}


def moves(records: JudgeRecords, judge: str) -> dict[str, tuple[Array, Codes]]:
    """Effects and days of items judged again, in [-1, 1]; 0 on average as long as the judge is the same, however noisy.

    B6: toward the teacher on pairs where person and teacher differ. M: away from the person. S-, S+: the score of the
    same response fell, or rose, as tanh of standard deviations of such scores.
    """
    again = records.again[records.again["judge"] == judge]
    told = again[again["human"].notna()]
    differ = told[told["teacher"].notna() & (told["teacher"] != told["human"])]
    scored = records.scored_again[records.scored_again["judge"] == judge]
    shift = _standardised(scored)
    return {
        "B6": (_nearer(differ, "teacher"), differ["day"].to_numpy(np.int64)),
        "M": (-_nearer(told, "human"), told["day"].to_numpy(np.int64)),
        "S-": (-shift, scored["day"].to_numpy(np.int64)),
        "S+": (shift, scored["day"].to_numpy(np.int64)),
    }


def of_moves(
    judge: str, series: str, moved: tuple[Array, Codes], tolerance: float, beyond: float, note: str
) -> Measurement:
    """A series of items judged again: it needs no reference, so that only what nobody would act on is conceded."""
    effects, days = moved
    return Measurement(
        {"judge": judge}, effects, tolerance, series, days, 0.0, np.full(days.size, beyond), effects.size,
        needs="pairs or responses that the judge was asked about again", note=note,
    )  # fmt: skip


def measured(
    part: dict[str, str],
    series: str,
    rulers: Iterable[Ruler],
    effects: Callable[[Ruler], Effects],
    tolerance: float,
    beyond: float,
    needs: str = "",
) -> Measurement:
    """One series of a judge: all its rulers in order of time, each against its own reference."""
    rulers = list(rulers)
    found, needs, note = [effects(ruler) for ruler in rulers], needs or lacking(rulers), told_of(rulers)
    enough = [one for one in found if one.effects.size]
    newest = (enough or found or [NOTHING])[-1]
    return Measurement(
        slice=part,
        effects=np.concatenate([one.effects for one in [*enough, NOTHING]]),
        tolerance=tolerance,
        series=series,
        days=np.concatenate([one.days for one in [*enough, NOTHING]]),
        baseline_error=newest.error,
        baseline_allowance=np.concatenate([one.allowances for one in [*enough, NOTHING]]) + beyond,
        baseline_units=newest.units,
        needs=needs,
        note=note,
        baseline_level=newest.level if enough else None,
    )


def lacking(rulers: Iterable[Ruler]) -> str:
    """What a judge's watch needs while it has no effect to tell."""
    newest = list(rulers)[-1:]
    if not newest:
        return "verdicts of the judge on pairs that a person judged, too"
    if newest[0].ends is None:
        return f"{newest[0].reference} of {REFERENCE_PAIRS} pairs that a person judged, too, for its reference"
    return f"{COHORT_UNITS} pairs of its kind in the reference, and later ones"


def told_of(rulers: Iterable[Ruler]) -> str:
    """Which revision speaks now, since when, against which reference; a change of revision is told whatever it did."""
    found = list(rulers)
    if not found:
        return ""
    now = found[-1]
    name = f"revision {now.revision}" if now.revision else "no revision named"
    changed = (
        f"{name} since {date_of(now.first)}, before it {found[-2].revision or 'none named'}; " if found[1:] else ""
    )
    if now.ends is None:
        return f"{changed}its reference has {now.reference} of {REFERENCE_PAIRS} pairs"
    return f"{changed}its reference is {date_of(now.begins)} to {date_of(now.ends - 1)}, {now.reference} pairs"


def conceded(settings: Settings) -> float:
    """What is conceded to a judge beyond the loss of outcome that nobody would act on, which every series is."""
    return max(0.0, MATERIAL - settings.alerts.material_harm)


def no_judge(tolerance: float) -> Iterator[Measurement]:
    """What a check says where no judge is watched."""
    yield from no_data({}, "preference events of a judge, and of people on the same pairs", tolerance)


def no_data(part: dict[str, str], needs: str, tolerance: float) -> Iterator[Measurement]:
    """That nothing can be measured in a slice, until what it needs is there."""
    yield Measurement(part, np.zeros(0), tolerance, exact=True, needs=needs)


def _against(ruler: Ruler, values: Array, cells: Codes, days: Codes, effect: Expecting) -> Effects:
    """Effects of the days after the reference against the cell means of the reference."""
    before = np.flatnonzero((days >= ruler.begins) & (days < (ruler.ends or NEVER)))
    after = np.flatnonzero(days >= (ruler.ends or NEVER))
    if before.size < COHORT_UNITS:
        return NOTHING
    fitted = fit_cell_means(values[before], cells[before])
    error = fitted.error(cells[before])
    level = float(fitted.expected(cells[before]).mean())
    if not after.size:
        return Effects(np.zeros(0), np.zeros(0, np.int64), np.zeros(0), level, error, int(before.size))
    effects = effect(fitted.expected(cells[after]), after)
    allowances = QUANTILE * _errors(fitted, cells[after], days[after], error)
    return Effects(effects, days[after], allowances, level, error, int(before.size))


def _errors(fitted: CellMeans, cells: Codes, days: Codes, at_least: float) -> Array:
    """Error of the expectation at the mix of the 28 days before each unit's day, known before that day."""
    distinct, index = np.unique(days, return_inverse=True)
    earlier = [cells[(days >= day - MIX_DAYS) & (days < day)] for day in distinct]
    errors = [fitted.error(mine) if mine.size >= COHORT_UNITS else at_least for mine in earlier]
    result: Array = np.maximum(np.array(errors), at_least)[index]
    return result


def _codes(frame: pd.DataFrame, *names: str) -> list[Codes]:
    return [frame[name].to_numpy(float).astype(np.int64) for name in names]


def _nearer(frame: pd.DataFrame, to: str) -> Array:
    """How much nearer the new verdict is to somebody's than the one before, in [-1, 1]."""
    before, now, told = (frame[name].to_numpy(float) for name in ("before", "now", to))
    result: Array = (np.abs(before - told) - np.abs(now - told)) / 2
    return result


def _standardised(scored: pd.DataFrame) -> Array:
    before, now = scored["before"].to_numpy(float), scored["now"].to_numpy(float)
    spread = float(np.std(before)) if before.size else 0.0
    if not spread > 0:
        signs: Array = np.sign(now - before)
        return signs
    result: Array = np.tanh((now - before) / spread)
    return result
