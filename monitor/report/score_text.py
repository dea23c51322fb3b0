"""What does a scored checkpoint look like to its reader, as text and as JSON? Numbers without a verdict."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from judges.anchors import AnchorSet
from judges.evaluation import Evaluated
from judges.evaluation_events import graded_id, preferred, side_id
from judges.forecast import Forecast
from judges.held_out.anchor_grading import human_verdict, mean_grade
from judges.held_out.anchor_items import PreferenceItem, RubricItem
from judges.scores import Value

SHARE_OF_PEAK = 0.5  # what scoring is taken to reach of a matrix product's speed before it has run


def scored_json(done: Evaluated, peak: float) -> dict[str, Any]:
    """An object a set, and what the run took. Whatever has no data is null."""
    return {
        "checkpoint": {"name": done.ask.name, "sha256": done.ask.checkpoint.digest},
        "reward_model": {
            "name": done.ask.reward_name,
            "sha256": done.ask.reward.digest,
            "revision": done.scored.run.spec_id,
        },
        "sets": [_set(done, anchors) for anchors in done.ask.sets],
        "run": _run(done, peak),
        "events": len(done.events),
    }


def scored_lines(done: Evaluated, peak: float) -> Iterator[str]:
    """A line a set, what failed, what it took, and what to do next."""
    told = scored_json(done, peak)
    yield f"{done.ask.name} by {done.ask.reward_name} (ruler {done.scored.run.spec_id[:8]})"
    for row in told["sets"]:
        outcome = "" if row["outcome"] is None else f"  {row['metric']} {row['outcome']:.3f}"
        agreement = "" if row["agreement"] is None else f"  agrees with people on {row['agreement']:.3f} of pairs"
        reward = "no reward" if row["reward"] is None else f"mean reward {row['reward']:+.3f}"
        yield f"  {row['anchor_set']:<24} {row['items']:>6,} items{outcome}  {reward}{agreement}"
        yield from (f"    {count:,} without a score: {why}" for why, count in row["failed"].items())
    run = told["run"]
    yield (
        f"{run['tokens']:,} tokens for {run['naive_tokens']:,} in {run['seconds']:.1f} s, {run['hits']:,} scores known"
        f" before; {run['mfu']:.0%} of this machine's matrix speed ({run['runs']}, {run['dtype']}, {run['device']})"
    )
    if run["fell_back"]:
        yield f"not packed, since {run['fell_back']}"
    yield f"{told['events']:,} events stored; `reward-drift tick` compares them with those of the reference"


def forecast_json(stages: Sequence[Forecast], peak: float) -> dict[str, Any]:
    """Every stage, and what the machine can do."""
    return {"stages": [_stage(stage, peak) for stage in stages], "peak_flops": peak, "share_of_peak": SHARE_OF_PEAK}


def forecast_lines(stages: Sequence[Forecast], peak: float) -> Iterator[str]:
    """A line a stage."""
    for row in (_stage(stage, peak) for stage in stages):
        packs = f" in {row['packs']:,} packs" if row["packs"] else ""
        yield (
            f"{row['stage']}: {row['items']:,} items, {row['tokens']:,} tokens{packs}, {row['flops']:.3g} operations,"
            f" {row['seconds']:,.0f} s, {row['bytes'] / 2**30:.2f} GiB"
        )
        if row["left_out"]:
            yield f"  {row['left_out']:,} of them are too long or refused by the template"
    yield (
        f"about, with unwritten answers at their limit, at {SHARE_OF_PEAK:.0%} of the {peak:.3g} operations a second"
        " that a matrix product reaches here"
    )


def _stage(stage: Forecast, peak: float) -> dict[str, Any]:
    return {
        "stage": stage.stage,
        "items": stage.items,
        "left_out": stage.left_out,
        "packs": stage.packs,
        "tokens": stage.cost.tokens,
        "computed_tokens": stage.cost.computed,
        "naive_tokens": stage.cost.naive,
        "flops": stage.cost.flops,
        "seconds": stage.cost.flops / (SHARE_OF_PEAK * peak),
        "bytes": stage.bytes,
    }


def _run(done: Evaluated, peak: float) -> dict[str, Any]:
    progress, spec = done.scored.progress, done.scored.spec
    speed = progress.done.flops / progress.seconds if progress.seconds else 0.0
    return {
        "run_id": done.scored.run.run_id,
        "tokens": progress.done.tokens,
        "computed_tokens": progress.done.computed,
        "naive_tokens": progress.done.naive,
        "flops": progress.done.flops,
        "seconds": progress.seconds,
        "mfu": speed / peak,
        "hits": progress.hits,
        "runs": spec.runs,
        "dtype": spec.dtype,
        "device": spec.device,
        "fell_back": None if done.scored.fell_back is None else str(done.scored.fell_back),
    }


def _set(done: Evaluated, anchors: AnchorSet) -> dict[str, Any]:
    values, outcomes, agreement = _of_set(done, anchors)
    rewards = [value.value for value in values if value is not None and value.value is not None]
    failed = Counter(_why(value) for value in values if value is None or value.value is None)
    return {
        "anchor_set": anchors.name,
        "sha256": anchors.digest,
        "kind": anchors.kind,
        "metric": anchors.metric,
        "items": len(anchors.items),
        "outcome": _mean(outcomes),
        "reward": _mean(rewards),
        "agreement": agreement,
        "failed": dict(failed),
    }


def _of_set(done: Evaluated, anchors: AnchorSet) -> tuple[list[Value | None], list[float], float | None]:
    """(a value for each text that was to be scored, outcomes, share of human verdicts that the scores share)."""
    values = done.scored.values
    pairs = [item for item in anchors.items if isinstance(item, PreferenceItem)]
    graded = [item for item in anchors.items if isinstance(item, RubricItem)]
    if pairs:
        sides = [(values[side_id(anchors, pair, "a")], values[side_id(anchors, pair, "b")]) for pair in pairs]
        agreed = [preferred(*side) == human_verdict(pair) for side, pair in zip(sides, pairs, strict=True)]
        return [value for side in sides for value in side], [], sum(agreed) / len(agreed)
    if graded:
        return [values[graded_id(anchors, item)] for item in graded], [mean_grade(item) for item in graded], None
    mine = [one for one in done.answered if one.anchors is anchors]
    return [values.get(one.response_id) for one in mine], [float(one.correct) for one in mine], None


def _why(value: Value | None) -> str:
    return "no answer" if value is None else f"{value.status}: {value.detail}"


def _mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None
