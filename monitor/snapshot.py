"""What do checks see? A read-only, point-in-time view of the store against a frozen baseline."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from consumers.incidents import Incident, read_incidents
from judges.lexicon import Lexicon
from monitor.anchored.anchored_items import AnchorSet, read_anchor_sets
from monitor.anchored.anchored_pairs import Pairs, pairs_of
from monitor.check import Measurement, Slice
from monitor.judging.judge_records import JudgeRecords, read_records
from monitor.production.audit import chances, evenly_asked, share_asked
from monitor.production.baseline import COHORT_UNITS, Baseline, cohort_labels, cohort_values
from monitor.production.escapes import Kind, answered, asks_everybody
from monitor.production.items import Items, day_of
from monitor.production.seeking import marked_answers, shares_by_cohort
from monitor.settings import Settings
from monitor.statistics.pairs import disjoint_pairs
from monitor.statistics.reference_error import ReferenceError, allowance_by_day, reference_error
from monitor.voices.voice import Texts, Voice, learn_voice, read_texts, with_sides
from monitor.voices.voice_pairs import VoiceMeasurement, voices_of

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

NOWHERE = np.zeros(0, np.int64)
PROVENANCE = """
    SELECT f.purpose, f.actor_role, f.surface_environment, f.surface_purpose, f.rubric,
           CASE WHEN s.actor_id IS NULL THEN 0 ELSE 1 END AS by_staff,
           CASE WHEN r.response_id IS NULL THEN 0 ELSE 1 END AS off_production
    FROM feedback AS f
    LEFT JOIN (SELECT DISTINCT actor_id FROM feedback WHERE actor_role IN ('engineer', 'on_call', 'bot')) AS s
      ON s.actor_id = f.actor_id
    LEFT JOIN (SELECT DISTINCT response_id FROM response WHERE environment IN ('staging', 'development')) AS r
      ON r.response_id = f.response_id
    WHERE f.purpose IN ('curation', 'reward') AND f.time_us < :until
"""
SOURCES = "SELECT source FROM source_position"


@dataclass(frozen=True)
class Part:
    """The items of one slice: all production traffic, one cohort, or one of several arms serving at once.

    Arrays of shape (items,): reward and outcome in 0..1 (NaN unknown; of an audit, those of a sample with equal
    chances), told (every outcome, however it was sampled), expected = m_g(reward), expected_reward = h_g(outcome),
    mean_outcome and mean_reward of the item's cohort, unit (a hash of an answer's id: the same in every snapshot, and
    after its user was erased), user and cohort codes, cell and reward_cell (the fitted values behind `expected` and
    `expected_reward`), day of maturity, role.
    """

    slice: Slice
    reward: Array
    outcome: Array
    told: Array
    expected: Array
    expected_reward: Array
    mean_outcome: Array
    mean_reward: Array
    unit: Codes
    user: Codes
    cohort: Codes
    cell: Codes
    reward_cell: Codes
    day: Codes
    role: NDArray[np.str_]
    known_errors: dict[str, ReferenceError]
    split: float
    leans: Mapping[int, float]
    reward_leans: Mapping[int, float]

    @cached_property
    def coded_units(self) -> tuple[Codes, Codes]:
        """Distinct units, ascending, and the place of each item's unit among them: sorted once for all series."""
        return np.unique(self.unit, return_inverse=True)

    def means(self, values: Array, mine: NDArray[np.bool_]) -> tuple[Codes, Codes, Array]:
        """`unit_means` of items of this slice."""
        units, index = self.coded_units
        keep = mine & ~np.isnan(values)
        return _means_of(units, index[keep], self.day[keep], values[keep])

    def as_told(self) -> "Part":
        """The same slice with every outcome: for effects that compare outcomes of equal reward and cohort."""
        return replace(self, outcome=self.told)

    def held_back(self) -> "Part":
        """The same slice with users held back in the place of new ones."""
        others = np.where(self.role == "monitored", "before", self.role)
        return replace(self, role=np.where(self.role == "holdback", "monitored", others))

    def measure(
        self, series: str, effects: Array, cells: Codes, tolerance: float, leans: Mapping[int, float] | None = None
    ) -> Measurement:
        """Average item effects (NaN: not measurable) over each monitored unit; weigh the baseline's own error.

        cells: shape (items,), items that share a fitted baseline value share a number. leans: how far shrinkage moved
        each of those values up.
        """
        monitored = (self.role == "monitored") & ~np.isnan(effects)
        _, days, values = self.means(effects, monitored)
        baseline = self._error(series, lambda: self._reference_error(effects, cells, leans or {}))
        distinct, allowances = allowance_by_day(baseline, self.day[monitored], cells[monitored])
        return self._measurement(series, values, days, baseline, allowances[np.searchsorted(distinct, days)], tolerance)

    def measure_pairs(self, series: str, tolerance: float) -> Measurement:
        """AUC_0 - concordance over disjoint pairs of one success and one failure of the same cohort and day."""
        values, days = self._concordance("monitored")
        before, _ = self._concordance("reference")
        n, hits = before.size, float(before.sum())
        share = (hits + 1) / (n + 2)
        fresh = ReferenceError(float(np.sqrt(share * (1 - share) / max(n, 1))), 0.0, n, {})
        baseline = self._error(series, lambda: fresh)
        start = self._error(series + ".start", lambda: ReferenceError(hits / n if n else 0.5, 0.0, n, {}))
        allowances = np.full(days.size, baseline.allowance())
        return self._measurement(series, start.error - values, days, baseline, allowances, tolerance)

    def _measurement(
        self,
        series: str,
        values: Array,
        days: Codes,
        baseline: ReferenceError,
        allowances: Array,
        tolerance: float,
    ) -> Measurement:
        enough = baseline.units >= COHORT_UNITS
        needs = "" if enough else f"{COHORT_UNITS} reference units, {baseline.units} are there"
        return Measurement(
            slice=self.slice,
            effects=values if enough else values[:0],
            days=days if enough else days[:0],
            tolerance=tolerance,
            series=series,
            baseline_error=baseline.error,
            baseline_allowance=allowances if enough else allowances[:0],
            baseline_units=baseline.units,
            needs=needs,
        )

    def _error(self, series: str, fresh: Any) -> ReferenceError:
        key = series + "|" + slice_name(self.slice)
        if key not in self.known_errors:
            self.known_errors[key] = fresh()
        return self.known_errors[key]

    def _reference_error(self, effects: Array, cells: Codes, leans: Mapping[int, float]) -> ReferenceError:
        mine = (self.role == "reference") & ~np.isnan(effects)
        return reference_error(
            effects[mine], self.outcome[mine], cells[mine], self.unit[mine], self.user[mine], self.cohort[mine],
            self.day[mine], leans,
        )  # fmt: skip

    def _concordance(self, role: str) -> tuple[Array, Codes]:
        mine = (self.role == role) & ~np.isnan(self.outcome) & ~np.isnan(self.reward)
        units, days, outcome = self.means(self.outcome, mine)
        _, _, reward = self.means(self.reward, mine)
        cohort = self.cohort[mine][np.unique(self.unit[mine], return_index=True)[1]]
        return disjoint_pairs(reward, outcome > self.split, cohort, days, lot=units)


def unit_means(unit: Codes, day: Codes, values: Array, mine: NDArray[np.bool_]) -> tuple[Codes, Codes, Array]:
    """Mean of the values of each unit among `mine`, NaN left out: distinct units, their last day, their means."""
    keep = mine & ~np.isnan(values)
    units, index = np.unique(unit[keep], return_inverse=True)
    return _means_of(units, index, day[keep], values[keep])


def _means_of(units: Codes, index: Codes, day: Codes, values: Array) -> tuple[Codes, Codes, Array]:
    """Last day and mean value of each unit that has one. index: shape (values,), the place of each one's unit."""
    counts = np.bincount(index, minlength=units.size)
    there = counts > 0
    last = np.full(units.size, np.iinfo(np.int64).min)
    np.maximum.at(last, index, day)
    return units[there], last[there], np.bincount(index, values, minlength=units.size)[there] / counts[there]


def _unit_codes(frame: pd.DataFrame) -> Codes:
    """A number a unit: the smallest hash of its answers' ids."""
    ids = frame["response_id"].astype(object)
    hashed = pd.util.hash_pandas_object(ids, index=False, categorize=False).astype(np.int64)
    return hashed.groupby(pd.factorize(frame["unit"])[0]).transform("min").to_numpy(np.int64)


def _places(values: NDArray[np.object_]) -> dict[str, Codes]:
    """Indices of each value, ascending; None is left out. One sort serves hundreds of slices."""
    codes, distinct = pd.factorize(values)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes + 1, minlength=len(distinct) + 1))
    return {value: order[ends[code] : ends[code + 1]] for code, value in enumerate(distinct)}


def slice_name(part: Slice) -> str:
    """`key=value,...` with keys in alphabetical order; empty for all traffic."""
    return ",".join(f"{key}={part[key]}" for key in sorted(part))


@dataclass(frozen=True)
class Snapshot:
    """All that checks may know, as of one moment. Never written to.

    errors, learned: what is fitted once, of the reference and of a teacher's voice, and used from then on.
    """

    as_of: dt.datetime
    settings: Settings
    items: Items
    baseline: Baseline
    engine: Engine
    arms: tuple[str, ...] = ()
    errors: dict[str, ReferenceError] = field(default_factory=dict)
    learned: dict[str, Voice] = field(default_factory=dict)

    def parts(self, of: str | None = None) -> Iterator[Part]:
        """All traffic first, then each cohort value with enough reference units, then each arm of a split traffic.

        of: keep only this checkpoint's monitored items (beside the reference).
        """
        columns = self._columns
        if of is not None:
            wanted = (columns["role"] == "reference") | (self.items.frame["checkpoint"] == of).to_numpy(bool)
            columns = {**columns, "role": np.where(wanted, columns["role"], "before")}
        yield self._part({}, slice(None), columns)
        values = cohort_values(self.items.frame, self.settings.cohorts)
        for key, shares in self.baseline.traffic.items():
            places = _places(values[key])
            for value in shares:
                yield self._part({key: value}, places.get(value, NOWHERE), columns)
        checkpoints = self.items.frame["checkpoint"].to_numpy()
        for arm in self.arms:
            beside = np.isin(columns["role"], ("reference", "holdback"))
            yield self._part({"checkpoint": arm}, (checkpoints == arm) | beside, columns)

    def by_checkpoint(self) -> Iterator[tuple[str, Part]]:
        """All monitored traffic by checkpoint, each beside the reference, in the order in which they began."""
        columns = self._columns
        monitored, reference = (np.flatnonzero(columns["role"] == role) for role in ("monitored", "reference"))
        frame = self.items.frame.iloc[monitored]
        for name in frame.groupby("checkpoint")["time_us"].min().sort_index().sort_values(kind="stable").index:
            mine = monitored[(frame["checkpoint"] == name).to_numpy(bool)]
            yield str(name), self._part({}, np.concatenate([reference, mine]), columns)

    def responding(self, kind: Kind) -> Part:
        """All traffic, with whether an item has a reward (an outcome) in the place of its outcome; NaN: never asked.

        Where an audit asks a known share, an answer counts as that share of one, whatever its own chance was.
        """
        columns, frame = self._columns, self.items.frame
        came = np.where(self._absence_counts(kind), np.nan, frame[kind].notna().to_numpy(float))
        return self._answers(kind, "stream", came, self.baseline.answering[kind][columns["cohort"]])

    def escaping(self, kind: Kind) -> tuple[Part, bool]:
        """All traffic, with whether an item asked for a reward (an outcome) gave one in the place of its outcome.

        NaN: not asked; where an audit asks a known share, as in `responding`. Also whether the reference tells how many
        would have escaped anyway: if only a sample was asked, none knows of whom, and only a holdback can tell.
        """
        columns, frame, known = self._columns, self.items.frame, self.baseline.answering
        scored = kind == "reward" and self.settings.reward.scorer is not None
        everybody = asks_everybody(known[kind])
        came = np.where(self._absence_counts(kind), np.nan, answered(frame, kind, everybody or not scored))
        before = known["scored" if scored and not everybody else kind]
        return self._answers(kind, "escapes", came, before[columns["cohort"]]), everybody or scored

    def told_twice(self) -> tuple[Array, Array, Codes]:
        """Of each item whose outcome two sources told: the one that counts, the other's, the day of maturity."""
        frame = self.items.frame[self.items.frame["second"].notna()]
        last, other = (frame[name].to_numpy(float) for name in ("outcome", "second"))
        return last, other, frame["day"].to_numpy(np.int64)

    def asking(self, kind: Kind) -> float:
        """Share of the newest items of which every answer counts: 1 unless an audit asks a known share of them."""
        shares = self._shares_asked(kind)
        return float(shares[-1]) if shares.size else 1.0

    def _answers(self, kind: Kind, key: str, came: Array, before: Array) -> Part:
        shares = self._shares_asked(kind)
        whole = self._part({key: kind}, np.ones(shares.size, bool), self._columns)
        counted = shares / chances(self.items.frame) if kind == "outcome" else shares
        return replace(whole, outcome=came * counted, mean_outcome=before * shares)

    def _shares_asked(self, kind: Kind) -> Array:
        if kind == "reward":
            return np.ones(len(self.items.frame))
        return share_asked(self.items.frame, self._columns["role"], self.baseline.asked)

    def _absence_counts(self, kind: Kind) -> bool:
        """An outcome that is only sent when it happens is never missing."""
        return kind == "outcome" and self.settings.outcome.missing is False

    def latest(self) -> str | None:
        """The monitored checkpoint whose traffic began last."""
        frame = self.items.frame[self.baseline.window.roles(self.items.frame) == "monitored"]
        began = frame.groupby("checkpoint")["time_us"].min()
        return None if began.empty else str(began.sort_index().idxmax())

    def in_question(self, checkpoints: Sequence[str]) -> list[str]:
        """Which of these, in their order, a check of checkpoints speaks of: all of them."""
        return list(checkpoints)

    def provenance(self) -> pd.DataFrame:
        """Feedback counted as label or reward: what it says of itself, and what the rest of the store says of it.

        Columns: purpose, actor_role, surface_environment, surface_purpose, rubric, by_staff (the same actor is an
        engineer, on call or a bot elsewhere), off_production (the response came from staging or development).
        """
        with self.engine.connect() as connection:
            until = round(self.as_of.timestamp() * 1e6)
            return pd.read_sql_query(text(PROVENANCE), connection, params={"until": until})

    def anchored_pairs(self) -> Iterator[Pairs]:
        """Each checkpoint beside the reference on the items of each anchor set, by the close of each day of news.

        The reference is the baseline's checkpoint, else the one of the settings, else the first that was evaluated.
        """
        named = self.baseline.window.checkpoint or self.settings.reference.checkpoint
        for anchors in self.anchor_sets:
            yield from pairs_of(anchors, named or anchors.checkpoints[0], self.settings)

    @cached_property
    def anchor_sets(self) -> list[AnchorSet]:
        """Every answer to a held-out item; none of them is production traffic."""
        return read_anchor_sets(self.engine, self.settings)

    def seeking(self, lexicon: Lexicon) -> Iterator[Part]:
        """All traffic by kind of phrase: whether an answer has one in the place of its outcome, NaN if its words are
        gone, and the share that had one in its cohort of the reference."""
        frame, cohort = self.items.frame, self._columns["cohort"]
        reference = self._columns["role"] == "reference"
        since = int(frame["time_us"].min()) if len(frame) else 0
        for kind, marks in marked_answers(self.engine, frame["response_id"].tolist(), since, lexicon).items():
            name = f"{kind}.{lexicon.revision}"
            if name not in self.errors:
                shares, n = shares_by_cohort(marks[reference], cohort[reference], self.baseline.mean_outcome.size)
                if n:
                    cells = {code: (share, 0.0, 0.0) for code, share in enumerate(shares)}
                    self.errors[name] = ReferenceError(0.0, 0.0, n, cells)
            known = self.errors[name].cells if name in self.errors else {}
            expected = np.array([known.get(code, (np.nan,))[0] for code in range(self.baseline.mean_outcome.size)])
            whole = self._part({"marker": kind}, np.ones(len(frame), bool), self._columns)
            yield replace(whole, outcome=marks, mean_outcome=expected[cohort])

    def voices(self, controls: tuple[str, ...], tolerance: float) -> Iterator[VoiceMeasurement]:
        """Each checkpoint's evaluation answers beside the teacher's voice; nothing while that is not learned."""
        if (voice := self._voice(controls)) is not None:
            wanted = {name: side for name, side in voice.sides.items() if name in (voice.reference, *controls)}
            yield from voices_of(replace(voice, sides=wanted), self.evaluation_texts, tolerance)

    def _voice(self, controls: tuple[str, ...]) -> Voice | None:
        """The teacher's voice as it was learned, else learned from what is in the store; None if it cannot be."""
        teacher, texts = self.settings.judges.teacher, self.evaluation_texts
        reference = self.baseline.window.checkpoint or self.settings.reference.checkpoint
        reference = reference or next((name for name in texts.checkpoints if name != teacher), None)
        if teacher is None or reference is None:
            return None
        name, close = json.dumps([teacher, reference]), day_of(self.as_of)
        if (voice := self.learned.get(name) or learn_voice(texts, teacher, reference, close, controls)) is None:
            return None
        self.learned[name] = with_sides(voice, texts, (reference, *controls), close)
        return self.learned[name]

    @cached_property
    def evaluation_texts(self) -> Texts:
        """Evaluation answers whose words are in the store, of the teacher too."""
        return read_texts(self.engine)

    @cached_property
    def judge_records(self) -> JudgeRecords:
        """What every watched judge said, up to the last midnight."""
        return read_records(self.engine, self.settings, self.baseline.window, day_of(self.as_of))

    def open_incidents(self) -> Mapping[str, list[Incident]]:
        """The open incidents of every source that was ever read, by source; they count until a person closes them."""
        with self.engine.connect() as connection:
            sources: dict[str, list[Incident]] = {name: [] for name in connection.execute(text(SOURCES)).scalars()}
            for incident in read_incidents(connection, open_only=True):
                sources.setdefault(incident.source, []).append(incident)
        return sources

    @cached_property
    def _leans(self) -> Mapping[int, float]:
        return self.baseline.expects.leans() if self.baseline.expects else {}

    @cached_property
    def _reward_leans(self) -> Mapping[int, float]:
        """How far shrinkage moved h_g; a claim may go either way, so that no lean speaks for one."""
        leans = self.baseline.returns.leans() if self.baseline.returns else {}
        return {cell: abs(lean) for cell, lean in leans.items()}

    @cached_property
    def _columns(self) -> Mapping[str, Any]:
        frame, base = self.items.frame, self.baseline
        reward = base.mapped(frame["reward"].to_numpy(float), self.settings.reward.range)
        role, told = base.window.roles(frame), frame["outcome"].to_numpy(float)
        outcome = np.where(evenly_asked(frame, role), told, np.nan)
        cohort = base.codes(cohort_labels(frame, self.settings.cohorts))
        expected = base.expects.expected(reward, cohort) if base.expects else np.full(len(frame), np.nan)
        returned = base.returns.expected(outcome, cohort) if base.returns else np.full(len(frame), np.nan)
        unit = _unit_codes(frame)
        user = pd.factorize(frame["user"].astype(object).where(frame["user"].notna(), frame["unit"]), sort=False)[0]
        return {
            "reward": reward,
            "outcome": outcome,
            "told": told,
            "expected": expected,
            "expected_reward": returned,
            "mean_outcome": base.mean_outcome[cohort],
            "mean_reward": base.mean_reward[cohort],
            "unit": unit,
            "user": user.astype(np.int64),
            "cohort": cohort,
            "cell": base.expects.cells(reward, cohort) if base.expects else cohort,
            "reward_cell": base.returns.cells(outcome, cohort) if base.returns else cohort,
            "day": frame["day"].to_numpy(np.int64),
            "role": role,
        }

    def _part(self, of: Slice, mine: NDArray[np.bool_] | Codes | slice, columns: Mapping[str, Any]) -> Part:
        chosen = {name: column[mine] for name, column in columns.items()}
        return Part(
            slice=of, known_errors=self.errors, split=self.baseline.split, leans=self._leans,
            reward_leans=self._reward_leans, **chosen,
        )  # fmt: skip
