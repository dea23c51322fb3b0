"""How strong is the evidence on each day? The detector walked over the book, slice by slice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.detection.book import SeriesBook, SeriesKey
from monitor.judging.judge_records import CHECKS as JUDGE_CHECKS
from monitor.oncall.alerts import GUARD, Crossing
from monitor.production.curve import CHECK as CURVE_CHECK
from monitor.production.escapes import KINDS
from monitor.settings import Restart
from monitor.statistics.detector import (
    BETS,
    COMPANION_FLOOR,
    DetectorState,
    advance,
    deployment_masses,
    known_start,
    mixture,
)
from monitor.statistics.family import GUARD_ALPHA, escape_weight, judge_weight, series_weight, slice_weights
from monitor.statistics.intervals import ENOUGH_UNITS
from monitor.statistics.reference_error import QUANTILE

Array = NDArray[np.float64]

ESCAPE = "A8"  # stands alone, in slices of its own
ASSOCIATION = "A3"  # alone it raises at most a ticket
IMPROVING_DAYS = 28
KNOWN_START = {"warning": 1 / 0.05, "page": 1 / 0.005}  # 1 / alpha: chance of ever crossing under the null


@dataclass(frozen=True)
class Path:
    """Evidence of one slice, day by day. Arrays over the book's days; `series` shape (days, members).

    members: the slice's weighted series. total: log of the summed statistic. firm: the same without the association
    series. backed: log of the largest companion e-CUSUM, without which no crossing counts. known: log e-value of the
    known start, -inf throughout when it was not asked for. rule: what a crossing of the statistic is called.
    """

    slice: str
    members: tuple[SeriesKey, ...]
    series: Array
    total: Array
    firm: Array
    backed: Array
    known: Array
    improving: NDArray[np.bool_]
    rule: str = "restarting"

    def level(self, day: int, thresholds: Mapping[str, float]) -> tuple[str, str] | None:
        """The severest threshold crossed at the close of a day, and the rule that says so; None if there is none."""
        backed = self.backed[day] >= np.log(COMPANION_FLOOR)
        for severity in sorted(thresholds, key=lambda name: -thresholds[name]):
            statistic = self.total[day] if severity == "ticket" and not self.improving[day] else self.firm[day]
            if backed and statistic >= np.log(thresholds[severity]):
                return severity, self.rule
            if severity in KNOWN_START and self.known[day] >= np.log(KNOWN_START[severity]):
                return severity, "known start"
        return None

    def shares(self, day: int) -> dict[str, float]:
        """Share of the statistic that each score contributes on a day."""
        logs = self.series[day]
        weights = np.exp(logs - logs.max()) if np.isfinite(logs.max()) else np.ones(logs.size)
        return {key.series: float(w) for key, w in zip(self.members, weights / weights.sum(), strict=True)}

    def leader(self, day: int, severity: str) -> SeriesKey:
        """The series with the most evidence on a day: it names an alert of this severity."""
        firm = severity != "ticket" or bool(self.improving[day])
        eligible = [not firm or key.series != ASSOCIATION for key in self.members]
        return self.members[int(np.argmax(np.where(eligible, self.series[day], -np.inf)))]


def family_weights(
    book: SeriesBook,
    traffic: Mapping[str, Mapping[str, float]],
    arms: Mapping[str, float],
    risk: Mapping[str, float] | None = None,
) -> dict[SeriesKey, float]:
    """Restart mass a day of every series.

    traffic: cohort key -> value -> share of reference. arms: by slice. risk: by slice, what harm there weighs (1).
    """
    cohorts = {f"{key}={value}": share for key, values in traffic.items() for value, share in values.items()}
    masses = slice_weights({**cohorts, **arms}, risk or {})
    judges = {book.info[key].slice["judge"] for key in book.keys if key.check in JUDGE_CHECKS}
    weights = {}
    for key in book.keys:
        mass = None if key.slice == "" else masses.get(key.slice, 0.0)
        weight = series_weight(key.series, mass) if key.check.startswith("reward_outcome") else 0.0
        if key.series == ESCAPE:
            weight = escape_weight(len(KINDS))
        if key.check in JUDGE_CHECKS:
            weight = judge_weight(key.series, len(judges))
        if weight > 0:
            weights[key] = weight
    return weights


def walk(
    book: SeriesBook,
    weights: Mapping[SeriesKey, float],
    resets: Mapping[str, Iterable[int]],
    replayed: bool,
    restart: Restart = "day",
) -> list[Path]:
    """Walk the detector over every day of the book; one path a slice, all traffic first.

    resets: slice -> days at whose start its evidence was set to nothing, because a decision was recorded.
    replayed: also compute the known start, which a finite replay reports. restart: whether each day's restart mass is
    added on it, or half of it on the day of the next deployment.
    """
    keys = [key for key in book.keys if key in weights]
    logs = book.cells[:, [book.column[key] for key in keys], 3:]
    masses = deployment_masses(deployed(book)) if restart == "deployment" else np.ones(book.days)
    log_mass = np.log(masses)[:, None] + np.log([weights[key] for key in keys])
    series, companion = run(logs, log_mass, _reset_rows(keys, resets, book))
    known = known_start(logs, np.array([weights[key] for key in keys])) if replayed else None
    members: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        members.setdefault(key.slice, []).append(index)
    return [_path(book, name, keys, mine, series, companion, known) for name, mine in members.items()]


def threshold_of(crossing: Crossing, days: Mapping[str, float]) -> float:
    """What the statistic of a crossing's rule had to reach: 1/alpha where alpha holds for ever, else days."""
    if crossing.rule == GUARD:
        return 1 / GUARD_ALPHA
    return KNOWN_START[crossing.severity] if crossing.rule == "known start" else days[crossing.severity]


def deployed(book: SeriesBook) -> NDArray[np.bool_]:
    """Days on which the first units of a checkpoint matured, shape (days,)."""
    columns = [book.column[key] for key in book.keys if key.check == CURVE_CHECK]
    came = book.cells[:, columns, 0] > 0
    days = np.zeros(book.days, bool)
    days[[int(rows[0]) for rows in map(np.flatnonzero, came.T) if rows.size]] = True
    return days


def likely_start(book: SeriesBook, key: SeriesKey, day: int, begin: int = 0) -> tuple[int, float]:
    """(index of the day on which the companion of the heaviest bet last left its floor, that bet).

    day: index of the day to look back from. begin: index of the day on which the evidence last started anew.
    """
    logs = book.cells[begin : day + 1, book.column[key], 3:]
    level, start = np.zeros(BETS.size), np.full(BETS.size, begin)
    for index, row in enumerate(logs, start=begin):
        start = np.where(level <= 0, index, start)
        level = np.maximum(level, 0.0) + row
    bet = int(np.argmax(level))
    return int(start[bet]), float(BETS[bet])


def run(logs: Array, log_mass: Array, resets: Mapping[int, NDArray[np.bool_]]) -> tuple[Array, Array]:
    """Log statistic and log companion of each series at the close of each day, shapes (days, series).

    logs: shape (days, series, bets). log_mass: restart mass, shape (days, series). resets: day -> series, shape
    (series,), whose evidence is nothing at its start.
    """
    days, count = logs.shape[:2]
    state = DetectorState.start(count)
    series, companion = np.empty((days, count)), np.empty((days, count))
    for day in range(days):
        if day in resets:
            state.restarting[resets[day]] = -np.inf
            state.companion[resets[day]] = 0.0
        state = advance(state, logs[day], log_mass[day])
        series[day], companion[day] = mixture(state.restarting), mixture(state.companion)
    return series, companion


def _reset_rows(
    keys: list[SeriesKey], resets: Mapping[str, Iterable[int]], book: SeriesBook
) -> dict[int, NDArray[np.bool_]]:
    rows: dict[int, NDArray[np.bool_]] = {}
    for name, days in resets.items():
        for day in days:
            mine = np.array([key.slice == name for key in keys])
            rows[day - book.first_day] = rows.get(day - book.first_day, np.zeros(len(keys), bool)) | mine
    return rows


def _path(
    book: SeriesBook,
    name: str,
    keys: list[SeriesKey],
    mine: list[int],
    series: Array,
    companion: Array,
    known: Array | None,
) -> Path:
    firm = [index for index in mine if keys[index].series != ASSOCIATION]
    return Path(
        slice=name,
        members=tuple(keys[index] for index in mine),
        series=series[:, mine],
        total=log_sum(series[:, mine]),
        firm=log_sum(series[:, firm]),
        backed=companion[:, mine].max(axis=1),
        known=np.full(book.days, -np.inf) if known is None else log_sum(known[:, firm]),
        improving=_improving(book, name),
    )


def _improving(book: SeriesBook, name: str) -> NDArray[np.bool_]:
    """On which days the outcome of the days up to then is better than the reference's, its error allowed for."""
    key = SeriesKey("reward_outcome_decoupling", "A2", name)
    if key not in book.info:
        return np.zeros(book.days, bool)
    sums = np.cumsum(book.cells[:, book.column[key], :3], axis=0)
    sums[IMPROVING_DAYS:] -= sums[:-IMPROVING_DAYS].copy()
    n, total, squares = np.maximum(sums[:, 0], 1.0), sums[:, 1], sums[:, 2]
    error = np.sqrt(np.maximum(squares / n - (total / n) ** 2, 1e-6) / n)
    better: NDArray[np.bool_] = total / n + QUANTILE * (error + book.info[key].baseline_error) < 0
    return better & (sums[:, 0] >= ENOUGH_UNITS)


def log_sum(logs: Array) -> Array:
    """Log of the sum over the series; shape (days, series) -> (days,)."""
    peak = logs.max(axis=1, initial=-np.inf)
    safe = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        result: Array = np.log(np.exp(logs - safe[:, None]).sum(axis=1)) + safe
    return result
