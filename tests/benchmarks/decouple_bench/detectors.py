"""What does this product make of a run? Its own functions from the items on: baseline, checks, book, walk."""

import datetime as dt
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from sqlalchemy import Engine, create_engine

from monitor.baseline import Window, fit_baseline
from monitor.book import SeriesBook, SeriesKey
from monitor.check import REGISTRY
from monitor.checks import reward_outcome_association, reward_outcome_decoupling
from monitor.evidence import family_weights, walk
from monitor.explain import material_harm
from monitor.items import DAY_US, EPOCH, Items
from monitor.settings import Settings
from monitor.snapshot import Snapshot, unit_means
from monitor.statistics.detector import COMPANION_FLOOR, DetectorState, advance, daily_log_sums, mixture
from monitor.statistics.scores import calibration_residual
from tests.benchmarks.decouple_bench.scenarios import (
    DAYS,
    FIRST_DAY,
    MONITORED_DAYS,
    REFERENCE_DAYS,
    Array,
    Codes,
    Streams,
)

CHECKS = [
    REGISTRY[module.__name__.rpartition(".")[2]] for module in (reward_outcome_decoupling, reward_outcome_association)
]
GLOBAL_A1 = SeriesKey("reward_outcome_decoupling", "A1", "")
GLOBAL_A3 = SeriesKey("reward_outcome_association", "A3", "")
TUNED_ALLOWANCE = 0.01  # of the rows tuned to a false-alert rate, which owe nothing to the baseline's error
SETTINGS = Settings.model_validate(
    {
        "outcome": {"metric": "task_success", "horizon": "1d"},
        "reference": {"checkpoint": "ckpt-00"},
        "cohorts": ["tier"],
        "unit": "response",
    }
)
TIERS = np.array([f'{{"tier":"{name}"}}' for name in "abcde"], dtype=object)


@dataclass(frozen=True)
class Seen:
    """Runs, scored. residual: A1 of every item, shape (runs, items), 0 where nobody scored it.

    paths: log statistic at the close of each monitored day, by detector, shape (runs, 224). allowance: A1's, by run.
    """

    residual: Array
    paths: dict[str, Array]
    allowance: Array


@dataclass(frozen=True)
class Run:
    """One run, scored. logs, pairs: log sums of A1 and A3 by day at the product's own allowance; fixed: A1's at that of
    the tuned rows. family, ticket: the largest log statistic of any slice that counts for a warning, for a ticket.
    """

    residual: Array
    logs: Array
    pairs: Array
    fixed: Array
    family: Array
    ticket: Array
    allowance: float


def see(streams: Streams) -> Seen:
    """Fit each run's baseline on its reference days, measure all series and walk the detector over them."""
    runs = [_see(streams, run) for run in range(streams.day.shape[0])]
    tuned, tuned_companion = walk_alone(np.stack([run.fixed for run in runs]))
    paths = {
        "family": np.stack([run.family for run in runs]),
        "ticket": np.stack([run.ticket for run in runs]),
        "A1": backed(*walk_alone(np.stack([run.logs for run in runs]))),
        "A3": backed(*walk_alone(np.stack([run.pairs for run in runs]))),
        "A1 tuned": tuned,
        "A1 e-CUSUM": tuned_companion,
    }
    return Seen(np.stack([run.residual for run in runs]), paths, np.array([run.allowance for run in runs]))


def _see(streams: Streams, run: int) -> Run:
    mine = np.flatnonzero(streams.seen[run])
    snapshot = _snapshot(streams, run, mine)
    whole = next(snapshot.parts())
    book = _book(snapshot)
    scored = calibration_residual(whole.expected, whole.outcome)
    residual = np.zeros(streams.day.shape[1])
    residual[mine] = scored
    _, days, scores = unit_means(whole.unit, whole.day, scored, whole.role == "monitored")
    slices = walk(book, family_weights(book, snapshot.baseline.traffic, {}), {}, replayed=False)
    return Run(
        residual=residual,
        logs=book.cells[:, book.column[GLOBAL_A1], 3:],
        pairs=book.cells[:, book.column[GLOBAL_A3], 3:],
        fixed=log_sums(scores, days - FIRST_DAY, TUNED_ALLOWANCE),
        family=np.max([backed(path.firm, path.backed) for path in slices], axis=0),
        ticket=np.max(
            [backed(np.where(path.improving, path.firm, path.total), path.backed) for path in slices], axis=0
        ),
        allowance=book.info[GLOBAL_A1].allowance,
    )


def log_sums(scores: Array, days: Codes, allowance: float) -> Array:
    """Log sums of each monitored day, shape (224, bets), 0 on a day without a score."""
    distinct, sums = daily_log_sums(scores, days, np.array([allowance]))
    logs = np.zeros((MONITORED_DAYS, sums.shape[1]))
    logs[distinct - REFERENCE_DAYS] = sums
    return logs


def walk_alone(logs: Array) -> tuple[Array, Array]:
    """Log statistic and companion of single series with all the restart mass; logs: shape (runs, days, bets)."""
    state, restarting, companion = DetectorState.start(logs.shape[0]), [], []
    for day in range(logs.shape[1]):
        state = advance(state, logs[:, day], np.zeros(logs.shape[0]))
        restarting.append(mixture(state.restarting))
        companion.append(mixture(state.companion))
    return np.stack(restarting, axis=1), np.stack(companion, axis=1)


def backed(statistic: Array, companion: Array) -> Array:
    """The statistic where its companion backs it, -inf elsewhere: restart mass alone never alerts."""
    return np.where(companion >= np.log(COMPANION_FLOOR), statistic, -np.inf)


def _book(snapshot: Snapshot) -> SeriesBook:
    book = SeriesBook(FIRST_DAY + REFERENCE_DAYS)
    measured = [(check.name, m) for check in CHECKS for m in check.measure(snapshot, {})]
    book.write(measured, material_harm(snapshot), book.first_day, FIRST_DAY + DAYS)
    return book


def _snapshot(streams: Streams, run: int, mine: Codes) -> Snapshot:
    """What the checks would see of a store that holds these items of one run."""
    frame = _frame(streams, run, mine)
    start = FIRST_DAY * DAY_US
    window = Window("ckpt-00", start, start + REFERENCE_DAYS * DAY_US, False, ended=True)
    baseline = fit_baseline(frame, window, SETTINGS, None)
    as_of = EPOCH + dt.timedelta(days=FIRST_DAY + DAYS)
    return Snapshot(as_of, SETTINGS, Items(frame, {"pending": 0}), baseline, _no_store())


def _frame(streams: Streams, run: int, mine: Codes) -> pd.DataFrame:
    day = streams.day[run, mine]
    names, units = _names(streams.day.shape[1]), _names(int(streams.unit[run].max()) + 1)[streams.unit[run, mine]]
    return pd.DataFrame(
        {
            "response_id": names[mine],
            "unit": units,
            "user": units,
            "checkpoint": np.where(day < REFERENCE_DAYS, "ckpt-00", "ckpt-01"),
            "cohort": TIERS[streams.cohort[run, mine]],
            "time_us": (FIRST_DAY + day) * DAY_US,
            "day": FIRST_DAY + day,
            "reward": streams.reward[run, mine],
            "outcome": streams.outcome[run, mine],
            "unscoreable": False,
        }
    )


@cache
def _names(count: int) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    return np.array([f"r{number}" for number in range(count)], dtype=object)


@cache
def _no_store() -> Engine:
    return create_engine("sqlite://")
