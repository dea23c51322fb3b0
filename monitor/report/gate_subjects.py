"""What moves when a check of the gate finds harm, in the words of somebody who never read the check?"""

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.gate.result import GateFinding

CENSUS = "census"  # the method of a finding that looked at every one there is


@dataclass(frozen=True)
class Subject:
    """noun: what the effect is about. rises: harm makes more of it. counted: a share of all there are, no change."""

    noun: str
    rises: bool = False
    counted: bool = False

    @property
    def worse(self) -> str:
        return "rose" if self.rises else "fell"

    @property
    def better(self) -> str:
        return "fell" if self.rises else "rose"

    @property
    def harm(self) -> str:
        """A change for the worse, as a noun."""
        return "share" if self.counted else "rise" if self.rises else "fall"

    @property
    def gain(self) -> str:
        return "fall" if self.rises else "rise"


UNKNOWN = Subject("the result")
COUNTED = Subject("share at fault", counted=True)

SUBJECTS: Mapping[str, Subject] = {
    "reward_outcome_decoupling": Subject("the outcome, beside what its reward promised,"),
    "anchored_decoupling": Subject("the outcome on held-out items, beside its reward,"),
    "cohort_regression": Subject("the outcome"),
    "capability_regression": Subject("the score on tasks it must keep"),
    "refusal_retention": Subject("the share of prompts that are declined"),
    "generalization_gap": Subject("the gain where it was trained, beyond that on held-out tests,", rises=True),
    "prompt_baseline": Subject("the lead of the base model, prompted only,", rises=True),
    "rubric_overfitting": Subject("the gain that only the trained ruler sees", rises=True),
    "length_inflation": Subject("the gain that is only length", rises=True),
    "judge_churn_divergence": Subject("what a judge likes and users do not", rises=True),
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
