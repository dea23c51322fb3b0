"""Delay against false-alert rate: each detector swept over its thresholds, the guaranteed modes as points."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.decouple_bench import metrics
from tests.benchmarks.decouple_bench.runs import Watched
from tests.benchmarks.decouple_bench.scenarios import TUNED_ON
from tests.benchmarks.decouple_bench.summary import GUARANTEED, PROMISED, Found

PRESENT = importlib.util.find_spec("matplotlib") is not None
PANELS = ("abrupt +9/-4", "slow +9/-4 in 12 steps")
SHARES = np.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6])
MARKERS = ("*", "P", "^", "v")
OURS = "e-SR on A1, tuned"


def draw(found: Found, labels: int, path: Path) -> None:
    """Write the figure as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "decouple-bench"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(PANELS), figsize=(14, 5.5), sharex=True)
    null = found[TUNED_ON.name, labels]
    for axis, name in zip(axes, PANELS, strict=True):
        _sweep(axis, null, found[name, labels])
        axis.set(title=name, xlabel="share of null runs with a false alert in 224 days", yscale="log")
        axis.yaxis.set_major_formatter("{x:.0f}")
        axis.yaxis.set_minor_formatter("{x:.0f}")
    axes[0].set_ylabel("mean days to the alert (168 if none)")
    figure.tight_layout(rect=(0, 0, 0.8, 1))
    axes[1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1.0))
    figure.savefig(path, metadata={"Date": None})


def _sweep(axis: Any, null: Watched, harm: Watched) -> None:
    tuned = [detector for detector in null.paths if detector not in dict(PROMISED) and "made for" not in detector]
    for number, detector in enumerate(tuned):
        style = {"color": f"C{number % 10}", "linestyle": "-" if number < 10 else "--", "marker": "."}
        width = 2.5 if detector == OURS else 1.2
        axis.plot(*_curve(null, harm, detector), label=detector, linewidth=width, **style)
    for (detector, days), marker in zip(GUARANTEED, MARKERS, strict=True):
        share, late = _at(null, harm, detector, float(np.log(days)))
        label = f"{detector}, guaranteed A={days:,}"
        axis.plot(share, late, marker, color="black", linestyle="", markersize=9, zorder=3, label=label)


def _curve(null: Watched, harm: Watched, detector: str) -> tuple[list[float], list[float]]:
    path = null.paths[detector]
    maxima = path[~np.isnan(path[:, 0])].max(axis=1)
    thresholds = np.unique(np.quantile(maxima, 1 - SHARES, method="higher"))
    points = [_at(null, harm, detector, float(threshold)) for threshold in thresholds if np.isfinite(threshold)]
    return [share for share, _ in points], [days for _, days in points]


def _at(null: Watched, harm: Watched, detector: str, threshold: float) -> tuple[float, float]:
    late = metrics.delay(harm.paths[detector], threshold, harm.labels)
    return metrics.alerting(null.paths[detector], threshold).share, late.days
