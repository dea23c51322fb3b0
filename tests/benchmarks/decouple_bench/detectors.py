"""What does this product make of a run? Its own functions from the items on: baseline, scores, book, walk."""

from dataclasses import dataclass

import numpy as np

from monitor.detection.book import SeriesKey
from monitor.detection.evidence import family_weights, walk
from monitor.statistics.detector import COMPANION_FLOOR, DetectorState, advance, daily_log_sums, mixture
from tests.benchmarks.decouple_bench import measured
from tests.benchmarks.decouple_bench.scenarios import (
    DAYS,
    FIRST_DAY,
    MONITORED_DAYS,
    REFERENCE_DAYS,
    Array,
    Codes,
    Streams,
)

GLOBAL_A1 = SeriesKey(measured.DECOUPLING, "A1", "")
GLOBAL_A3 = SeriesKey(measured.ASSOCIATION, "A3", "")
TUNED_ALLOWANCE = 0.01  # of the rows tuned to a false-alert rate, which owe nothing to the baseline's error


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
    items = (part[run, mine] for part in (streams.day, streams.cohort, streams.reward, streams.outcome, streams.unit))
    whole = measured.Run(*items, REFERENCE_DAYS)
    parts = whole.parts()
    series = [whole.measure(score, part) for part in parts for score in ("A1", "A2", "A7")]
    book = whole.book([*series, *whole.measure_pairs(parts)], DAYS)
    residual = np.zeros(streams.day.shape[1])
    residual[mine] = whole.effects["A1"]
    slices = walk(book, family_weights(book, whole.baseline.traffic, {}), {}, replayed=False)
    return Run(
        residual=residual,
        logs=book.cells[:, book.column[GLOBAL_A1], 3:],
        pairs=book.cells[:, book.column[GLOBAL_A3], 3:],
        fixed=log_sums(series[0][1].effects, series[0][1].days - FIRST_DAY, TUNED_ALLOWANCE),
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
