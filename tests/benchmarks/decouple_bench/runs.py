"""Paths of all detectors over all runs of a scenario, in chunks over a few processes."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from tests.benchmarks.decouple_bench import detectors, rivals
from tests.benchmarks.decouple_bench.scenarios import DAYS, REFERENCE_DAYS, Array, Scenario, generate

CHUNK = 20
OURS = {
    "A1": "e-SR on A1",
    "A3": "e-SR on A3",
    "family": "family of series",
    "ticket": "family of series, ticket",
    "A1 tuned": "e-SR on A1, tuned",
    "A1 e-CUSUM": "e-CUSUM, A1",
}


@dataclass(frozen=True)
class Watched:
    """Paths by detector, shape (runs, 224); labels: mean number a monitored day; allowance: A1's, mean over runs."""

    paths: dict[str, Array]
    labels: Array
    allowance: float


@dataclass(frozen=True)
class Job:
    """One chunk of one scenario."""

    scenario: Scenario
    seed: int
    number: int
    runs: int
    few: int


def watch_all(
    scenarios: Sequence[Scenario], runs: int, few: int, seed: int, processes: int
) -> dict[tuple[str, int], Watched]:
    """(scenario's name, labels a day) -> what all detectors make of so many runs. few: runs of the slow rivals."""
    jobs = [
        Job(scenario, seed, number, min(CHUNK, runs - start), max(0, min(few - start, CHUNK)))
        for scenario in scenarios
        for number, start in enumerate(range(0, runs, CHUNK))
    ]
    with get_context("fork").Pool(processes) as pool:
        found = pool.map(_watch, jobs, chunksize=1)
    chunks: dict[tuple[str, int], list[Watched]] = {}
    for job, watched in zip(jobs, found, strict=True):
        chunks.setdefault((job.scenario.name, job.scenario.labels), []).append(watched)
    return {key: _joined(parts) for key, parts in chunks.items()}


def _watch(job: Job) -> Watched:
    streams = generate(job.scenario, job.runs, zlib.crc32(f"{job.seed} {job.number}".encode()))
    seen = detectors.see(streams)
    paths = {OURS[name]: path for name, path in seen.paths.items()}
    paths |= rivals.watch(streams, seen.residual, job.few)
    labels = np.bincount(streams.day[streams.seen], minlength=DAYS)[REFERENCE_DAYS:] / job.runs
    return Watched(
        {name: path.astype(np.float32) for name, path in paths.items()}, labels, float(seen.allowance.mean())
    )


def _joined(parts: list[Watched]) -> Watched:
    return Watched(
        {name: np.concatenate([part.paths[name] for part in parts]) for name in parts[0].paths},
        np.mean([part.labels for part in parts], axis=0),
        float(np.mean([part.allowance for part in parts])),
    )
