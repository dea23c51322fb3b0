"""Has harm been absorbed slowly? All traffic against the first baseline, for ever, whatever was decided since.

A rolling detector starts anew with every decision, and a new baseline takes harm for granted. The guard does neither:
an e-process over A1, A2 and A7 against the first baseline, with restart masses that sum to 1, never reset. It is wrong
with probability at most GUARD_ALPHA, for ever (statistics.md 1.4).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from monitor.check import REGISTRY, Measurement
from monitor.detection.book import SeriesBook
from monitor.detection.evidence import Path, log_sum, run
from monitor.detection.memory import First
from monitor.detection.runner import Measured, run_checks
from monitor.oncall.alerts import GUARD, SEVERITIES, Episode, EpisodeKey
from monitor.production.items import load_items
from monitor.snapshot import Snapshot, slice_name
from monitor.statistics.detector import guard_masses
from monitor.statistics.family import GUARD_ALPHA, guard_weight
from monitor.telling.explain import DECOUPLING_CHECK as CHECK
from monitor.telling.explain import material_harm

SLICE = {"baseline": "v0"}  # named like a slice of traffic: so it has series and episodes of its own
NAME = slice_name(SLICE)
THRESHOLDS = {"warning": 1 / GUARD_ALPHA}


def against_first(snapshot: Snapshot, first: First | None) -> Snapshot:
    """The same moment against the first baseline: all traffic as a whole, with the rewards of that baseline's ruler.

    first: None while the loop has no other baseline.
    """
    if first is None:
        return snapshot
    items = snapshot.items
    if first.baseline.revision != items.revision:
        revision = first.baseline.revision
        items = load_items(snapshot.engine, snapshot.settings, snapshot.as_of, items.since, revision)
    whole = replace(first.baseline, traffic={})
    return replace(snapshot, items=items, baseline=whole, errors=first.errors, arms=())


def with_guard(measured: Measured, snapshot: Snapshot, first: First | None) -> Measured:
    """What was measured, and the series of the guard beside it."""
    mine, seen = measured, snapshot
    if first is not None and any(name == CHECK for name, _ in measured.measurements):
        seen = against_first(snapshot, first)
        mine = run_checks([REGISTRY[CHECK]], seen)
    errors = mine.errors if mine is not measured else []
    more_harm = material_harm(seen) - material_harm(snapshot)  # conceded by the first baseline, beyond the current one
    return Measured([*measured.measurements, *_renamed(mine.measurements, more_harm)], [*measured.errors, *errors])


def _renamed(measurements: Iterable[tuple[str, Measurement]], more_harm: float) -> Iterator[tuple[str, Measurement]]:
    """The series over all traffic, those that only explain included, under the guard's name."""
    for name, measured in measurements:
        if name == CHECK and not measured.slice:
            conceded = measured.baseline_allowance + more_harm
            yield name, replace(measured, slice=SLICE, baseline_allowance=conceded)


def guard_path(book: SeriesBook) -> Path | None:
    """The guard's evidence day by day; None while the book has none of its series."""
    keys = [key for key in book.keys if key.slice == NAME and guard_weight(key.series) > 0]
    if not keys:
        return None
    log_mass = np.log(guard_masses(book.days))[:, None] + np.log([guard_weight(key.series) for key in keys])
    series, _ = run(book.cells[:, [book.column[key] for key in keys], 3:], log_mass, {})
    statistic = log_sum(series)
    return Path(
        slice=NAME,
        members=tuple(keys),
        series=series,
        total=statistic,
        firm=statistic,
        backed=np.full(book.days, np.inf),  # masses that sum to 1 cannot cross by themselves
        known=np.full(book.days, -np.inf),
        improving=np.zeros(book.days, bool),
        rule=GUARD,
    )


def spoken_for(
    path: Path, day: int, first_day: int, episodes: Mapping[EpisodeKey, Episode], resolved: Iterable[int]
) -> bool:
    """Whether the guard has nothing to add on a day: another alert says it, or somebody decided about it already.

    An open warning or page over all traffic says the same. A guard that was above its threshold when an alert over all
    traffic, or its own, was resolved speaks again only after it had fallen below. Both only remove alerts.
    episodes: the open ones. resolved: days from whose start on such a decision counts.
    """
    if any(_warned(episode, day) for key, episode in episodes.items() if key == EpisodeKey("", CHECK)):
        return True
    decided = max((start for start in resolved if start <= day), default=None)
    since = first_day if decided is None else max(decided - 1, first_day)  # the last day that the decision knew of
    fell = path.total[since - first_day : day - first_day] < np.log(THRESHOLDS["warning"])
    return decided is not None and not fell.any()


def _warned(episode: Episode, day: int) -> bool:
    least = SEVERITIES.index("warning")
    return any(crossing.day <= day and SEVERITIES.index(crossing.severity) >= least for crossing in episode.crossings)
