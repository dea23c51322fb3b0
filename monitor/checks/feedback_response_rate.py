"""Do as many answers get a reward, and an outcome, as in the reference?"""

from collections.abc import Iterator
from dataclasses import replace

from monitor.check import Measurement, check
from monitor.production.escapes import KINDS
from monitor.snapshot import Snapshot
from monitor.statistics.reference_error import QUANTILE
from monitor.statistics.scores import outcome_loss


@check(family="feedback_data", on={"production"}, severity="ticket")
def feedback_response_rate(snapshot: Snapshot, *, tolerance: float = 0.05) -> Iterator[Measurement]:
    """Yield how far the share that has a reward, and the share that has an outcome, fell since the reference.

    Context for whoever reads the other checks: it raises no alert. Users, the sampling of an audit, a widget or the
    model may all move it; `reward_evasion` asks whether the model did.
    Effects: shape (units,), the cohort's share in the reference minus 1 for a unit that has it, in [-1, 1]. Tolerance:
    share of all answers, of an audit share of those asked, 0 to 1; 1.645 errors of the reference are added to it. Where
    outcomes tell the chance with which an audit asked, asking fewer is no fall.
    Raises nothing: an outcome that is only sent when it happens has no rate.
    Source: Groves 2006, Public Opin. Q. 70:646 (a response rate is not a bias, but bounds it).
    """
    for kind in KINDS:
        part = snapshot.responding(kind)
        lost = outcome_loss(part.mean_outcome, part.outcome)
        measured = part.measure("rate", lost, part.cohort, tolerance)
        allowed = tolerance * snapshot.asking(kind)
        needs = measured.needs or f"answers after the reference, and {kind}s that are sent either way"
        yield replace(measured, tolerance=allowed + QUANTILE * measured.baseline_error, needs=needs)
