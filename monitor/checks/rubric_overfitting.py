"""Does the ruler a checkpoint was trained on see more of a gain than rulers it never saw?"""

from collections.abc import Iterator

from monitor.anchored.rulers import excesses, known_rulers
from monitor.check import Interval, Measurement, check
from monitor.detection.fixed_sample import no_sample, points, sample
from monitor.snapshot import Snapshot


@check(family="rulers", on={"checkpoint", "gate"}, severity="warning")
def rubric_overfitting(snapshot: Snapshot, *, tolerance: float = 0.05) -> Iterator[Measurement]:
    """Yield one measurement for each trained ruler beside each held-out one: newest checkpoint over the reference.

    Effect: gain on the trained ruler minus gain on the held-out one, in [-1, 1]; a gain is the chance that an answer
    of the checkpoint ranks above one of the reference, minus a half. Both rulers score the same answers. Tolerance:
    difference of gains, 0 to 1. Raises nothing: one ruler alone, or too few answers, is INCONCLUSIVE.
    Source: Gao, Schulman, Hilton 2022, arXiv:2210.10760 (proxy and gold part as optimisation goes on).
    """
    trained, held_out = known_rulers(snapshot)
    found = list(excesses(snapshot, trained, held_out)) if trained and held_out else []
    if not found:
        yield no_sample({}, tolerance, _needs(trained, held_out))
    for one in found:
        part = {"checkpoint": one.checkpoint, "ruler": one.trained, "held_out": one.held_out}
        interval = Interval(one.difference.value, *one.ends)
        told = (
            f"{one.trained} sees {points(interval)} more of a gain over {one.reference} than {one.held_out}, on"
            f" {one.answers:,} answers in {one.environment}"
        )
        lacking = [f"{1 - side.coverage:.1%}" for side in (one.new, one.old)]
        failed = f"scores failed for {lacking[0]} of its answers, {lacking[1]} of the reference's"
        yield sample(part, tolerance, interval, one.answers, told, "" if one.is_comparable else failed)


def _needs(trained: list[str], held_out: list[str]) -> str:
    if not trained:
        return "scores of a ruler used in training (trained_on, or the scorer of the reward)"
    if not held_out:
        return "scores of a ruler that was not used in training, on the same answers"
    return "30 answers of the reference and of a later checkpoint that a trained and a held-out ruler scored"
