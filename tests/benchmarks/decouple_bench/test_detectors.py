"""The benchmark's short way gives what the product gives: frame, baseline, snapshot, checks, book, walk."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import create_engine

from monitor.check import load_checks
from monitor.detection.book import SeriesBook, SeriesKey
from monitor.production.baseline import Window, fit_baseline
from monitor.production.items import DAY_US, EPOCH, Items
from monitor.snapshot import Snapshot, slice_name
from monitor.telling.explain import material_harm
from tests.benchmarks.decouple_bench import measured
from tests.benchmarks.decouple_bench.measured import ASSOCIATION, DECOUPLING, SETTINGS, TIERS
from tests.benchmarks.decouple_bench.scenarios import (
    BENIGN,
    DAYS,
    FIRST_DAY,
    HARMS,
    NULLS,
    REFERENCE_DAYS,
    Scenario,
    Streams,
    generate,
)


def product_book(streams: Streams) -> SeriesBook:
    """What the product's own checks write of the first run."""
    day, number = streams.day[0], np.arange(streams.day.shape[1])
    unit = np.array([f"u{code}" for code in streams.unit[0]], dtype=object)
    frame = pd.DataFrame(
        {
            "response_id": [f"r{code}" for code in number],
            "unit": unit,
            "user": unit,
            "checkpoint": np.where(day < REFERENCE_DAYS, "ckpt-00", "ckpt-01"),
            "cohort": TIERS[streams.cohort[0]],
            "time_us": (FIRST_DAY + day) * DAY_US,
            "day": FIRST_DAY + day,
            "reward": streams.reward[0],
            "outcome": streams.outcome[0],
            "unscoreable": False,
            "propensity": np.nan,
            "second": np.nan,
        }
    )
    start = FIRST_DAY * DAY_US
    window = Window("ckpt-00", start, start + REFERENCE_DAYS * DAY_US, False, ended=True)
    items, as_of = Items(frame, {"pending": 0}), EPOCH + dt.timedelta(days=FIRST_DAY + DAYS)
    baseline = fit_baseline(frame, window, SETTINGS, None)
    snapshot = Snapshot(as_of, SETTINGS, items, baseline, create_engine("sqlite://"))
    checks = load_checks()
    seen = [(name, m) for name in (DECOUPLING, ASSOCIATION) for m in checks[name].measure(snapshot, {})]
    book = SeriesBook(FIRST_DAY + REFERENCE_DAYS)
    book.write(seen, material_harm(snapshot), book.first_day, FIRST_DAY + DAYS)
    return book


@pytest.mark.parametrize("scenario", [NULLS[2], NULLS[3], HARMS[4], BENIGN[2]], ids=lambda case: case.name)
def test_the_short_way_writes_the_book_that_the_product_writes(scenario: Scenario) -> None:
    """Pairs are drawn by a hash of names in the product and by numbers here: as many of them, not the same ones."""
    streams = generate(scenario.with_labels(40), runs=1, seed=5)
    product = product_book(streams)
    items = (part[0] for part in (streams.day, streams.cohort, streams.reward, streams.outcome, streams.unit))
    run = measured.Run(*items, REFERENCE_DAYS)
    scores = [run.measure(score, part) for part in run.parts() for score in ("A1", "A2", "A7", "A4")]
    book = run.book([*scores, *run.measure_pairs(run.parts())], DAYS)
    for name, measurement in scores:
        key = SeriesKey(name, measurement.series, slice_name(measurement.slice))
        assert book.cells[:, book.column[key]] == pytest.approx(product.cells[:, product.column[key]], abs=1e-9)
        assert book.info[key].baseline_error == pytest.approx(product.info[key].baseline_error)
    for part in run.parts():
        key = SeriesKey(ASSOCIATION, "A3", slice_name(measured.tier(part)))
        ours, theirs = book.cells[:, book.column[key]], product.cells[:, product.column[key]]
        assert (ours[:, 0] == theirs[:, 0]).all()
        n = np.maximum([ours[:, 0].sum(), theirs[:, 0].sum()], 1)
        means = np.array([ours[:, 1].sum(), theirs[:, 1].sum()]) / n
        error = np.hypot(book.info[key].baseline_error, product.info[key].baseline_error)
        assert abs(means[0] - means[1]) < 4 * np.hypot(0.7 / np.sqrt(n.min() / 2), error)
