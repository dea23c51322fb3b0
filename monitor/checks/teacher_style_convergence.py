"""Do the answers begin to sound like the teacher's?"""

from collections.abc import Iterator, Sequence

from monitor.check import Measurement, check
from monitor.snapshot import Snapshot


@check(family="feedback_loop", on={"checkpoint"}, severity="warning")
def teacher_style_convergence(
    snapshot: Snapshot, *, tolerance: float = 0.05, controls: Sequence[str] = ()
) -> Iterator[Measurement]:
    """Yield D of each checkpoint's evaluation answers beside the reference's, once a day on which it answered.

    Effects: shape (prompts,), P(teacher | new answer) - P(teacher | reference's answer), paired by prompt_id; below
    thirty shared prompts shape (answers,), against the reference's mean of the cohort. In [-1, 1], plus is nearer.
    `controls`: models whose evaluation answers are at hand and that never learned from the teacher, such as another
    teacher. Where they answered its prompts in time the classifier learns to tell them from him, and beyond each of
    them too an answer has to sound like the teacher. Tolerance: P(teacher), 0 to 1.
    Raises nothing: without `judges.teacher`, or with too few answers, there are no effects.
    Source: Koppel and Winter 2014, J. Assoc. Inf. Sci. Technol. 65:178.
    """
    yield from snapshot.voices(tuple(controls), tolerance)
