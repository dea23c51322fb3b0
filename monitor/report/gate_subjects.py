"""What does a check of the gate speak of, in the words of somebody who never read it? Under harm it always falls."""

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.gate.result import GateFinding

CENSUS = "census"  # the method of a finding that looked at every one there is
PROMISED = ", measured against the least that its reward should have brought,"


@dataclass(frozen=True)
class Subject:
    """noun: what falls under harm, after "the candidate's". topic: what was not tested where there are no data.

    counted: a share of all there are, no change. outcome: what a finding that also tells the outcome's own change calls
    it, "" for all others. data: a kind of data that a loop may lack altogether; "" for what every loop could bring.
    """

    noun: str
    topic: str = ""
    counted: bool = False
    outcome: str = ""
    data: str = ""


JUDGES, ANCHORS, EVALUATIONS, RULERS = "judges", "held-out items", "evaluations", "scores of more than one ruler"
UNKNOWN = Subject("result")
COUNTED = Subject("share at fault", counted=True)

SUBJECTS: Mapping[str, Subject] = {
    "reward_outcome_decoupling": Subject(f"outcome{PROMISED}", "reward against outcome", outcome="outcome"),
    "anchored_decoupling": Subject(
        f"outcome on held-out items{PROMISED}", "held-out items", outcome="outcome on held-out items", data=ANCHORS
    ),
    "cohort_regression": Subject("outcome", "outcome by group"),
    "worst_cohort": Subject("outcome", "the group that is worst off"),
    "capability_regression": Subject("score on tasks it must keep", "capability", data=EVALUATIONS),
    "refusal_retention": Subject("share of prompts declined as they should be", "refusals", data=EVALUATIONS),
    "generalization_gap": Subject("gain on held-out tests, beside that where it was trained,", "generalization"),
    "prompt_baseline": Subject(
        "lead over the base model, prompted only,", "lead over the base model", data=EVALUATIONS
    ),
    "rubric_overfitting": Subject(
        "gain by a ruler it was not trained on, beside the trained one,", "other rulers", data=RULERS
    ),
    "length_inflation": Subject("gain at equal length, beside the whole gain,", "length", data=JUDGES),
    "judge_churn_divergence": Subject(
        "standing with users, beside that with a judge,", "judge against users", data=JUDGES
    ),
    "golden_items": Subject("golden items that fail", "golden items", counted=True, data=EVALUATIONS),
    "judge_calibration": Subject(
        "judges without people beside them", "calibration of judges", counted=True, data=JUDGES
    ),
    "feedback_purpose_leak": Subject("records that debugging reached", "leaks of feedback", counted=True),
    "intake_gap": Subject("intake with records missing", "gaps of intake", counted=True),
    "eval_contamination": Subject(
        "held-out items found in training", "held-out items in training", counted=True, data=ANCHORS
    ),
    "lineage_completeness": Subject("things missing from its lineage", "lineage", counted=True),
    "licence_status": Subject("sources without a valid licence", "licences", counted=True),
    "rollback_readiness": Subject("things missing for a roll-back", "rollback", counted=True),
    "traffic_split": Subject("shares of traffic that are not those declared", "traffic split", counted=True),
    "weights_unchanged": Subject("comparisons in which bytes differ", "unchanged weights", counted=True),
}


def subject_of(finding: GateFinding) -> Subject:
    """The subject of a finding's check; of a check that nobody has put into words, `result`."""
    known = SUBJECTS.get(finding.check)
    if finding.method == CENSUS:
        return known if known and known.counted else COUNTED
    return known or UNKNOWN
