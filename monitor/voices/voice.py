"""What is the teacher's voice, and which evaluation answers can be compared with it?

The teacher's own answers to evaluation prompts arrive under the name `judges.teacher`. A classifier is trained once, on
the prompts of one half (by a hash of `prompt_id`) that teacher and reference both answered, as of the first day on
which there are enough of them; it is measured on the other half, and so is every checkpoint. Controls that had answered
those prompts by then are its rivals. Texts are kept for a while only, so the classifier is kept with the monitor's
memory: the ruler stays when the words are gone.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from judges.style import StyleModel, fit, style_features, told_apart
from monitor.anchored.anchored_items import in_order
from monitor.production.items import DAY_US
from monitor.statistics.voice import ENOUGH_TEXTS, distance_parts

Array = NDArray[np.float64]

LEAST_PAIRS = 50  # prompts of the training half that both answered
TEXTS = """
    SELECT r.response_id, r.checkpoint, r.time_us, r.prompt_id, r.cohort, t.response AS told
    FROM response AS r LEFT JOIN text AS t ON t.seq = r.seq
    WHERE r.environment = 'evaluation'
"""
HEARD = "SELECT EXISTS (SELECT 1 FROM response WHERE environment = 'evaluation' AND time_us >= :since)"
ORDERS = "SELECT checkpoint, position, time_us FROM checkpoint"


@dataclass(frozen=True)
class Side:
    """A model's held-out answers as the classifier saw them, so that checkpoints can be compared with them for ever.

    Lists of one length: prompt (None: not told), cohort, score = P(teacher | answer), part of its distance from the
    teacher (`distance_parts`). day: as of whose close.
    """

    day: int
    prompt: list[str | None]
    cohort: list[str | None]
    score: list[float]
    part: list[float]


@dataclass(frozen=True)
class Voice:
    """The frozen classifier of one teacher beside one reference.

    day: as of whose close it was trained. trained: on how many prompts. accuracy: share of the texts of `held_out`
    prompts put to the voice they are of; None while there are none. sides: what checkpoints are compared with, the
    reference and the controls, by name. rivals: the controls that the classifier was trained against as well.
    """

    teacher: str
    reference: str
    day: int
    model: StyleModel
    trained: int
    held_out: int
    accuracy: float | None
    sides: Mapping[str, Side]
    rivals: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """The voice as plain JSON types."""
        sides = {name: asdict(side) for name, side in self.sides.items()}
        return {**self.__dict__, "model": self.model.to_plain(), "sides": sides}

    @classmethod
    def from_plain(cls, saved: dict[str, Any]) -> "Voice":
        """The voice of `to_plain`. Raises StyleModelError if the model was altered or is another release's."""
        model = StyleModel.from_plain(saved["model"], f"the stored voice of {saved['teacher']}")
        sides = {name: Side(**side) for name, side in saved["sides"].items()}
        return cls(**{**saved, "model": model, "sides": sides, "rivals": tuple(saved.get("rivals", ()))})


@dataclass(frozen=True)
class Texts:
    """Evaluation answers whose words are in the store.

    answers: one row an event, in order of time: response_id, checkpoint, time_us, prompt_id (None: not told), cohort,
    told (the words), training (whether its prompt is of the half that trains). checkpoints: in their order.
    """

    answers: pd.DataFrame
    checkpoints: tuple[str, ...]

    def by(self, checkpoint: str, day: int) -> pd.DataFrame:
        """A checkpoint's answers to prompts not trained on, by the close of a day; the last one of each prompt."""
        mine = self.answers[(self.answers["checkpoint"] == checkpoint) & ~self.answers["training"]]
        return _last_of_each(mine[mine["time_us"] < (day + 1) * DAY_US])

    def days(self, *checkpoints: str) -> list[int]:
        """Days on which one of these checkpoints answered, ascending."""
        mine = self.answers[self.answers["checkpoint"].isin(checkpoints)]
        return sorted({int(day) for day in (mine["time_us"] // DAY_US).unique()})


def read_texts(engine: Engine) -> Texts:
    """Every evaluation answer with words; those that an anchor set brings along (`anchors:SET`) are nobody's."""
    with engine.connect() as connection:
        answers = pd.read_sql_query(text(TEXTS), connection).astype({"prompt_id": object, "cohort": object})
        orders = [tuple(row) for row in connection.execute(text(ORDERS))]
    answers = answers[~answers["checkpoint"].str.startswith("anchors:")]
    answers = answers.sort_values(["time_us", "response_id", "checkpoint", "told"], kind="stable", ignore_index=True)
    answers = answers.drop_duplicates("response_id", ignore_index=True)
    answers["training"] = [isinstance(prompt, str) and trains(prompt) for prompt in answers["prompt_id"]]
    checkpoints = tuple(in_order(answers, orders))  # of those too whose words are gone
    return Texts(answers[answers["told"].notna()], checkpoints)


def heard_since(engine: Engine, day: int) -> bool:
    """Whether an evaluation answer is of a day or later."""
    with engine.connect() as connection:
        return bool(connection.execute(text(HEARD), {"since": day * DAY_US}).scalar())


def trains(prompt_id: str) -> bool:
    """Whether a prompt is of the half that trains the classifier: the same in every process and for ever.

    >>> [trains(f"faq/{number}") for number in range(6)]
    [False, True, False, True, True, False]
    """
    return zlib.crc32(prompt_id.encode("utf-8", "surrogatepass")) >> 16 & 1 == 1


def learn_voice(texts: Texts, teacher: str, reference: str, close: int, controls: Sequence[str] = ()) -> Voice | None:
    """Train the classifier as of the first day with enough prompts that both answered; None if there is no such day.

    close: the first day that is not over. controls: of these, those that answered enough of the prompts by then are
    rivals; one that comes later is none, since the ruler stays.
    """
    for day in (day for day in texts.days(teacher, reference) if day < close):
        told = texts.answers[texts.answers["time_us"] < (day + 1) * DAY_US]
        trained, held_out = (_both(told[told["training"] == half], teacher, reference) for half in (True, False))
        if len(trained[0]) >= LEAST_PAIRS:
            rivals = _rivals(told[told["training"]], teacher, reference, controls)
            model = fit(*trained, list(rivals.values()))
            accuracy = told_apart(model, *held_out) if held_out[0] else None
            voice = Voice(
                teacher, reference, day, model, len(trained[0]), len(held_out[0]), accuracy, {}, tuple(rivals)
            )
            return with_sides(voice, texts, (reference,), close)
    return None


def with_sides(voice: Voice, texts: Texts, names: Iterable[str], close: int) -> Voice:
    """The voice with every one of these models that was not seen before frozen, once it has enough held-out answers."""
    sides = dict(voice.sides)
    for name in names:
        days = sorted({max(day, voice.day) for day in texts.days(name) if max(day, voice.day) < close})
        for day in days if name not in sides else ():
            if len(answers := texts.by(name, day)) >= ENOUGH_TEXTS:
                sides[name] = side_of(voice.model, answers, day)
                break
    return replace(voice, sides=sides)


def side_of(model: StyleModel, answers: pd.DataFrame, day: int) -> Side:
    """What the classifier says of answers, and how far they lie from the teacher. Two answers or more."""
    features = style_features(answers["told"].tolist())
    mean: Array = np.asarray(features.mean(axis=0), np.float64).ravel()
    squares: Array = np.asarray((features * features).sum(axis=1), np.float64).ravel()
    own, toward = (np.asarray(features @ voice, np.float64) for voice in (mean, np.array(model.centre)))
    parts = distance_parts(own, squares, toward)
    scores = model.score_features(features)
    told = answers[["prompt_id", "cohort"]].astype(object)
    prompt, cohort = (told[name].where(told[name].notna(), None).tolist() for name in told)
    return Side(day, prompt, cohort, scores.tolist(), parts.tolist())


def _rivals(told: pd.DataFrame, teacher: str, reference: str, controls: Sequence[str]) -> dict[str, Sequence[str]]:
    """What the controls said to the prompts that teacher and reference both answered, of those that said enough."""
    asked = set.intersection(*(set(told["prompt_id"][told["checkpoint"] == name]) for name in (teacher, reference)))
    heard = told[told["prompt_id"].isin(asked)]
    others = sorted({*controls} - {teacher, reference})
    said = {name: _last_of_each(heard[heard["checkpoint"] == name])["told"].tolist() for name in others}
    return {name: answers for name, answers in said.items() if len(answers) >= LEAST_PAIRS}


def _both(told: pd.DataFrame, teacher: str, reference: str) -> tuple[Sequence[str], Sequence[str]]:
    """The answers of both to the prompts that both answered, in one order of prompts."""
    sides = (_last_of_each(told[told["checkpoint"] == name]) for name in (teacher, reference))
    first, second = (side.set_index("prompt_id") for side in sides)
    prompts = sorted({*first.index.dropna()} & {*second.index.dropna()})
    return first["told"].loc[prompts].tolist(), second["told"].loc[prompts].tolist()


def _last_of_each(answers: pd.DataFrame) -> pd.DataFrame:
    """The last answer to each prompt; of those that name no prompt, all."""
    last: NDArray[np.bool_] = ~answers.duplicated("prompt_id", keep="last").to_numpy(bool)
    return answers[last | answers["prompt_id"].isna().to_numpy(bool)]
