"""Was it the judge or the model? `REWARD_DRIFT_DATA=... python -m tests.benchmarks.whose_fault_table [RESAMPLES]`.

PandaLM's recorded judgments drawn again, each with one planted change; the alerts of one look at the end are counted.
"""

import sys
from typing import Any

from tests.benchmarks.results_file import save
from tests.monitor.whose_fault import STORIES, recorded, verdict


def row(story: str, right: str, resamples: int) -> dict[str, Any]:
    """How many looks blamed whom."""
    pairs = recorded()
    found = [verdict(pairs, story, seed) for seed in range(resamples)]
    return {
        "story": story or "no change",
        "resamples": resamples,
        "right alone": sum(one == ({right} if right else set()) for one in found),
        "judge blamed": sum("judge" in one for one in found),
        "model blamed": sum("model" in one for one in found),
        "nobody": sum(not one for one in found),
    }


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 120
    save(
        "whose_fault_table",
        "The judge or the model?",
        "118 of 120 blamed rightly, a judge's drift never on a model",
        [row(story, right, count) for story, right in {**STORIES, "": ""}.items()],
        {"monte_carlo_error": "of a share near 1 in n resamples: none wrong means under 3 / n with probability .95"},
    )
