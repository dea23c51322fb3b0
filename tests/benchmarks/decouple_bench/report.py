"""The benchmark's figures as Markdown: targets first, then tables of one kind of figure each."""

from collections.abc import Callable, Sequence
from typing import Any

from tests.benchmarks.decouple_bench.metrics import POWER_DAYS

Rows = Sequence[dict[str, Any]]


def markdown(found: dict[str, Any]) -> str:
    """found: as saved in the JSON."""
    blocks = [
        "# decouple-bench: when does a reward stop meaning better outcomes, and who says so?",
        found["about"],
        *_titled("Targets", _table(found["targets"], TARGETS)),
        *_titled("Delay in days (share alerted, if below 1) by harm", _pivot(found["harms"], "scenario", _days)),
        *_titled("Delay over that of the tuned e-SR on A1", _pivot(found["ratios"], "scenario", _ratio)),
        *_titled("Share of runs alerting although nothing is wrong", _pivot(_quiet(found), "scenario", _share)),
        *_titled("Traps: why outcomes must be matured and audited", _pivot(_traps(found), "scenario", _share)),
        *_titled("Guaranteed modes against their bounds", _table(_promised(found["nulls"]), BOUNDS)),
        *_titled("False alerts of rivals as they come, in 224 days", _pivot(found["untuned"], "null", _share)),
        *_titled(
            "Share alerted after 28 / 56 / 112 / 168 days; labels to the alert; share alerted before the change",
            _pivot(found["harms"], "scenario", _power),
        ),
        *_titled("At 20 labels a day: delay in days (share alerted)", _pivot(found["sparse_harms"], "scenario", _days)),
        *_titled("At 20 labels a day: false alerts in 224 days", _pivot(found["sparse_nulls"], "null", _share)),
        *_titled("Distance to log(A) / KL, as shipped", _table(found["limits"], LIMITS)),
        *_titled(KNOWN_TITLE, _table(found["known"], KNOWN)),
        *_judged(found["judge"]),
        *_titled(FAMILY_TITLE, _table(found["families"]["quiet"], FAMILIES)),
        *_titled(
            "A shift of 10.6 points in one of so many slices, 20 labels a day, A = 365",
            _table(found["families"]["delays"], SLICES),
        ),
        *_titled(CADENCE_TITLE, _table(found["cadence"]["harms"], CADENCE)),
        *_titled(EVASION_TITLE, _table(found["evasion"], EVASION)),
        *_titled(STORY_TITLE, _table(found["stories"], STORIES)),
        *_titled("Mean allowance of A1 (share of outcome)", _table(_allowances(found), ALLOWANCES)),
        *_titled("Cost of one series", _table(found["cost"], COST)),
    ]
    return "\n\n".join(blocks) + "\n"


def _judged(judge: dict[str, Any]) -> list[str]:
    """The watch over a judge: B1 capture by its teacher, B2 agreement with people, B3 agreement with the teacher."""
    blocks = []
    for anchors, told in judge.items():
        quiet = [{**row, "scenario": row["null"]} for row in told["quiet"]] + told["benign"]
        blocks += _titled(f"Judge, {anchors} anchors a day: delay in days", _pivot(told["harms"], "scenario", _days))
        blocks += _titled(f"Judge, {anchors} anchors a day: alerts without harm", _pivot(quiet, "scenario", _share))
    return blocks


def _days(row: dict[str, Any]) -> str:
    if not row["runs"]:
        return "-"
    power = row["power"][POWER_DAYS[-1]]
    return f"{row['days']:.1f} ± {row['error']:.1f}" + (f" ({power:.2f})" if power < 1 else "")


def _ratio(row: dict[str, Any]) -> str:
    return f"{row['ratio']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"


def _power(row: dict[str, Any]) -> str:
    if not row["runs"]:
        return "-"
    told = "/".join(f"{row['power'][limit]:.2f}".removeprefix("0") for limit in POWER_DAYS)
    return f"{told}; {row['labels']:,.0f}; {row['early']:.2f}"


def _share(row: dict[str, Any]) -> str:
    return "-" if not row["runs"] else f"{row['share']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def _quiet(found: dict[str, Any]) -> Rows:
    silent = [{**row, "scenario": row["null"]} for row in found["nulls"]]
    return silent + [row for row in found["benign"] if row["kind"] == "benign"]


def _allowances(found: dict[str, Any]) -> Rows:
    return [{"case": case, "allowance": value} for case, value in found["allowance"].items()]


def _traps(found: dict[str, Any]) -> Rows:
    return [row for row in found["benign"] if row["kind"] == "trap"]


def _promised(rows: Rows) -> Rows:
    return [row for row in rows if row["bound"] is not None]


Column = tuple[str, Callable[[dict[str, Any]], str]]
TARGETS: tuple[Column, ...] = (
    ("target", lambda row: row["target"]),
    ("aim", lambda row: row["aim"]),
    ("measured [95%]", lambda row: _estimate((row["measured"], row["low"], row["high"]))),
    ("", lambda row: row["verdict"]),
    ("beside", lambda row: row["beside"]),
)
BOUNDS: tuple[Column, ...] = (
    ("mode", lambda row: row["mode"]),
    ("null", lambda row: row["null"]),
    ("share [95%]", _share),
    ("bound", lambda row: f"{row['bound']:.2f}"),
    ("share / bound", lambda row: f"{row['ratio']:.2f}"),
    ("upper limit / bound", lambda row: f"{row['ratio_high']:.2f}"),
)
LIMITS: tuple[Column, ...] = (
    ("scenario", lambda row: row["scenario"]),
    ("mode", lambda row: row["mode"]),
    ("nats a label", lambda row: f"{row['nats_a_label']:.4f}"),
    ("log(A)/KL, days", lambda row: f"{row['least_days']:.1f}"),
    ("measured", lambda row: f"{row['days']:.1f} ± {row['error']:.1f}"),
    ("ratio", lambda row: f"{row['ratio']:.1f}"),
)
ALLOWANCES: tuple[Column, ...] = (
    ("case", lambda row: row["case"]),
    ("allowance", lambda row: f"{row['allowance']:.4f}"),
)
COST: tuple[Column, ...] = (
    ("detector", lambda row: row["detector"]),
    ("µs a score", lambda row: str(row["microseconds_per_score"])),
    ("bytes kept", lambda row: row["bytes_per_series"]),
)


KNOWN_TITLE = "An abrupt change of known size, the baseline known: days and labels to the alert, against four limits"
KNOWN: tuple[Column, ...] = (
    ("scenario", lambda row: row["scenario"]),
    ("labels a day", lambda row: f"{row['labels_a_day']:,}"),
    ("A", lambda row: f"{row['promised']:,}"),
    ("days", lambda row: f"{row['days']:.1f} ± {row['error']:.1f}"),
    ("labels", lambda row: f"{row['labels']:,.0f}"),
    ("log(A)/KL, days; ratio", lambda row: f"{row['least_days']:.1f}; {_estimate(row['over_least'])}"),
    ("both laws known, days; ratio", lambda row: f"{row['informed_days']:.1f}; {_estimate(row['over_informed'])}"),
    ("log(A)/KL to the promise, days; ratio",
     lambda row: f"{row['honest_least_days']:.1f}; {_estimate(row['over_honest'])}"),
    ("size known, same promise, days; ratio",
     lambda row: f"{row['conceding_days']:.1f}; {_estimate(row['over_conceding'])}"),
)  # fmt: skip
FAMILY_TITLE = "Families of 1,000 slices, 20 labels a day each, no change, 224 days, evidence anew after each alert"
FAMILIES: tuple[Column, ...] = (
    ("null", lambda row: f"{row['null']}: {row['told']}"),
    ("A", lambda row: f"{row['promised']:,}"),
    ("families with an alert", _share),
    ("bound", lambda row: f"{row['bound']:.2f}"),
    ("alerts a family", lambda row: f"{row['alerts']:.2f} ± {row['alerts_error']:.2f}"),
    ("most to expect", lambda row: f"{row['alerts_bound']:.2f}"),
)
SLICES: tuple[Column, ...] = (
    ("slices", lambda row: f"{row['slices']:,}"),
    ("days", _days),
    ("over one alone", lambda row: _estimate((row["ratio"], row["low"], row["high"]))),
)
CADENCE_TITLE = "A checkpoint every 5 hours, 67 in flight, 1,000 labels a day: who is blamed at the warning"
CADENCE: tuple[Column, ...] = (
    ("change", lambda row: row["scenario"]),
    ("warned", lambda row: f"{row['warned']} of {row['loops']}"),
    ("days to the warning", lambda row: f"{row['days']:.1f}"),
    ("change point: within 2", lambda row: _share(row["change_point"])),
    ("exact", lambda row: f"{row['change_point_exact']:.2f}"),
    ("most served since the likely start: within 2", lambda row: _share(row["most_served"])),
    ("exact", lambda row: f"{row['most_served_exact']:.2f}"),
)
EVASION_TITLE = "Evasion: share of loops alerted by the end of the fourth checkpoint of 14 days"
EVASION: tuple[Column, ...] = (
    ("story", lambda row: f"{row['story']}, {row['answers']} answers a day"),
    ("severity", lambda row: row["severity"]),
    ("share", _share),
    ("mean days", lambda row: "-" if row["days"] is None else f"{row['days']:.1f}"),
    ("latest checkpoint", lambda row: str(row["checkpoint"] or "-")),
    ("before the change", lambda row: str(row["early"])),
)
STORY_TITLE = "What the alert calls the story: at the warning and 28 days later, of warned runs"
STORIES: tuple[Column, ...] = (
    ("story", lambda row: row["story"]),
    ("truth", lambda row: row["truth"].replace("_", " ")),
    ("rewards a day", lambda row: str(row["rewards_a_day"])),
    ("warned", lambda row: f"{row['warned']} of {row['runs']}"),
    ("leading label right", lambda row: _share(row["leading"])),
    ("28 days later", lambda row: _share(row["leading_28"])),
    ("named it or its parent / wrongly", lambda row: f"{row['named']['share']:.2f} / {row['misnamed']['share']:.2f}"),
    ("28 days later: itself / wrongly",
     lambda row: f"{row['named_28']['share']:.2f} / {row['misnamed_28']['share']:.2f}"),
)  # fmt: skip


def _estimate(estimate: Sequence[float]) -> str:
    value, low, high = estimate
    return f"{value:,.{_places(value)}f} [{low:,.{_places(value)}f}, {high:,.{_places(value)}f}]"


def _places(value: float) -> int:
    return 0 if value >= 1000 else 1 if value >= 20 else 2


def _titled(title: str, table: str) -> list[str]:
    return [f"## {title}", table] if table else []


def _table(rows: Rows, columns: Sequence[Column]) -> str:
    if not rows:
        return ""
    lines = [
        [name for name, _ in columns],
        ["---"] * len(columns),
        *([cell(row) for _, cell in columns] for row in rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _pivot(rows: Rows, across: str, cell: Callable[[dict[str, Any]], str]) -> str:
    """One line a mode, one column a value of `across`."""
    columns = list(dict.fromkeys(row[across] for row in rows))
    cells: dict[str, dict[str, str]] = {}
    for row in rows:
        cells.setdefault(row["mode"], {})[row[across]] = cell(row)
    return _table(
        [{"mode": mode, **mine} for mode, mine in cells.items()],
        [("mode", lambda row: row["mode"]), *((name, lambda row, name=name: row.get(name, "-")) for name in columns)],  # type: ignore[misc]
    )
