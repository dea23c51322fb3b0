"""Which targets do the parts meet that are measured by themselves? One row each."""

from typing import Any

from tests.benchmarks.decouple_bench.verdicts import Estimate, at_least, at_most, told_only

RATIO, STRETCH = 1.35, 1.25  # of delay over the least possible
FAMILY_RATIO, BLAMED, UPDATES, HOT_BYTES, SHORT_SECONDS = 2.0, 0.9, 1e6, 128, 600
ABRUPT = ("abrupt +9/-4", 100)
LIMITS = {
    "over_least": "log(A)/KL, for whoever knows both laws and concedes nothing",
    "over_informed": "a simulated detector that knows both laws, with the same looks",
    "over_honest": "log(A)/KL of the nearest law that the promise covers",
    "over_conceding": "a simulated detector that knows the size of the change and keeps the same promise",
}


def targets(apart: dict[str, Any]) -> list[dict[str, Any]]:
    """apart: what each part measured, by its name."""
    return [
        *_families(apart["families"]),
        *(_limit(row, name, told) for row in apart["known"] if _is_abrupt(row) for name, told in LIMITS.items()),
        *_cadence(apart["cadence"]),
        *_evasion(apart["evasion"]),
        *(_named(row) for row in apart["stories"] if row["leading_28"]["runs"]),
        *_cost(apart["speed"]),
    ]


def _families(families: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for row in families["quiet"]:
        told = f"{row['null']}, guaranteed A={row['promised']:,}"
        share = tuple(row[name] / row["bound"] for name in ("share", "low", "high"))
        beside = f"{row['runs']} families; {row['told']}"
        rows.append(
            at_most(f"{told}: families with an alert over the bound of {row['bound']:.2f}", 1.0, share, beside=beside)
        )
    last = families["delays"][-1]
    told = f"a shift of 10.6 points in one of {last['slices']:,} slices, delay over that of a slice alone"
    beside = ", ".join(f"{row['slices']:,}: {row['days']:.1f} days" for row in families["delays"])
    return [*rows, at_most(told, FAMILY_RATIO, (last["ratio"], last["low"], last["high"]), beside=beside)]


def _is_abrupt(row: dict[str, Any]) -> bool:
    return (row["scenario"], row["labels_a_day"]) == ABRUPT


def _limit(row: dict[str, Any], name: str, told: str) -> dict[str, Any]:
    beside = f"{row['days']:.1f} days, {row['labels']:,.0f} labels; baseline known, half a point conceded"
    told = f"{row['scenario']}, baseline known, A={row['promised']:,}: delay over {told}"
    return at_most(told, RATIO, row[name], STRETCH, beside)


def _cadence(cadence: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for row in cadence["harms"]:
        told = f"{cadence['in_flight']:.0f} checkpoints in flight, {row['scenario']}: blamed within 2 checkpoints"
        warned = f"{row['warned']} of {row['loops']} loops warned, after {row['days']:.1f} days"
        beside = f"{warned}; exact {row['change_point_exact']:.2f}; most served: {row['most_served']['share']:.2f}"
        rows.append(at_least(told, BLAMED, _share(row["change_point"]), beside=beside))
    quiet = cadence["null"]
    bound = tuple(value / quiet["bound"] for value in _share(quiet))
    told = (
        f"{cadence['in_flight']:.0f} checkpoints in flight, no change: warnings over the bound of {quiet['bound']:.2f}"
    )
    return [*rows, at_most(told, 1.0, (bound[0], bound[1], bound[2]), beside=f"{quiet['runs']} loops")]


def _evasion(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    told = []
    for answers in (400, 100):
        for severity in ("ticket", "warning"):
            mine = [r for r in rows if r["planted"] and r["answers"] == answers and r["severity"] == severity]
            found, loops = sum(r["found"] for r in mine), sum(r["runs"] for r in mine)
            worst = max((r["checkpoint"] for r in mine if r["checkpoint"]), default=None)
            name = f"evasion by 3 points, {answers} answers a day: {severity} by the 4th checkpoint"
            share = min(r["low"] for r in mine), max(r["high"] for r in mine)
            beside = f"{found} of {loops} loops, the last at checkpoint {worst}"
            told.append(at_least(name, 1.0, (found / loops, *share), beside=beside))
    for row in rows:
        if row["silent"] and row["severity"] == "ticket":
            bound = tuple(value / row["bound"] for value in _share(row))
            name = f"{row['story']}: {row['severity']}s over the bound of {row['bound']:.3f}"
            told.append(at_most(name, 1.0, (bound[0], bound[1], bound[2]), beside=f"{row['runs']} loops"))
    return told


def _named(row: dict[str, Any]) -> dict[str, Any]:
    told = f"{row['story']}, {row['rewards_a_day']} rewards a day: leading label is {row['truth'].replace('_', ' ')}"
    beside = f"at the warning {row['leading']['share']:.2f}; {row['warned']} of {row['runs']} runs warned"
    return told_only(f"{told}, 28 days after the warning", _share(row["leading_28"]), beside)


def _cost(speed: dict[str, Any]) -> list[dict[str, Any]]:
    updates, size = speed["updates_a_second"], float(speed["hot_bytes"])
    return [
        at_least("series-updates a second, 1,000 series at once, one core", UPDATES, tuple(updates)),
        at_most("hot bytes of one series", HOT_BYTES, (size, size, size)),
    ]


def short_enough(seconds: float, processes: int) -> dict[str, Any]:
    """Of the short form alone."""
    told = f"seconds of the short form in {processes} processes, on a machine that others may use too"
    return at_most(told, SHORT_SECONDS, (seconds, seconds, seconds))


def _share(row: dict[str, Any]) -> Estimate:
    return row["share"], row["low"], row["high"]
