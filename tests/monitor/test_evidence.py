"""Is time alone ever evidence? The detector walked over a book in which little or nothing happened."""

import numpy as np

from monitor.check import Measurement
from monitor.detection.book import SeriesBook
from monitor.detection.evidence import Path, family_weights, walk

THRESHOLDS = {"ticket": 30.0, "warning": 365.0, "page": 3650.0}
SERIES = {"A1": "reward_outcome_decoupling", "A2": "reward_outcome_decoupling", "A3": "reward_outcome_association"}
FIRST_DAY = 20_000
SILENT_DAYS = 450


def path_of(effects_by_day: list[list[float]]) -> Path:
    """All traffic, every series with the same effects on the first days, then nothing for 450 days."""
    effects = np.array([effect for day in effects_by_day for effect in day])
    days = np.repeat(np.arange(len(effects_by_day)) + FIRST_DAY, [len(day) for day in effects_by_day])
    measured = [
        (check, Measurement({}, effects, 0.02, series, days, baseline_allowance=np.zeros(effects.size)))
        for series, check in SERIES.items()
    ]
    book = SeriesBook(FIRST_DAY)
    book.write(measured, 0.005, FIRST_DAY, FIRST_DAY + len(effects_by_day) + SILENT_DAYS)
    (path,) = walk(book, family_weights(book, {}, {}), {}, replayed=False)
    return path


def levels(path: Path, since: int = 0) -> set[tuple[str, str] | None]:
    return {path.level(day, THRESHOLDS) for day in range(since, path.total.size)}


def test_a_reference_without_monitored_data_raises_nothing_however_long_it_waits() -> None:
    path = path_of([])
    assert np.exp(path.total[-1]) > THRESHOLDS["ticket"]  # the restart mass alone would have crossed
    assert levels(path) == {None}


def test_a_long_silence_raises_nothing() -> None:
    rng, days = np.random.default_rng(1), 60
    path = path_of([list(0.75 - (rng.random(20) < 0.76)) for _ in range(days)])
    assert np.exp(path.total[-1]) > THRESHOLDS["ticket"]
    assert levels(path, since=days) == {None}


def test_the_same_silence_after_a_harm_does_not_hide_it() -> None:
    rng = np.random.default_rng(2)
    path = path_of([list(0.75 - (rng.random(40) < 0.55)) for _ in range(30)])
    assert ("page", "restarting") in levels(path)
