"""Does the alert tell what happened? The leading label at the warning and 28 days later, for each planted story.

100 labels a day and as many or five times as many rewards. An association that decays, an escape and a judge are
labelled by the series that alerts, so there is nothing to measure; voice is not watched yet.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from monitor.detection.evidence import family_weights, walk
from monitor.statistics.attribution import PARENTS
from tests.benchmarks.decouple_bench import metrics
from tests.benchmarks.decouple_bench.detectors import backed
from tests.benchmarks.decouple_bench.measured import Run
from tests.benchmarks.decouple_bench.scenarios import DAYS, MONITORED_DAYS, REFERENCE_DAYS, Scenario, generate

PROMISED, PATIENCE, CHUNK = 365, 28, 10
STORIES = (
    ("gaming", Scenario("abrupt +9/-4", "harm", 9, -4)),
    ("gaming", Scenario("slow +9/-4 in 12 steps", "harm", 9, -4, steps=12)),
    ("gaming", Scenario("big +9/-8", "harm", 9, -8)),
    ("inflation", Scenario("inflate +9/0", "harm", 9, 0)),
    ("inflation", Scenario("inflate +9/0 in 12 steps", "harm", 9, 0, steps=12)),
    ("blind_reward", Scenario("drop 0/-4", "harm", 0, -4)),
    ("blind_reward", Scenario("drop 0/-4 in 12 steps", "harm", 0, -4, steps=12)),
    ("plain_harm", Scenario("plain harm -1.4/-4", "harm", -1.4, -4)),
    ("plain_harm", Scenario("plain harm -1.4/-4 in 12 steps", "harm", -1.4, -4, steps=12)),
)


def measure(runs: int, seed: int) -> list[dict[str, Any]]:
    """One row a story and number of rewards: shares of warned runs whose label, and whose parent, is right or wrong."""
    return [_told(truth, replace(story, unlabelled=more), runs, seed) for more in (0, 400) for truth, story in STORIES]


def _told(truth: str, story: Scenario, runs: int, seed: int) -> dict[str, Any]:
    labels = [
        label for chunk in range(0, runs, CHUNK) for label in _labels(story, min(CHUNK, runs - chunk), seed + chunk)
    ]
    at_once, later = ([pair[when] for pair in labels] for when in (0, 1))
    settled = [pair for pair in later if pair is not None]
    return {
        "story": story.name,
        "truth": truth,
        "rewards_a_day": story.labels + story.unlabelled,
        "warned": len(labels),
        "runs": runs,
        "leading": metrics.plain(_share(at_once, lambda told: told[1] == truth)),
        "leading_28": metrics.plain(_share(settled, lambda told: told[1] == truth)),
        "named": metrics.plain(_share(at_once, lambda told: told[0] in (truth, PARENTS[truth]))),
        "misnamed": metrics.plain(_share(at_once, lambda told: told[0] not in ("undecided", truth, PARENTS[truth]))),
        "named_28": metrics.plain(_share(settled, lambda told: told[0] == truth)),
        "misnamed_28": metrics.plain(_share(settled, lambda told: told[0] in PARENTS and told[0] != truth)),
    }


def _share(told: list[Any], right: Any) -> metrics.Share:
    return metrics.share_of(sum(map(right, told)), len(told))


def _labels(story: Scenario, runs: int, seed: int) -> list[tuple[Any, Any]]:
    """(attribution, leading) at the warning and 28 days later, of each run warned in time; None where it ends before.

    Warnings are those of all traffic, with the weights that its scores have in the family.
    """
    streams, found = generate(story, runs, seed), []
    for number in range(runs):
        items = (part[number] for part in (streams.day, streams.cohort, streams.reward, streams.outcome, streams.unit))
        run = Run(*items, REFERENCE_DAYS)
        book = run.book([run.measure(score) for score in ("A1", "A2", "A7", "A4")], DAYS)
        (path,) = walk(book, family_weights(book, {}, {}), {}, replayed=False)
        over = backed(path.firm, path.backed) > np.log(PROMISED)
        if over.any():
            first = int(over.argmax())
            last = first + PATIENCE < MONITORED_DAYS
            found.append((run.named(book, first, first), run.named(book, first + PATIENCE, first) if last else None))
    return found
