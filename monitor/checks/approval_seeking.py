"""Do more answers ask to be liked: hedges, apologies, flattery, promises, escalations?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from judges.lexicon import load_lexicon
from monitor.check import Measurement, check
from monitor.snapshot import Snapshot
from monitor.statistics.reference_error import QUANTILE


@check(family="feedback_loop", on={"production"}, severity="ticket")
def approval_seeking(
    snapshot: Snapshot, *, tolerance: float = 0.05, lexicon: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Measurement]:
    """Yield, for each kind of phrase, how far the share of answers that have one rose since the reference.

    Context for whoever reads the other checks: it raises no alert, since an apology may be in place.
    Effects: shape (units,), 1 for an answer with a phrase of the kind, else 0, minus its cohort's share in the
    reference, in [-1, 1]. `lexicon`: a team's own phrases by kind, added to those of the product. Tolerance: share of
    answers, 0 to 1; 1.645 errors of the reference are added to it.
    Raises nothing but LexiconError: answers whose words are not kept have no effect.
    Source: Sharma et al. 2023, arXiv:2310.13548.
    """
    for part in snapshot.seeking(load_lexicon(lexicon)):
        measured = part.measure(part.slice["marker"], part.outcome - part.mean_outcome, part.cohort, tolerance)
        needs = measured.needs or "words of answers after the reference"
        yield replace(measured, tolerance=tolerance + QUANTILE * measured.baseline_error, needs=needs)
