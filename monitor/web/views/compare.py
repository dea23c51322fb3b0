"""Did reward and outcome move together, for whom, and is the checkpoint in service past the peak? From daily sums."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from monitor.check import Interval
from monitor.production.curve import Reading, read_curve, training_of
from monitor.production.items import date_of
from monitor.settings import Settings
from monitor.telling.curve_alerts import curve_in_words
from monitor.web.views.served import Change, Service, UnknownCheckpoint, cohorts_of, last_memory, services

SAMPLES = 80  # points of a fitted line
NORMAL = 1.96


@dataclass(frozen=True)
class CurvePoint:
    """One checkpoint on the curve. distance: from the initial policy. outcome: its change, with a 95% interval."""

    checkpoint: str
    distance: float
    outcome: Interval
    n: int


@dataclass(frozen=True)
class CurveView:
    """The curve of outcome against optimisation. The last point is the checkpoint in service.

    kind: what the distance is: sqrt(KL) or sqrt(steps). fitted: (distance, outcome) along the law that fits best,
    empty without one. peak: where the outcome is best; None unless it can be placed. peak_within: the 95% set of it,
    (low, high) each, high None where nothing bounds it. missing: why there is no curve, else "".
    """

    kind: str
    points: Sequence[CurvePoint]
    fitted: Sequence[tuple[float, float]]
    law: str | None
    peak: float | None
    peak_within: Sequence[tuple[float, float | None]]
    slope: Interval
    p_past_peak: float | None
    words: str
    missing: str

    @property
    def beside_peak(self) -> str:
        """Where the checkpoint in service is: past the peak, before it, or "" where the two are not told apart."""
        if self.peak is None or not self.peak_within:
            return ""
        here = self.points[-1].distance
        if all(high is not None and high < here for _, high in self.peak_within):
            return "past the peak"
        return "before the peak" if all(low > here for low, _ in self.peak_within) else ""


@dataclass(frozen=True)
class ComparePage:
    """Every checkpoint over all traffic, one of them by cohort, and the curve.

    chosen: the checkpoint whose cohorts are shown: the one asked for, else the newest; None before any served. cohorts:
    over the days it had to itself, the largest loss of outcome first.
    decided_until: the last day that was looked at.
    """

    reference: str | None
    decided_until: dt.date | None
    services: Sequence[Service]
    chosen: Service | None
    cohorts: Sequence[Change]
    curve: CurveView | None


def compare_page(engine: Engine, settings: Settings, checkpoint: str | None = None) -> ComparePage:
    """What the last look's sums say. Raises UnknownCheckpoint."""
    memory = last_memory(engine, settings.loop)
    served = services(memory) if memory else []
    chosen = next((one for one in served[::-1] if checkpoint in (None, one.checkpoint)), None)
    if checkpoint and chosen is None:
        raise UnknownCheckpoint(f"no unit of {checkpoint!r} has matured yet; the page without it has all that did")
    if memory is None:
        return ComparePage(None, None, (), None, (), None)
    reading = read_curve(memory.book, memory.baseline, training_of(engine), memory.closed - 1)
    return ComparePage(
        reference=memory.baseline.window.checkpoint,
        decided_until=date_of(memory.closed - 1),
        services=served,
        chosen=chosen,
        cohorts=cohorts_of(memory, chosen.checkpoint) if chosen else (),
        curve=_curve(reading),
    )


def _curve(reading: Reading) -> CurveView:
    points = [
        CurvePoint(point.checkpoint, float(along), _around(point.outcome, NORMAL * point.error), point.n)
        for point, along in zip(reading.points, reading.distances, strict=False)
    ]
    found = reading.found
    if found is None or found.curve is None:
        words = "no law of over-optimisation fits these checkpoints" if found else ""
        return CurveView(
            reading.kind, points, (), None, None, (), Interval(), found.p if found else None, words, reading.missing
        )
    curve = found.curve
    slope, peak = curve.slope(), curve.peak()
    return CurveView(
        kind=reading.kind,
        points=points,
        fitted=_line(reading),
        law=found.law,
        peak=peak.distance,
        peak_within=[(low, high if np.isfinite(high) else None) for low, high in peak.segments],
        slope=Interval(slope.value, slope.low, slope.high),
        p_past_peak=found.p,
        words=curve_in_words(reading),
        missing="",
    )


def _line(reading: Reading) -> list[tuple[float, float]]:
    assert reading.found is not None
    assert reading.found.curve is not None
    curve = reading.found.curve
    along = np.linspace(0.0, float(reading.distances.max()), SAMPLES)
    level, rise, bend = curve.coefficients
    outcome = level + rise * along - bend * curve.law.bend(along)
    return [(float(one), float(other)) for one, other in zip(along, outcome, strict=True)]


def _around(value: float, reach: float) -> Interval:
    return Interval(value, max(value - reach, -1.0), min(value + reach, 1.0))
