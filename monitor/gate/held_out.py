"""Was the candidate trained on what it is tested with? Every sealed anchor set, looked for in the training files."""

from collections.abc import Iterator

from judges.anchors import AnchorSet, open_anchors
from judges.held_out.anchor_check import Contamination, check_anchors
from monitor.gate.trial import Trial

ROLE = "anchors:"


def seen_in_training(trial: Trial) -> Iterator[tuple[AnchorSet, Contamination]]:
    """Each sealed set of the trial and where the training files have its items. Raises SealBroken, AnchorsRejected,
    TableError."""
    for role, folder in sorted(trial.files.items()):
        if role.startswith(ROLE):
            anchors = open_anchors(folder)
            yield anchors, check_anchors(anchors, trial.training)
