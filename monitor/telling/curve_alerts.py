"""When does the curve raise a ticket, and what is said of it?

Each day is one test at the level that the curve's share of the budget allows, so that its false tickets are counted
among those of all series. What is shown to a reader needs only .05.
"""

import datetime as dt
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy.special import ndtri

from monitor.check import Finding, Interval, Verdict
from monitor.oncall.alerts import OPEN, Episode, EpisodeKey
from monitor.production.curve import CHECK, SERIES, Point, Reading
from monitor.production.items import date_of
from monitor.result import Alert, Evidence
from monitor.statistics.family import CURVE_WEIGHT, curve_level
from monitor.statistics.over_optimisation import Slope
from monitor.telling.examples import examples_of
from monitor.telling.explain import Case, change_of, flipped, items_of, points

KEY = EpisodeKey("", CHECK)
RULE = "curve"
SHOWN = 0.05  # level of a finding; a ticket needs far more
NULL = "the outcome does not fall with more optimisation at the checkpoint in service"


def crosses(reading: Reading, thresholds: Mapping[str, float], resets: Iterable[int]) -> bool:
    """Whether a day's reading raises a ticket: shown at its level, for a checkpoint that no decision was made about."""
    if reading.found is None or not reading.found.p <= curve_level(thresholds["ticket"]):
        return False
    return all(reading.points[-1].began >= day for day in resets)


def curve_finding(reading: Reading, tolerance: float, episode: Episode | None) -> Finding:
    """FAIL when the fall is shown (or a ticket is open), PASS when the outcome is shown not to fall any more than that.

    Effect: loss of outcome for each unit of D at the checkpoint in service, with its 95% interval.
    """
    n = sum(point.n for point in reading.points)
    found = reading.found
    if found is None or found.curve is None:
        told = (
            f"no data: needs {reading.missing}"
            if found is None
            else "no law of over-optimisation fits these checkpoints"
        )
        if episode is not None and _is_open(episode):
            fired = date_of(episode.crossings[0].day + 1)
            told = f"the ticket of {fired} stands on the curve of that day; as of now: {told}"
        verdict = Verdict.FAIL if _is_open(episode) else Verdict.INCONCLUSIVE
        return Finding(CHECK, {}, verdict, Interval(), tolerance, n, told)
    slope = found.curve.slope()
    verdict = Verdict.PASS if -slope.low <= tolerance else Verdict.INCONCLUSIVE
    if found.p <= SHOWN or _is_open(episode):
        verdict = Verdict.FAIL
    return Finding(CHECK, {}, verdict, _loss(slope), tolerance, n, curve_in_words(reading))


def curve_in_words(reading: Reading) -> str:
    """Where the checkpoint in service stands and where the peak is thought to be; needs a curve that fits."""
    assert reading.found is not None
    if reading.found.curve is None:
        return "no law of over-optimisation fits these checkpoints"
    curve, last = reading.found.curve, reading.points[-1]
    slope, peak = curve.slope(), curve.peak()
    sets = " or ".join(f"{low:.1f}..{'' if np.isinf(high) else f'{high:.1f}'}" for low, high in peak.segments)
    placed = "no peak can be placed" if peak.distance is None else f"peak at {peak.distance:.1f}"
    shape = ", a shape only" if curve.shape_only else ""
    return (
        f"{last.checkpoint} at {reading.kind} {slope.distance:.1f}{shape}: outcome {points(flipped(_loss(slope)))} for"
        f" each unit more; {placed} (95%: {sets}), {reading.found.law} law over {len(reading.points)} checkpoints"
    )


def explain_curve(case: Case, episode: Episode) -> list[Alert]:
    """The ticket of an episode, from the reading of the day it fired; none when that day has no curve any more."""
    crossing = episode.crossings[0]
    reading = case.curve(max(crossing.day, case.book.first_day))
    if reading.found is None or reading.found.curve is None:
        return []
    newest = reading.points[-1]
    slope, since = reading.found.curve.slope(), _first_past(reading).began
    since = min(max(since, case.book.first_day), crossing.day)
    frame = items_of(case, {}, since)
    reward, lost = change_of(case, "A4", since), change_of(case, "A2", since)
    n = sum(point.n for point in reading.points)
    settings = case.snapshot.settings
    message = (
        f"{settings.loop}: past the peak of optimisation: {curve_in_words(reading)}, n={n:,} {settings.unit}s;"
        f" {settings.reward.label} {points(reward)}, {settings.outcome.metric} {points(flipped(lost))}"
        f" against the reference since {date_of(since)}."
    )
    return [
        Alert(
            fingerprint=episode.fingerprint(settings.loop),
            check=CHECK,
            attribution="over_optimised",
            severity=crossing.severity,
            slice=episode.slice,
            checkpoint=newest.checkpoint,
            fired_at=dt.datetime.combine(date_of(crossing.day + 1), dt.time(), dt.UTC),
            leading="over_optimised",
            shares={},
            effect=_loss(slope),
            reward_change=reward,
            outcome_change=flipped(lost),
            n=n,
            message=message,
            evidence=_evidence(case, reading, since, frame),
            examples=examples_of(case.snapshot, frame[(frame["checkpoint"] == newest.checkpoint).to_numpy(bool)]),
            state=episode.state,
        )
    ]


def _is_open(episode: Episode | None) -> bool:
    return episode is not None and episode.state in OPEN


def _loss(slope: Slope) -> Interval:
    return Interval(-slope.value, -slope.high, -slope.low)


def _first_past(reading: Reading) -> Point:
    """The first checkpoint beyond the peak; the one in service if the peak cannot be placed."""
    assert reading.found is not None
    assert reading.found.curve is not None
    peak = reading.found.curve.peak().distance
    past = [p for p, along in zip(reading.points, reading.distances, strict=True) if peak is not None and along > peak]
    return min(past, key=lambda point: point.began, default=reading.points[-1])


def _evidence(case: Case, reading: Reading, since: int, frame: pd.DataFrame) -> Evidence:
    assert reading.found is not None
    assert reading.found.curve is not None
    threshold, slope = case.thresholds["ticket"], reading.found.curve.slope()
    error = (slope.high - slope.value) / float(ndtri(0.975))
    baseline = case.snapshot.baseline
    return Evidence(
        rule=RULE,
        null=NULL,
        statistic=CURVE_WEIGHT / max(reading.found.p, 1e-300),
        threshold=threshold,
        promise=f"at most one false ticket in {threshold:,.0f} days on average, over all series together",
        material_harm=0.0,
        baseline_error=0.0,
        baseline_version=baseline.version,
        reference_units=baseline.labelled,
        missing_share=float(frame["outcome"].isna().mean()) if len(frame) else 0.0,
        likely_start=date_of(since),
        heaviest_bet=0.0,
        scores={SERIES: 1.0},
        smallest_visible=error * float(ndtri(1 - curve_level(threshold)) + ndtri(0.9)),
    )
