"""Do candidate and reference get the share of production traffic that was declared for them?"""

from collections.abc import Iterator

import numpy as np

from monitor.check import Measurement, check
from monitor.gate.artefacts import read_told
from monitor.gate.traffic import Arm, Declared, declared_share, read_arm
from monitor.gate.trial import Trial
from monitor.statistics.split import split_mismatch

STAGES = ("canary", "ramp", "full")


@check(family="serving", on={"gate"}, severity="warning")
def traffic_split(
    snapshot: Trial, *, level: float = 0.001, width: float = 0.05, tolerance: float = 0.0
) -> Iterator[Measurement]:
    """Yield one answer for the candidate and one for the reference, while both serve.

    Effects: shape (1,), 1 if the share of production since it was declared is not the declared one (exact binomial test
    at `level`), else 0; no effects where the interval of the share at that level is wider than `width` to a side and
    nothing is shown. What counts is a user where users stay with a checkpoint, else an answer. Exact: a mismatch voids
    every comparison of the two. Tolerance: below 1 none passes. Raises nothing.
    Source: Fabijan et al. 2019, KDD, "Diagnosing sample ratio mismatch in online controlled experiments".
    """
    told = read_told(snapshot.engine, snapshot.as_of)
    for name in (snapshot.candidate, snapshot.reference):
        declared = declared_share(told, name) if snapshot.stage in STAGES else None
        arm = None if declared is None else read_arm(snapshot.engine, name, declared.since_us, snapshot.as_of)
        effects, needs, note = _measured(snapshot.stage, name, declared, arm, level, width)
        yield Measurement({"checkpoint": name}, np.array(effects), tolerance, exact=True, needs=needs, note=note)


def _measured(
    stage: str, name: str, declared: Declared | None, arm: Arm | None, level: float, width: float
) -> tuple[list[float], str, str]:
    """Effects, what is needed, what is told."""
    if stage not in STAGES:
        return [], f"traffic that both serve: --stage {', '.join(STAGES)}", ""
    if declared is None or arm is None:
        return [], f"traffic_share between 0 and 1 in a checkpoint event of {name}", ""
    if not arm.all:
        return [], f"production answers since {name} was given its share", ""
    p, low, high = split_mismatch(arm.mine, arm.all, declared.share, level)
    told = f"{name} got {arm.mine:,} of {arm.all:,} {arm.unit}s ({_percent(arm.mine / arm.all)}, {_percent(low)} to"
    told += f" {_percent(high)}), declared {_percent(declared.share)}, p = {p:.2g}"
    if p < level:
        return [1.0], "", told
    if max(high - declared.share, declared.share - low) > width:
        return [], f"more {arm.unit}s: {told}", ""
    return [0.0], "", told


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
