"""What moves when a check of the gate finds harm, in the words of somebody who never read the check?"""

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.gate.result import GateFinding

CENSUS = "census"  # the method of a finding that looked at every one there is


@dataclass(frozen=True)
class Move:
    """Words for a change: the verbs for worse and better, and the nouns for a change for the worse and the better."""

    worse: str
    better: str
    harm: str
    gain: str


FALLS = Move("fell", "rose", "fall", "rise")
RISES = Move("rose", "fell", "rise", "fall")
WORSENS = Move("worsened", "improved", "loss", "gain")


@dataclass(frozen=True)
class Subject:
    """noun: what the effect is about. move: what it does under harm. counted: a share of all there are, no change."""

    noun: str
    move: Move = FALLS
    counted: bool = False


UNKNOWN = Subject("the result", WORSENS)
COUNTED = Subject("share at fault", counted=True)

SUBJECTS: Mapping[str, Subject] = {
    "reward_outcome_decoupling": Subject("the outcome, beside what its reward promised,"),
    "anchored_decoupling": Subject("the outcome on held-out items, beside its reward,"),
    "cohort_regression": Subject("the outcome"),
    "worst_cohort": Subject("the outcome of the group that is worst off"),
    "capability_regression": Subject("the score on tasks it must keep"),
    "refusal_retention": Subject("the share of prompts that are declined"),
    "generalization_gap": Subject("the gain where it was trained, beyond that on held-out tests,", RISES),
    "prompt_baseline": Subject("the lead of the base model, prompted only,", RISES),
    "rubric_overfitting": Subject("the gain that only the trained ruler sees", RISES),
    "length_inflation": Subject("the gain that is only length", RISES),
    "judge_churn_divergence": Subject("what a judge likes and users do not", RISES),
    "golden_items": Subject("golden items that fail", counted=True),
    "judge_calibration": Subject("judges without people beside them", counted=True),
    "feedback_purpose_leak": Subject("records that debugging reached", counted=True),
    "intake_gap": Subject("intake with records missing", counted=True),
    "eval_contamination": Subject("held-out items found in training", counted=True),
    "lineage_completeness": Subject("things missing from its lineage", counted=True),
    "licence_status": Subject("sources without a valid licence", counted=True),
    "rollback_readiness": Subject("things missing for a roll-back", counted=True),
    "traffic_split": Subject("shares of traffic that are not those declared", counted=True),
    "weights_unchanged": Subject("comparisons in which bytes differ", counted=True),
}


def subject_of(finding: GateFinding) -> Subject:
    """The subject of a finding's check; of a check that nobody has put into words, `the result`."""
    known = SUBJECTS.get(finding.check)
    if finding.method == CENSUS:
        return known if known and known.counted else COUNTED
    return known or UNKNOWN
