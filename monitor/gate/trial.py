"""What do checks see when a candidate is tried against a reference?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import text

from monitor.anchored.anchored_pairs import Pairs, newest_pair
from monitor.check import Slice
from monitor.gate.contract import Contract
from monitor.gate.suites import Suites, read_suites
from monitor.gate.trial_part import TrialPart, on_both
from monitor.snapshot import Array, Codes, Snapshot
from monitor.statistics.carried import look_alpha

PROMPTS = """
    SELECT response_id, prompt_id FROM response
    WHERE environment = 'production' AND prompt_id IS NOT NULL AND checkpoint IN (:candidate, :reference)
"""
PAIRED_SHARE = 0.5  # of the candidate's outcomes: where fewer have a partner, all are compared unpaired


@dataclass(frozen=True)
class Trial(Snapshot):
    """A snapshot of two checkpoints: `latest()` is the candidate, and the baseline is the reference.

    stage: offline | canary | ramp | full. files: folders of sealed artefacts that a decision binds, by role
    (`candidate`, `reference`, `anchors:NAME`). training: files the candidate was trained on, searched for held-out
    items. base: the model both began with, where its suites are compared; None where unknown. contract: what the
    candidate must keep doing. look: the how-manieth decision about this candidate beside this reference.
    """

    candidate: str = ""
    reference: str = ""
    stage: str = "offline"
    base: str | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    training: tuple[Path, ...] = ()
    look: int = 1
    contract: Contract | None = None

    @property
    def alpha(self) -> float:
        """Chance of a wrong answer that this decision may spend."""
        gate = self.settings.gate
        return look_alpha(self.look, gate.alpha) if gate.anytime else gate.alpha

    def latest(self) -> str | None:
        """The candidate, whoever began last."""
        return self.candidate

    def in_question(self, checkpoints: Sequence[str]) -> list[str]:
        """The candidate alone, if it is among them."""
        return [name for name in checkpoints if name == self.candidate]

    def anchored_pairs(self) -> Iterator[Pairs]:
        """Candidate and reference on the items of each anchor set, by all that is known today."""
        for anchors in self.anchor_sets:
            yield newest_pair(anchors, self.candidate, self.reference, self.settings)

    @property
    def has_served(self) -> bool:
        """Whether the candidate has a matured answer in production."""
        return bool((self._columns["role"] == "monitored").any())

    @cached_property
    def suites(self) -> Suites:
        """What both checkpoints, and the base they began with, brought on suites and anchor sets."""
        named = (self.candidate, self.reference, self.base, self.contract.base if self.contract else None)
        return read_suites(self.engine, [name for name in named if name], self.anchor_sets, self.as_of)

    @property
    def roles(self) -> NDArray[np.str_]:
        """Whose each item is: the candidate's (monitored), the reference's, or neither's."""
        found: NDArray[np.str_] = self._columns["role"]
        return found

    @property
    def prompts(self) -> Codes:
        """A number for each item's prompt, -1 without one."""
        found: Codes = self._columns["prompt"]
        return found

    @property
    def outcomes(self) -> Array:
        """Each item's outcome in 0..1, plus is better, NaN where not known; of an audit, an even sample."""
        found: Array = self._columns["outcome"]
        return found

    @cached_property
    def pairs_prompts(self) -> bool:
        """Whether production is compared prompt by prompt: most of the candidate's outcomes have a partner."""
        columns = self._columns
        labelled = ~np.isnan(columns["told"])
        mine = labelled & (columns["role"] == "monitored")
        both = on_both(columns["prompt"], columns["role"], columns["told"])[0]
        return bool(mine.any() and np.isin(columns["prompt"][mine], both).mean() >= PAIRED_SHARE)

    @cached_property
    def _columns(self) -> Mapping[str, Any]:
        frame = self.items.frame
        return {
            **super()._columns,
            "prompt": self._prompts(),
            "asked_for": ~np.isnan(frame["propensity"].to_numpy(float)),
            "unscoreable": frame["unscoreable"].to_numpy(bool),
        }

    def _prompts(self) -> Codes:
        """A number for each item's prompt; -1 where it has none, or an outcome speaks of more than one answer."""
        frame = self.items.frame
        if self.items.subject != "response_id":
            return np.full(len(frame), -1, np.int64)
        with self.engine.connect() as connection:
            names = {"candidate": self.candidate, "reference": self.reference}
            told = pd.read_sql_query(text(PROMPTS), connection, params=names).drop_duplicates("response_id")
        if told.empty:
            return np.full(len(frame), -1, np.int64)
        named = frame["response_id"].map(told.set_index("response_id")["prompt_id"])
        return pd.factorize(named)[0].astype(np.int64)

    def _part(self, of: Slice, mine: Any, columns: Mapping[str, Any]) -> TrialPart:
        chosen = {name: column[mine] for name, column in columns.items()}
        return TrialPart(
            slice=of, known_errors=self.errors, split=self.baseline.split, leans=self._leans,
            reward_leans=self._reward_leans, paired=self.pairs_prompts,
            complete=self.settings.outcome.missing == "exclude", **chosen,
        )  # fmt: skip
