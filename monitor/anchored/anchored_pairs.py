"""What did a checkpoint and the reference bring on the same anchor items, and how far apart are they?"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitor.anchored.anchored_items import AnchorSet, Answered
from monitor.check import FloatArray, Measurement
from monitor.settings import Settings
from monitor.statistics.calibrate import mid_ranks, slope
from monitor.statistics.paired import difference
from monitor.statistics.scores import unearned_reward

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Two checkpoints on the items that either of them answered, by the close of a day.

    place: of the checkpoint among those of the set, the newest highest. Rewards and outcomes: shape (items,), in 0..1,
    NaN where one is missing; no rewards where `needs` says what they need.
    """

    anchor_set: str
    checkpoint: str
    reference: str
    place: int
    day: int
    rewards: tuple[Array, Array]
    outcomes: tuple[Array, Array]
    needs: str


@dataclass(frozen=True)
class PairedMeasurement(Measurement):
    """Effects of a fixed sample of paired items, as of the close of a day: inferred once, by no detector.

    effects: the middle of what each item allows, `least` and `most` its ends. reward, outcome: (least, most) of new
    minus reference, plus is better. failed: items of which something is missing. gain, reverse: slopes of outcome on
    reward and of reward on outcome in the reference. needs: why no reward difference is formed; then no effects.
    """

    checkpoint: str = ""
    reference: str = ""
    place: int = 0
    day: int = 0
    failed: int = 0
    least: FloatArray = field(default_factory=lambda: np.zeros(0))
    most: FloatArray = field(default_factory=lambda: np.zeros(0))
    reward: tuple[FloatArray, FloatArray] = field(default_factory=lambda: (np.zeros(0), np.zeros(0)))
    outcome: tuple[FloatArray, FloatArray] = field(default_factory=lambda: (np.zeros(0), np.zeros(0)))
    gain: float = 0.0
    reverse: float = 0.0
    worth: float = 0.0


def pairs_of(anchors: AnchorSet, reference: str, settings: Settings) -> Iterator[Pairs]:
    """Each checkpoint beside the reference, once for each day that told anything new of either, in order of time.

    Without an answer of the reference, one pair of the newest checkpoint that says so.
    """
    others = [(place, name) for place, name in enumerate(anchors.checkpoints) if name != reference]
    if reference not in anchors.checkpoints:
        place, name = others[-1]
        empty = (np.zeros(0), np.zeros(0))
        needs = f"answers of the reference checkpoint {reference!r} to the items of {anchors.name}"
        yield Pairs(anchors.name, name, reference, place, 0, empty, empty, needs)
        return
    known: dict[int, Answered] = {}
    for place, name in others:
        began = anchors.days(name)[0]
        for day in sorted({*anchors.days(name), *(d for d in anchors.days(reference) if d >= began)}):
            if day not in known:
                known[day] = anchors.answered(reference, day)
            pair = _pair(known[day], anchors.answered(name, day), settings)
            yield replace(pair, anchor_set=anchors.name, checkpoint=name, reference=reference, place=place, day=day)


def newest_pair(anchors: AnchorSet, checkpoint: str, reference: str, settings: Settings) -> Pairs:
    """Two checkpoints by all that is known of both today; without an answer of either, a pair that says so."""
    for name in (reference, checkpoint):
        if name not in anchors.checkpoints:
            empty = (np.zeros(0), np.zeros(0))
            needs = f"answers of {name!r} to the items of {anchors.name}"
            return Pairs(anchors.name, checkpoint, reference, 0, 0, empty, empty, needs)
    day = max(*anchors.days(checkpoint), *anchors.days(reference))
    pair = _pair(anchors.answered(reference, day), anchors.answered(checkpoint, day), settings)
    oldest = min(anchors.days(checkpoint)[-1], anchors.days(reference)[-1])
    return replace(pair, anchor_set=anchors.name, checkpoint=checkpoint, reference=reference, day=oldest)


def measure(pairs: Pairs, tolerance: float, worth: float) -> PairedMeasurement:
    """A7 of each item, and what reward and outcome changed by; open where something of the item is missing."""
    reward = difference(*pairs.rewards)
    outcome = difference(*pairs.outcomes)
    formed = not pairs.needs
    none = np.zeros(0)
    still = np.zeros(outcome[0].size if formed else 0)
    ends = [
        unearned_reward(r, still, o, still, worth) if formed else none
        for r, o in ((reward[0], outcome[1]), (reward[1], outcome[0]))
    ]
    before = ~np.isnan(pairs.rewards[1]) & ~np.isnan(pairs.outcomes[1]) if formed else np.zeros(0, bool)
    r, o = (side[1][before] if formed else none for side in (pairs.rewards, pairs.outcomes))
    alike = np.zeros(r.size, np.int64)
    missing = np.isnan(pairs.outcomes).any(axis=0) | (np.isnan(pairs.rewards).any(axis=0) if formed else False)
    return PairedMeasurement(
        slice={"anchor_set": pairs.anchor_set, "checkpoint": pairs.checkpoint},
        effects=(ends[0] + ends[1]) / 2,
        tolerance=tolerance,
        series="A7",
        days=np.full(ends[0].size, pairs.day, np.int64),
        baseline_allowance=np.zeros(ends[0].size),
        baseline_units=int(pairs.outcomes[1].size),
        needs=pairs.needs,
        checkpoint=pairs.checkpoint,
        reference=pairs.reference,
        place=pairs.place,
        day=pairs.day,
        failed=int(np.sum(missing)),
        least=ends[0],
        most=ends[1],
        reward=reward,
        outcome=outcome,
        gain=slope(r, o, alike) if r.size else 0.0,
        reverse=slope(o, r, alike) if r.size else 0.0,
        worth=worth,
    )


def answers_of(anchors: AnchorSet, checkpoint: str, reference: str, day: int, settings: Settings) -> pd.DataFrame:
    """A checkpoint's answers by the close of a day, as rows to choose examples from."""
    new, old = anchors.answered(checkpoint, day), anchors.answered(reference, day)
    pair = _pair(old, new, settings)
    mine = np.isin(np.union1d(old.item.astype(str), new.item.astype(str)), new.item.astype(str))
    told = anchors.answers.set_index("response_id").loc[list(new.response)]
    return pd.DataFrame(
        {
            "response_id": new.response,
            "checkpoint": checkpoint,
            "cohort": told["cohort"].to_numpy(object),
            "time_us": told["time_us"].to_numpy(np.int64),
            "reward": pair.rewards[0][mine] if not pair.needs else np.nan,
            "outcome": pair.outcomes[0][mine],
        }
    )


def _pair(old: Answered, new: Answered, settings: Settings) -> Pairs:
    items = np.union1d(old.item.astype(str), new.item.astype(str))
    outcomes = (_at(items, new, new.outcome), _at(items, old, old.outcome))
    revision, needs = _ruler(old, new)
    rewards = (np.zeros(0), np.zeros(0))
    if revision is not None:
        raw = (_at(items, new, new.scores[revision]), _at(items, old, old.scores[revision]))
        told = raw[1][~np.isnan(raw[1])]
        rewards = (_mapped(raw[0], told, settings), _mapped(raw[1], told, settings))
    return Pairs("", "", "", 0, 0, rewards, outcomes, needs)


def _at(items: NDArray[np.str_], of: Answered, values: Array) -> Array:
    placed = np.full(items.size, np.nan)
    placed[np.searchsorted(items, of.item.astype(str))] = values
    return placed


def _ruler(old: Answered, new: Answered) -> tuple[str | None, str]:
    """The revision that scored most answers of both, or why there is none: scores of two rulers do not compare."""
    scored = [{name: int((~np.isnan(v)).sum()) for name, v in one.scores.items()} for one in (old, new)]
    rulers = [{name: n for name, n in counts.items() if n} for counts in scored]
    both = {name: min(rulers[0][name], rulers[1][name]) for name in rulers[0].keys() & rulers[1].keys()}
    if both:
        return min(both, key=lambda name: (-both[name], name)), ""
    if not rulers[0] or not rulers[1]:
        return None, f"scores of the reward model for the {'candidate' if rulers[0] else 'reference'}'s answers"
    told = [", ".join(sorted(one)) or "unnamed" for one in rulers]
    return None, (
        f"scores of one ruler: the reference was scored by revision {told[0]}, the candidate by {told[1]};"
        " score one of them again with the other's"
    )


def _mapped(raw: Array, reference: Array, settings: Settings) -> Array:
    """Raw scores to 0..1, as the settings say: linear, as they are, else mid-rank among the reference's answers."""
    if settings.reward.scorer is not None and settings.reward.range is not None:
        low, high = settings.reward.range
        return np.clip((raw - low) / (high - low), 0.0, 1.0)
    if np.isin(reference, (0.0, 1.0)).all():
        return np.clip(raw, 0.0, 1.0)
    return mid_ranks(reference, raw)
