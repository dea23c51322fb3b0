"""What did the last look measure? Kept as numbers alone, for those who draw them: no word of a person is among them."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, text

from consumers.database import writing
from monitor.production.items import EPOCH, microseconds
from monitor.result import Report, plain_json

SAVE = """
    INSERT INTO last_look (loop, at_us, figures) VALUES (:loop, :now, :figures)
    ON CONFLICT (loop) DO UPDATE SET at_us = :now, figures = :figures
"""
READ = "SELECT at_us, figures FROM last_look WHERE loop = :loop"


@dataclass(frozen=True)
class Figures:
    """findings: check, slice, verdict, n, tolerance, and value, low and high of effect, reward_change, outcome_change,
    null where there is none. evidence: slice, and its statistic in days of mean time to a false alert.
    """

    at: dt.datetime
    findings: list[dict[str, Any]]
    evidence: list[dict[str, Any]]
    thresholds: dict[str, float]


def save_figures(engine: Engine, loop: str, report: Report, now: dt.datetime) -> None:
    """Keep the numbers of a look instead of those before."""
    findings = [
        {
            "check": one.check,
            "slice": dict(one.slice),
            "verdict": one.verdict.value,
            "n": one.n,
            "tolerance": one.tolerance,
            **{name: vars(getattr(one, name)) for name in ("effect", "reward_change", "outcome_change")},
        }
        for one in report.findings
    ]
    evidence = [{"slice": dict(one.slice), "statistic": one.statistic[-1]} for one in report.paths if one.statistic]
    told = plain_json({"findings": findings, "evidence": evidence, "thresholds": dict(report.thresholds)})
    with writing(engine) as connection:
        connection.execute(text(SAVE), {"loop": loop, "now": microseconds(now), "figures": json.dumps(told)})


def read_figures(engine: Engine, loop: str) -> Figures | None:
    """Those of the last look; None before the first."""
    with engine.connect() as connection:
        row = connection.execute(text(READ), {"loop": loop}).first()
    return None if row is None else Figures(EPOCH + dt.timedelta(microseconds=row.at_us), **json.loads(row.figures))
