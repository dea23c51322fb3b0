"""How much of a judge's gain is only that answers grew longer?"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isnan, nan

from sqlalchemy import text

from judges.preference import are_judged, read_preferences
from monitor.check import Interval, Measurement, check
from monitor.detection.fixed_sample import FixedSample, points, sample
from monitor.judging.length_share import LengthShare, length_shares
from monitor.production.items import DAY_US, day_of
from monitor.snapshot import Snapshot

CONTROLLED = "length_controlled_"
REPORTED = """
    SELECT suite, category, metric, checkpoint, value FROM evaluation
    WHERE checkpoint IN (:new, :old) AND time_us < :until ORDER BY time_us, seq
"""
Rate = tuple[str, str, str, str]  # suite, category, metric, checkpoint
NO_CLAIM = "this says nothing of outcomes"


@check(family="rulers", on={"gate"}, severity="ticket")
def length_inflation(snapshot: Snapshot, *, tolerance: float = 0.01) -> Iterator[Measurement]:
    """Yield one measurement a watched judge, and one a suite that reports a rate and the same at equal lengths.

    Effect: gain in win rate over the reference, minus the gain at equal lengths, in [-1, 1]. A reported pair of rates
    has no interval. It names inflation and never claims a loss of outcome. Tolerance: share, 0 to 1. Raises nothing:
    without a common opponent or lengths there is nothing to yield.
    Source: Dubois et al. 2024, arXiv:2404.04475 (length-controlled win rates).
    """
    new, old = snapshot.latest(), snapshot.baseline.window.checkpoint
    until = day_of(snapshot.as_of) * DAY_US
    if new is None or old is None:
        return
    if are_judged(snapshot.engine, until):
        said = read_preferences(snapshot.engine, snapshot.settings.judges, until)
        for one in length_shares(said, new, old):
            yield _judged(one, tolerance)
    with snapshot.engine.connect() as connection:
        told = connection.execute(text(REPORTED), {"new": new, "old": old, "until": until}).all()
    yield from _reported({(row[0], row[1], row[2], row[3]): float(row[4]) for row in told}, new, old, tolerance)


def _judged(one: LengthShare, tolerance: float) -> FixedSample:
    share = "length, not quality: " if one.only_length else ""
    told = (
        f"{share}win rate against {one.opponent} {points(one.raw)}, at equal lengths {points(one.at_equal_length)};"
        f" {NO_CLAIM}"
    )
    found = sample({"judge": one.judge}, tolerance, one.excess, one.pairs, told)
    named = one.only_length or (one.excess.low or 0.0) > tolerance
    return replace(found, reward_change=one.raw, leading="inflation" if named else "")


def _reported(rates: Mapping[Rate, float], new: str, old: str, tolerance: float) -> Iterator[FixedSample]:
    """Rates that a leaderboard published, with and without control for length; percentages become shares."""
    scale = 100.0 if any(value > 1 for value in rates.values()) else 1.0
    for suite, category, metric, _ in sorted(key for key in rates if key[3] == new):
        keys = [(suite, category, name, who) for name in (metric, CONTROLLED + metric) for who in (new, old)]
        ends = [rates.get(key, nan) / scale for key in keys]
        raw, even = ends[0] - ends[1], ends[2] - ends[3]
        if isnan(raw - even):
            continue
        words = (
            f"{metric} {100 * raw:+.1f} pt, at equal lengths {100 * even:+.1f} pt: {100 * (raw - even):+.1f} pt of the"
            f" gain are length; {NO_CLAIM}"
        )
        no_interval = "two published rates have no interval"
        found = sample({"suite": suite}, tolerance, Interval(raw - even), 2, words, no_interval)
        inflated = raw > 0 and raw - even > tolerance
        yield replace(found, reward_change=Interval(raw), leading="inflation" if inflated else "")
