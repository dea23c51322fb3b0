"""What does the measurement of a checkpoint's voice show?

Two things have to be shown before it is said that answers sound like the teacher's: the classifier puts them nearer to
him by more than nobody would act on, and as a whole they lie nearer to his texts than the reference's do. A third
voice, which no classifier of two has met, often passes the first and not the second. Both have to hold beside the
reference and beside every control: the largest p-value is one of "somewhere it does not hold", without a correction.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from judges.style_markers import Marker
from monitor.anchored.comparisons import VOICE_CHECK, Comparison
from monitor.check import Interval
from monitor.statistics.paired import mean_error, open_interval, p_no_harm
from monitor.statistics.reference_error import QUANTILE
from monitor.statistics.voice import p_not_nearer
from monitor.voices.voice_pairs import Beside, VoiceMeasurement

MATERIAL = 0.02  # of P(teacher | text), which nobody would act on


def compare_voice(measured: VoiceMeasurement) -> Comparison:
    """One checkpoint's voice beside reference and controls, as a comparison of the checkpoint on the teacher."""
    sides = measured.beside
    first = _interval(sides[0]) if sides else Interval()
    return Comparison(
        anchor_set=measured.teacher,
        checkpoint=measured.checkpoint,
        reference=measured.reference,
        place=measured.place,
        day=measured.day,
        items=int(measured.effects.size),
        failed=0,
        tolerance=measured.tolerance,
        effect=first,
        reward=Interval(),
        outcome=Interval(),
        p=max((max(_p_score(side), _p_distance(side)) for side in sides), default=1.0),
        tested=bool(sides),
        error=mean_error(sides[0].effects) if sides else 0.0,
        needs=measured.needs,
        shares={"teacher_voice": 1.0} if sides else {},
        check=VOICE_CHECK,
        words=_in_words(measured) if sides else "",
    )


def with_more_answers(fresh: Iterable[Comparison], before: Sequence[Comparison] | None) -> list[Comparison]:
    """Those that rest on no fewer answers than what is on record: words that were since deleted change nothing."""
    known = {(one.pair, one.day): one.items for one in before or ()}
    last = {pair: items for (pair, _), items in sorted(known.items(), key=lambda row: row[0][1])}
    return [one for one in fresh if one.items >= known.get((one.pair, one.day), last.get(one.pair, 0))]


def _interval(side: Beside) -> Interval:
    """95% interval of the mean effect; the error of means by cohort is added at either end."""
    value, low, high = open_interval(side.effects, side.effects)
    room = QUANTILE * side.error
    return Interval(value, max(low - room, -1.0), min(high + room, 1.0))


def _p_score(side: Beside) -> float:
    return p_no_harm(side.effects, min(MATERIAL + QUANTILE * side.error, 0.99))


def _p_distance(side: Beside) -> float:
    return p_not_nearer(side.new, side.old, side.paired)


def _in_words(measured: VoiceMeasurement) -> str:
    told = [_beside_words(side) for side in measured.beside]
    if measured.accuracy is not None:
        right = f"{measured.accuracy:.0%} of held-out texts"
        told.append(f"the classifier, trained on {measured.trained:,} prompts, tells {right} apart")
    return "; ".join([*told, *map(_marker_words, measured.markers)])


def _beside_words(side: Beside) -> str:
    how = "on the same prompts" if side.paired else "by cohort, as prompts are not shared"
    nearer = float(np.mean(side.old) - np.mean(side.new))
    shown = "shown" if _p_distance(side) <= 0.05 else "not shown"
    moved = "came nearer" if nearer > 0 else "moved away"
    return f"beside {side.name}, {how}: as a whole the texts {moved} (nearer is {shown})"


def _marker_words(marker: Marker) -> str:
    return f"{marker.name} {marker.reference:.2f} -> {marker.new:.2f} {marker.unit} (teacher {marker.teacher:.2f})"
