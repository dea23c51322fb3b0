"""All that is measured without the common runs, each part in a process of its own; and how much of everything."""

from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from tests.benchmarks.decouple_bench import cadence, cost, evasion, families, limits, stories

PARTS = ("stories", "evasion", "cadence", "families", "known", "speed")  # the longest first


@dataclass(frozen=True)
class Size:
    """How many runs: of each harm and trap, of each null, of the slow rivals, for tuning; families of slices; loops of
    fast checkpoints, twice as many as of an evasion; runs of each story to name; of each change with a known baseline.
    """

    runs: int
    quiet: int
    few: int
    tuning: int
    families: int
    loops: int
    stories: int
    known: int


SHORT = Size(runs=40, quiet=60, few=10, tuning=100, families=10, loops=20, stories=10, known=200)
FULL = Size(runs=100, quiet=300, few=30, tuning=300, families=360, loops=200, stories=40, known=1000)


def measure(size: Size, seed: int, processes: int) -> dict[str, Any]:
    """What each part measured, by its name."""
    with get_context("fork").Pool(processes) as pool:
        pending = {part: pool.apply_async(_measure, (part, size, seed)) for part in PARTS}
        return {part: found.get() for part, found in pending.items()}


def _measure(part: str, size: Size, seed: int) -> Any:
    match part:
        case "stories":
            return stories.measure(size.stories, seed)
        case "evasion":
            return evasion.measure(size.loops // 2, seed)
        case "cadence":
            return cadence.measure(size.loops, size.quiet, seed)
        case "families":
            return {"quiet": families.quiet(size.families, seed), "delays": families.delays(size.known, seed)}
        case "known":
            return limits.measure(size.known, seed)
        case _:
            return cost.speed()
