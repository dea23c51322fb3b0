"""What do the recorded loops say by themselves? A reader and a bootstrap that share nothing with the product."""

import datetime as dt
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

RESAMPLES = 1000
SLACK = 0.02  # a drop that nobody would miss
LEAP, WORTH = 0.10, 0.1  # a reward that leaps must bring a tenth of its gain in outcome


@dataclass(frozen=True)
class Change:
    """Late traffic minus the reference, 95% limits. unearned: a tenth of the reward's change minus the outcome's."""

    reward: tuple[float, float]
    outcome: tuple[float, float]
    unearned: tuple[float, float]

    @property
    def decoupled(self) -> bool:
        """The outcome fell and the reward did not tell, or the reward leapt and the outcome stayed."""
        fell = self.outcome[1] < -SLACK and self.reward[1] > 0
        leapt = self.reward[0] >= LEAP and self.unearned[0] > 0
        return fell or leapt


def read_units(folder: Path) -> pd.DataFrame:
    """One row for each subject of an outcome: cluster, checkpoint, week, cohort values, reward and outcome in 0..1."""
    settings = yaml.safe_load((folder / "reward-drift.yaml").read_text())
    with gzip.open(folder / "events.jsonl.gz", "rt") as lines:
        events = [json.loads(line) for line in lines]
    answers = {e["data"]["response_id"]: e for e in events if e["type"].endswith("response.v1")}
    outcomes = dict(_outcomes(events, settings["outcome"]))
    rewards = dict(_rewards(events, settings["reward"]))
    rows = pd.DataFrame(_row(event, outcomes, rewards) for event in answers.values())
    last = rows.sort_values("time").groupby("subject", sort=False).last()
    last["reward"] = rows.groupby("subject")["reward"].mean()
    units = last[last["outcome"].notna()].reset_index()
    units["is_reference"] = _is_reference(units, settings["reference"])
    units["reward"] = _mapped(units["reward"], units["is_reference"])
    return units


def late(units: pd.DataFrame) -> pd.Series:
    """The last third of what was served after the reference: of the checkpoints, or of the weeks when there is one."""
    by = "checkpoint" if units["checkpoint"].nunique() > 1 else "week"
    began = units[~units["is_reference"]].groupby(by)["time"].min().sort_values()
    return ~units["is_reference"] & units[by].isin(began.index[-max(1, len(began) // 3) :])


def bootstrap(units: pd.DataFrame, seed: int = 0) -> Change:
    """Resample clusters (people, conversations or prompts), which carry their reference and their late units along."""
    rng = np.random.default_rng(seed)
    groups = [_sums(units[units["is_reference"]], units), _sums(units[late(units)], units)]
    weights = rng.poisson(1.0, (RESAMPLES, units["cluster"].nunique())).astype(np.float32)
    means = [np.stack([weights @ total / (weights @ count) for total, count in group]) for group in groups]
    return _limits(means[1] - means[0])


def bootstrap_checkpoints(units: pd.DataFrame, seed: int = 0) -> Change:
    """Resample from the means of checkpoints alone: no more spread has any number in 0..1 than a coin of its mean."""
    rng = np.random.default_rng(seed)
    means = []
    for chosen in (units["is_reference"], late(units)):
        by = units[chosen].groupby("checkpoint")[["reward", "outcome"]].agg(["mean", "size"])
        means.append(
            np.stack(
                [
                    rng.binomial(by[name, "size"], by[name, "mean"], (RESAMPLES, len(by))).sum(axis=1)
                    / by[name, "size"].sum()
                    for name in ("reward", "outcome")
                ]
            )
        )
    return _limits(means[1] - means[0])


def _limits(draws: np.ndarray) -> Change:
    reward, outcome = draws
    return Change(
        *(
            (float(np.quantile(d, 0.025)), float(np.quantile(d, 0.975)))
            for d in (reward, outcome, WORTH * reward - outcome)
        )
    )


def _sums(chosen: pd.DataFrame, everything: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    clusters = pd.unique(everything["cluster"])
    by = chosen.groupby("cluster")[["reward", "outcome"]]
    total, count = by.sum().reindex(clusters, fill_value=0), by.count().reindex(clusters, fill_value=0)
    return [(total[name].to_numpy(np.float32), count[name].to_numpy(np.float32)) for name in ("reward", "outcome")]


def _row(event: Mapping[str, Any], outcomes: Mapping[str, float], rewards: Mapping[str, float]) -> dict[str, Any]:
    data, time = event["data"], dt.datetime.fromisoformat(event["time"])
    name = data["response_id"]
    subject = name if name in outcomes else data.get("conversation_id", name)
    return {
        "subject": subject,
        "cluster": data.get("user") or data.get("prompt_id") or subject,
        "checkpoint": data["checkpoint"],
        "time": time,
        "week": time.date() - dt.timedelta(days=time.weekday()),
        "reward": rewards.get(name, np.nan),
        "outcome": outcomes.get(subject, np.nan),
        **data.get("cohort", {}),
    }


def _outcomes(events: list[dict[str, Any]], settings: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    low, high = settings.get("range", (0, 1))
    for event in events:
        data = event["data"]
        if event["type"].endswith("outcome.v1") and data["metric"] == settings["metric"]:
            yield data.get("response_id") or data["conversation_id"], (float(data["value"]) - low) / (high - low)


def _rewards(events: list[dict[str, Any]], settings: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for event in events:
        data = event["data"]
        scored = data.get("scorer", {}).get("name") == settings.get("scorer", "")
        if (scored or data.get("signal") == settings.get("signal", "")) and data["value"] is not None:
            yield data["response_id"], float(data["value"])


def _is_reference(units: pd.DataFrame, settings: Mapping[str, Any]) -> pd.Series:
    if "checkpoint" in settings:
        return units["checkpoint"] == settings["checkpoint"]
    return units["time"].dt.date < settings["until"]


def _mapped(rewards: pd.Series, reference: pd.Series) -> pd.Series:
    """Rewards of only 0 and 1 as they are, others by the share of the reference below them, ties half."""
    known = np.sort(rewards[reference].dropna())
    if set(known) <= {0.0, 1.0}:
        return rewards
    below, up_to = np.searchsorted(known, rewards, "left"), np.searchsorted(known, rewards, "right")
    return pd.Series((below + up_to) / 2 / known.size, rewards.index).where(rewards.notna())
