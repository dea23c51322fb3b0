"""The other loop: does a judge turn to its teacher? Seeded anchors with verdicts of person, teacher and judge.

Person and teacher agree on 65% of the anchors; the judge follows them in .81 of those and the teacher in .27 of the
others. 60 reference days, 224 monitored days, change on the 57th, as for the loops of `scenarios`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.statistics.cell_means import CellMeans, fit_cell_means
from monitor.statistics.judge_scores import (
    credit,
    human_disagreement,
    teacher_agreement,
    teacher_capture,
    teacher_captures,
)
from monitor.statistics.reference_error import QUANTILE
from tests.benchmarks.decouple_bench import rivals
from tests.benchmarks.decouple_bench.detectors import backed, log_sums, walk_alone
from tests.benchmarks.decouple_bench.runs import Watched
from tests.benchmarks.decouple_bench.scenarios import DAYS, REFERENCE_DAYS, Array, Codes, Streams, progress

MATERIAL = 0.02  # the harm nobody would act on, of a judge
SLACK = 0.025
BEFORE = (0.65, 0.8077, 0.2714)
CAPTURED = (0.65, 0.8692, 0.6714)
SCORES = ("B1", "B2", "B3")


@dataclass(frozen=True)
class JudgeScenario:
    """after: share of anchors on which person and teacher agree; share of those in which the judge follows them; share
    of the others in which it follows the teacher. labels: anchors a day.
    """

    name: str
    kind: str
    after: tuple[float, float, float]
    steps: int = 1
    labels: int = 10

    def with_labels(self, labels: int) -> "JudgeScenario":
        """The same story at another number of anchors a day."""
        return replace(self, labels=labels)


JUDGE_NULL = JudgeScenario("judge unchanged", "null", BEFORE)
JUDGE_HARMS = (
    JudgeScenario("capture abrupt", "harm", CAPTURED),
    JudgeScenario("capture slow, 12 steps", "harm", CAPTURED, steps=12),
    JudgeScenario("judge noisier, 12% of verdicts turned", "harm", (0.65, 0.7338, 0.3263)),
)
JUDGE_BENIGN = (
    JudgeScenario("judge better", "benign", (0.65, 0.88, 0.15)),
    JudgeScenario("easier anchors", "benign", (0.80, *BEFORE[1:])),
)


def watch_judges(scenarios: Sequence[JudgeScenario], runs: int, few: int, seed: int) -> dict[tuple[str, int], Watched]:
    """(scenario's name, anchors a day) -> what all detectors make of so many runs. few: runs that ADWIN looks at."""
    return {(case.name, case.labels): _watch(case, runs, few, seed) for case in scenarios}


def _watch(scenario: JudgeScenario, runs: int, few: int, seed: int) -> Watched:
    judge, human, teacher, day = _verdicts(scenario, runs, seed)
    seen = [_see(*verdicts, day) for verdicts in zip(judge, human, teacher, strict=True)]
    paths = {}
    for index, name in enumerate(SCORES):
        paths[f"e-SR on {name}"] = backed(*walk_alone(np.stack([run.owned[index] for run in seen])))
        paths[f"e-SR on {name}, tuned"] = walk_alone(np.stack([run.fixed[index] for run in seen]))[0]
    agreed, followed = (judge == human).astype(float), (judge == teacher).astype(float)
    paths |= _rivals(agreed, followed, np.broadcast_to(day, judge.shape), few)
    return Watched(paths, np.full(DAYS - REFERENCE_DAYS, float(scenario.labels)), seen[0].allowance)


@dataclass(frozen=True)
class Run:
    """Log sums of B1, B2, B3; owned: with the allowance that the baseline's error asks for, fixed: the material one."""

    owned: list[Array]
    fixed: list[Array]
    allowance: float


def _see(judge: Codes, human: Codes, teacher: Codes, day: Codes) -> Run:
    before = day < REFERENCE_DAYS
    captures = teacher_captures(judge, human, teacher)
    taken_on = day[captures.anchors]
    leaning = _fitted(captures.taken[taken_on < REFERENCE_DAYS])
    right, same = _fitted(credit(judge, human)[before]), _fitted(credit(judge, teacher)[before])
    scores = [
        (teacher_capture(captures, _expected(leaning, captures.taken)), taken_on, leaning),
        (human_disagreement(judge, human, _expected(right, day)), day, right),
        (teacher_agreement(judge, teacher, _expected(same, day)), day, same),
    ]
    owned, fixed = [], []
    for score, days, means in scores:
        later = days >= REFERENCE_DAYS
        allowance = MATERIAL + QUANTILE * means.error(np.zeros(1, np.int64))
        owned.append(log_sums(score[later], days[later], allowance))
        fixed.append(log_sums(score[later], days[later], MATERIAL))
    return Run(owned, fixed, MATERIAL + QUANTILE * leaning.error(np.zeros(1, np.int64)))


def _fitted(values: Array) -> CellMeans:
    return fit_cell_means(values, np.zeros(values.size, np.int64))


def _expected(means: CellMeans, like: Array | Codes) -> Array:
    return means.expected(np.zeros(like.size, np.int64))


def _rivals(agreed: Array, followed: Array, day: Codes, few: int) -> dict[str, Array]:
    """Rivals that watch the agreement with people, and one that watches the teacher's lead over them."""
    nothing = np.zeros(day.shape, np.int64)
    streams = Streams(day, nothing, followed, agreed, nothing, np.ones(day.shape, bool))
    before, wrong, lead = day < REFERENCE_DAYS, 1 - agreed, (followed - agreed + 1) / 2
    paths = {
        "CUSUM, B2": _cusum(wrong, before, streams),
        "CUSUM, teacher minus human agreement": _cusum(lead, before, streams),
        "Page-Hinkley, human agreement": rivals.by_day(rivals.page_hinkley(wrong, streams.seen), streams),
        "7-day z, human agreement": rivals.window_z(wrong, streams, 7),
        "28-day z, human agreement": rivals.window_z(wrong, streams, 28),
    }
    if rivals.RIVER:
        paths["ADWIN, human agreement"] = rivals.adwin_paths(wrong, streams, few)
    return paths


def _cusum(values: Array, before: np.ndarray, streams: Streams) -> Array:
    expected = (values * before).sum(axis=1) / before.sum(axis=1)
    return rivals.by_day(rivals.cusum(np.where(before, 0.0, values - expected[:, None] - SLACK)), streams)


def _verdicts(scenario: JudgeScenario, runs: int, seed: int) -> tuple[Codes, Codes, Codes, Codes]:
    """Verdicts of judge, person and teacher, shape (runs, anchors), and the day of each anchor."""
    rng = np.random.default_rng([seed, *scenario.name.encode(), scenario.labels])
    day = np.repeat(np.arange(DAYS), scenario.labels)
    done = progress(scenario.steps, day)
    alike, follows, captured = (old + done * (new - old) for old, new in zip(BEFORE, scenario.after, strict=True))
    shape = (runs, day.size)
    human = rng.choice(np.array([-1, 1]), shape)
    same = rng.random(shape) < alike
    teacher = np.where(same, human, -human)
    judge = np.where(rng.random(shape) < np.where(same, follows, captured), teacher, -teacher)
    return judge, human, teacher, day
