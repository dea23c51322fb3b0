"""How far did a checkpoint move toward the teacher's voice, beside the reference and beside each control?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from judges.style_markers import Marker, style_markers
from monitor.check import FloatArray, Measurement
from monitor.statistics.cell_means import fit_cell_means
from monitor.statistics.voice import ENOUGH_TEXTS, voice_gain, voice_shift
from monitor.voices.voice import Side, Texts, Voice, side_of

SHOWN_MARKERS = 4


@dataclass(frozen=True)
class Beside:
    """A checkpoint beside one other model. paired: on the same prompts, else by cohort.

    effects: D, plus is nearer to the teacher. error: of the other model's means by cohort; 0 if paired. new, old:
    `distance_parts` of both, in one order of prompts if paired.
    """

    name: str
    paired: bool
    effects: FloatArray
    error: float
    new: FloatArray
    old: FloatArray


@dataclass(frozen=True)
class VoiceMeasurement(Measurement):
    """One checkpoint's held-out answers as of the close of a day: inferred once, by no detector.

    beside: the reference first, then each control that has answers enough. accuracy, trained: of the classifier.
    markers: what a reader would notice; none where the reference's words are not kept any more.
    """

    checkpoint: str = ""
    reference: str = ""
    teacher: str = ""
    place: int = 0
    day: int = 0
    accuracy: float | None = None
    trained: int = 0
    beside: tuple[Beside, ...] = ()
    markers: tuple[Marker, ...] = ()


def voices_of(voice: Voice, texts: Texts, tolerance: float) -> Iterator[VoiceMeasurement]:
    """Each checkpoint beside the reference and the controls, once a day on which it answered, in order of time."""
    for place, name in enumerate(texts.checkpoints):
        if name != voice.teacher and name not in voice.sides:
            for day in sorted({max(day, voice.day) for day in texts.days(name)}):
                yield _measure(voice, texts, name, place, day, tolerance)


def _measure(voice: Voice, texts: Texts, checkpoint: str, place: int, day: int, tolerance: float) -> VoiceMeasurement:
    answers = texts.by(checkpoint, day)
    mine = side_of(voice.model, answers, day) if len(answers) >= ENOUGH_TEXTS else None
    known = [voice.reference, *sorted(name for name in voice.sides if name != voice.reference)]
    beside = [_beside(name, mine, voice.sides[name]) for name in known if mine and name in voice.sides]
    formed = bool(beside) and beside[0].name == voice.reference
    effects = beside[0].effects if formed else np.zeros(0)
    return VoiceMeasurement(
        slice={"teacher": voice.teacher, "checkpoint": checkpoint},
        effects=effects,
        tolerance=tolerance,
        series="D",
        days=np.full(effects.size, day, np.int64),
        baseline_allowance=np.zeros(effects.size),
        needs="" if formed else f"{ENOUGH_TEXTS} answers of reference and checkpoint to prompts not trained on",
        checkpoint=checkpoint,
        reference=voice.reference,
        teacher=voice.teacher,
        place=place,
        day=day,
        accuracy=voice.accuracy,
        trained=voice.trained,
        beside=tuple(beside) if formed else (),
        markers=_markers(voice, texts, checkpoint, day) if formed else (),
    )


def _beside(name: str, mine: Side, other: Side) -> Beside:
    """By prompt where enough prompts are shared, else by cohort."""
    rows, others = _shared(mine, other)
    new, old = np.array(mine.part), np.array(other.part)
    scores, known = np.array(mine.score), np.array(other.score)
    if rows.size >= ENOUGH_TEXTS:
        return Beside(name, True, voice_shift(scores[rows], known[others]), 0.0, new[rows], old[others])
    codes = {cohort: code for code, cohort in enumerate(dict.fromkeys([*other.cohort, *mine.cohort]))}
    cells, before = (np.array([codes[cohort] for cohort in side.cohort]) for side in (mine, other))
    fitted = fit_cell_means(known, before)
    return Beside(name, False, voice_gain(scores, fitted.expected(cells)), fitted.error(cells), new, old)


def _shared(mine: Side, other: Side) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    places = {prompt: row for row, prompt in enumerate(other.prompt) if prompt is not None}
    both = [(row, places[prompt]) for row, prompt in enumerate(mine.prompt) if prompt is not None and prompt in places]
    rows, others = np.array(both, np.int64).reshape(-1, 2).T
    return rows, others


def _markers(voice: Voice, texts: Texts, checkpoint: str, day: int) -> tuple[Marker, ...]:
    """Burrows's delta, then the markers that moved most toward the teacher, as a share of his distance."""
    sets: list[Sequence[str]] = [texts.by(name, day)["told"].tolist() for name in _names(voice, checkpoint)]
    if not all(sets):
        return ()
    delta, *others = style_markers(*sets)
    moved = [one for one in others if one.nearer > 0]
    return (delta, *sorted(moved, key=lambda one: -one.nearer / abs(one.reference - one.teacher))[:SHOWN_MARKERS])


def _names(voice: Voice, checkpoint: str) -> tuple[str, str, str]:
    return voice.teacher, voice.reference, checkpoint
