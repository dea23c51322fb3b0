"""What did reward and outcome look like in the reference? Fitted once, frozen, versioned.

Every effect is measured against this baseline, so its own error is part of every promise: each series carries the
standard error of the baseline it is measured against (statistics.md 1.3).
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from monitor.production.audit import chances, evenly_asked
from monitor.production.items import microseconds
from monitor.settings import Settings
from monitor.statistics.calibrate import Calibrator, Curve, fit_calibrator, mid_ranks, slope

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

LABELLED_UNITS = 200  # the reference lasts until it has so many units with an outcome, or until its traffic ends
PATIENCE_US = 14 * 86_400_000_000  # without a new answer for so long, the reference's traffic has ended
COHORT_UNITS = 30  # a cohort with fewer labelled reference items uses the pooled curve and gets no series of its own
MOST_SLICES = 200
SHRINKAGE = 20.0
NEVER_US = 2**62  # a moment that no event has


class ReferenceMissing(Exception):  # noqa: N818
    """There is no usable reference yet; the message says what is missing."""


@dataclass(frozen=True)
class Window:
    """Which items are the reference: those of `checkpoint` (any, if None) from `start_us` up to, not with, `end_us`.

    ended: no later event in order of time can move the end; until then every look fits anew.
    """

    checkpoint: str | None
    start_us: int
    end_us: int
    chosen_by_default: bool
    ended: bool

    def roles(self, frame: pd.DataFrame) -> NDArray[np.str_]:
        """Role of each item: reference, monitored, holdback (later traffic of the reference) or before."""
        time = frame["time_us"].to_numpy()
        mine = np.ones(len(frame), bool) if self.checkpoint is None else (frame["checkpoint"] == self.checkpoint)
        inside = (time >= self.start_us) & (time < self.end_us) & np.asarray(mine, bool)
        later = time >= self.end_us
        held = later & np.asarray(mine, bool) & (self.checkpoint is not None)
        return np.select([inside, held, later], ["reference", "holdback", "monitored"], "before")


@dataclass(frozen=True)
class Baseline:
    """The frozen reference: how rewards map to 0..1, and what each cohort's rewards and outcomes were.

    cohorts: cohort label -> code; the codes index `mean_outcome`, `mean_reward` and `concordance`. Code -1 (a cohort
    the reference hardly knew) uses the pooled value, kept last. answering: by cohort, share of its items that have a
    "reward", an "outcome", and "scored": a reward among those that a scorer tried; of an audit, of those asked. asked:
    the least chance with which an audit asked. expects: m_g(r), the outcome that a reward meant; returns: h_g(o), the
    reward that an outcome brought. returning: share of units whose user had one before. gain and reverse: slopes of
    outcome on reward and of reward on outcome within cohorts, in reference units.
    """

    window: Window
    version: str
    units: int
    labelled: int
    revision: str | None
    as_is: bool
    ranks: Array
    cohorts: Mapping[str, int]
    traffic: Mapping[str, Mapping[str, float]]  # cohort key -> value -> share of reference items, enough units only
    small: Mapping[str, int]  # cohort key -> how many values had too few units
    expects: Calibrator | None
    returns: Calibrator | None
    mean_outcome: Array
    mean_reward: Array
    answering: Mapping[str, Array]
    asked: float
    returning: float
    split: float  # an outcome above it is a success when pairs are formed
    gain: float
    reverse: float
    overdispersion: float

    def mapped(self, raw: Array, reward_range: tuple[float, float] | None) -> Array:
        """Raw rewards to 0..1; NaN stays NaN."""
        if reward_range:
            low, high = reward_range
            return np.clip((raw - low) / (high - low), 0.0, 1.0)
        if self.as_is or not self.ranks.size:
            return np.clip(raw, 0.0, 1.0)
        return mid_ranks(self.ranks, raw)

    def codes(self, labels: "pd.Series[Any]") -> Codes:
        """Cohort labels to codes; -1 for a cohort without values of its own."""
        return np.asarray(labels.map(self.cohorts).fillna(-1), np.int64)

    def to_json(self) -> str:
        """Everything, as JSON text, for the store."""
        return json.dumps(self, default=_plain, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return {key: getattr(value, key) for key in value.__dataclass_fields__}


def baseline_from_json(text: str) -> Baseline:
    """Inverse of `Baseline.to_json`."""
    raw = json.loads(text)
    raw["window"] = Window(**raw["window"])
    for key in ("ranks", "mean_outcome", "mean_reward"):
        raw[key] = np.array(raw[key], float)
    raw["answering"] = {key: np.array(shares, float) for key, shares in raw["answering"].items()}
    for key in ("expects", "returns"):
        if raw[key]:
            cohorts = {int(code): _curve(curve) for code, curve in raw[key]["cohorts"].items()}
            raw[key] = Calibrator(_curve(raw[key]["pooled"]), cohorts)
    return Baseline(**raw)


def _curve(raw: Mapping[str, Any]) -> Curve:
    return Curve(**{key: np.array(raw[key], float) for key in ("rewards", "values", "support", "lean")})


def find_window(frame: pd.DataFrame, settings: Settings, first: str | None, as_of: dt.datetime) -> Window:
    """The reference window of all matured items. `first`: the checkpoint to take when the settings name none.

    Raises ReferenceMissing if the named checkpoint never served.
    """
    wanted, matured = settings.reference, microseconds(as_of - settings.wait)
    if wanted.from_ and wanted.until:
        start, end = microseconds(wanted.from_), microseconds(wanted.until)
        return Window(None, start, end, False, ended=matured >= end)
    name = wanted.checkpoint or first
    mine = frame[frame["checkpoint"] == name]
    if name is None or not len(mine):
        raise ReferenceMissing(
            f"no matured production response of the reference checkpoint {name!r}" if name else "no checkpoint yet"
        )
    start, end = int(mine["time_us"].min()), int(mine["time_us"].max()) + 1
    others = frame["time_us"][(frame["checkpoint"] != name) & (frame["time_us"] >= start)]
    labelled = mine[mine["outcome"].notna()].drop_duplicates("unit")["time_us"].sort_values()
    ended = bool(len(others)) and matured - end > PATIENCE_US
    if len(labelled) >= LABELLED_UNITS and len(others):
        end = max(int(others.min()), int(labelled.iloc[LABELLED_UNITS - 1]) + 1)
        ended = settings.unit != "user-week" or matured >= end  # weeks do not end in the order of their answers
    return Window(name, start, end, wanted.checkpoint is None, ended)


def fit_baseline(frame: pd.DataFrame, window: Window, settings: Settings, revision: str | None) -> Baseline:
    """Fit on the reference items of `frame`. Raises ReferenceMissing without an item that has an outcome."""
    items = frame[window.roles(frame) == "reference"].reset_index(drop=True)
    labelled = items["outcome"].notna().to_numpy()
    if not labelled.any():
        raise ReferenceMissing(f"no reference item has an outcome {settings.outcome.metric!r} yet")
    raw = items["reward"].to_numpy(float)
    known = raw[~np.isnan(raw)]
    as_is = settings.reward.label == "thumbs" or bool(np.isin(known, (0.0, 1.0)).all())
    ranks = np.zeros(0) if as_is or settings.reward.range else np.sort(known)
    labels = cohort_labels(items, settings.cohorts)
    cohorts = _known_cohorts(labels[labelled])
    draft = Baseline(
        window=window,
        version="",
        units=items["unit"].nunique(),
        labelled=items["unit"][labelled].nunique(),
        revision=revision,
        as_is=as_is,
        ranks=ranks,
        cohorts=cohorts,
        traffic={},
        small={},
        expects=None,
        returns=None,
        mean_outcome=np.zeros(0),
        mean_reward=np.zeros(0),
        answering={},
        asked=1.0,
        returning=0.0,
        split=0.0,
        gain=0.0,
        reverse=0.0,
        overdispersion=1.0,
    )
    rewards, codes = draft.mapped(raw, settings.reward.range), draft.codes(labels)
    outcomes = items["outcome"].to_numpy(float)
    both = labelled & ~np.isnan(rewards)
    sample = labelled & evenly_asked(items, np.full(len(items), "reference"))
    even, returned = np.where(sample, outcomes, np.nan), both & sample
    traffic, small = _traffic(items[labelled], settings.cohorts)
    fitted = {
        "traffic": traffic,
        "small": small,
        "expects": fit_calibrator(rewards[both], outcomes[both], codes[both]) if both.any() else None,
        "returns": fit_calibrator(outcomes[returned], rewards[returned], codes[returned]) if returned.any() else None,
        "mean_outcome": _cohort_means(even, codes, len(cohorts)),
        "mean_reward": _cohort_means(rewards, codes, len(cohorts)),
        "answering": _answering(items, codes, len(cohorts)),
        "asked": float(chances(items).min()),
        "returning": _returning(items),
        "split": float(np.nanmean(even)),
        "gain": slope(rewards[both], outcomes[both], codes[both]) if both.any() else 0.0,
        "reverse": slope(outcomes[returned], rewards[returned], codes[returned]) if returned.any() else 0.0,
        "overdispersion": _overdispersion(even[sample], items["day"].to_numpy()[sample]),
    }
    frozen = Baseline(**{**draft.__dict__, **fitted})
    return Baseline(**{**frozen.__dict__, "version": _version(frozen, settings)})


def no_baseline(settings: Settings) -> Baseline:
    """What stands for the baseline of a loop whose production has no reference yet: no unit, no item monitored."""
    window = Window(settings.reference.checkpoint, NEVER_US, NEVER_US, chosen_by_default=False, ended=False)
    unknown = np.array([np.nan])
    return Baseline(
        window=window, version="none", units=0, labelled=0, revision=None, as_is=True, ranks=np.zeros(0), cohorts={},
        traffic={}, small={}, expects=None, returns=None, mean_outcome=unknown, mean_reward=unknown, answering={},
        asked=1.0, returning=0.0, split=0.5, gain=0.0, reverse=0.0, overdispersion=1.0,
    )  # fmt: skip


def cohort_labels(frame: pd.DataFrame, keys: tuple[str, ...]) -> "pd.Series[Any]":
    """One label an item: the values of the configured keys, as JSON; the same for all when no key is configured."""
    index, parsed = _distinct_cohorts(frame)
    labels = np.array([json.dumps([cohort.get(key) for key in keys]) for cohort in parsed], dtype=object)
    return pd.Series(labels[index], index=frame.index, dtype=object)


def cohort_values(frame: pd.DataFrame, keys: tuple[str, ...]) -> dict[str, NDArray[np.object_]]:
    """Value of each configured cohort key, one array a key; None where the item has none."""
    index, parsed = _distinct_cohorts(frame)
    return {key: np.array([cohort.get(key) for cohort in parsed], dtype=object)[index] for key in keys}


def _distinct_cohorts(frame: pd.DataFrame) -> tuple[Codes, list[dict[str, str]]]:
    """Each distinct cohort object parsed once, and which one each item has; the last one is the empty cohort."""
    index, texts = pd.factorize(frame["cohort"])
    return index, [json.loads(text) for text in texts] + [{}]


def _known_cohorts(labels: "pd.Series[Any]") -> dict[str, int]:
    counts = labels.value_counts()
    return {str(label): code for code, label in enumerate(sorted(counts.index[counts >= COHORT_UNITS]))}


def _cohort_means(values: Array, codes: Codes, cohorts: int) -> Array:
    """Mean of each cohort shrunk to the pooled mean, which stands last so that code -1 finds it. NaN is left out."""
    known = ~np.isnan(values)
    pooled = float(values[known].mean()) if known.any() else np.nan
    mine = codes[known] >= 0
    counts = np.bincount(codes[known][mine], minlength=cohorts)[:cohorts]
    totals = np.bincount(codes[known][mine], values[known][mine], minlength=cohorts)[:cohorts]
    return np.append((totals + SHRINKAGE * pooled) / (counts + SHRINKAGE), pooled)


def _answering(items: pd.DataFrame, codes: Codes, cohorts: int) -> dict[str, Array]:
    """Share of each cohort's items that have a reward, an outcome, a reward where a scorer tried.

    Each outcome of an audit stands for the items among which it was drawn.
    """
    rewarded, labelled = (items[kind].notna().to_numpy(float) for kind in ("reward", "outcome"))
    scored = np.where((rewarded > 0) | items["unscoreable"].to_numpy(bool), rewarded, np.nan)
    shares = {"reward": rewarded, "outcome": labelled / chances(items), "scored": scored}
    return {name: np.minimum(_cohort_means(values, codes, cohorts), 1.0) for name, values in shares.items()}


def _returning(items: pd.DataFrame) -> float:
    """Share of units whose user had one before."""
    users = items[items["user"].notna()].drop_duplicates("unit")["user"]
    return float(users.duplicated().mean()) if len(users) else 0.0


def _traffic(items: pd.DataFrame, keys: tuple[str, ...]) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    traffic: dict[str, dict[str, float]] = {}
    small: dict[str, int] = {}
    for key, values in cohort_values(items, keys).items():
        counts = pd.Series(values).value_counts()
        enough = counts[counts >= COHORT_UNITS].sort_index().sort_values(ascending=False, kind="stable")[:MOST_SLICES]
        traffic[key] = {str(value): float(count / len(items)) for value, count in enough.items()}
        small[key] = len(counts) - len(enough)
    return traffic, small


def _overdispersion(outcomes: Array, days: NDArray[np.int64]) -> float:
    """How much more weekly mean outcomes vary than independent units would; 1 unless the excess is clear (1%)."""
    mean, variance = outcomes.mean(), outcomes.var()
    _, index, counts = np.unique(days // 7, return_inverse=True, return_counts=True)
    if not variance > 0 or counts.size < 2:
        return 1.0
    squared = (np.bincount(index, outcomes - mean) ** 2 / counts / variance).sum()
    excess = float(squared / (counts.size - 1))
    return excess if squared > stats.chi2.ppf(0.99, counts.size - 1) else 1.0


def _version(baseline: Baseline, settings: Settings) -> str:
    told = settings.model_dump_json(include={"reward", "outcome", "cohorts", "unit"}) + baseline.to_json()
    return hashlib.blake2b(told.encode(), digest_size=6).hexdigest()
