"""What does the monitor say of the demo's two loops?"""

import json
from pathlib import Path
from typing import Any

from monitor.check import Verdict
from monitor.demo.light import LightWorkshop
from monitor.demo.loop import Kind, generate, settings_yaml
from monitor.replay import replay
from monitor.result import Report
from monitor.settings import parse_settings


def report_of(kind: Kind, folder: Path) -> Report:
    events = folder / f"{kind}.jsonl"
    with events.open("w") as file:
        file.writelines(json.dumps(event) + "\n" for event in generate(kind, 0, LightWorkshop()))
    return replay([str(events)], parse_settings(settings_yaml(kind)))


def test_the_gamed_loop_is_told_as_gaming(tmp_path: Path) -> None:
    report = report_of("gamed", tmp_path)
    severe = [alert for alert in report.alerts if alert.severity != "ticket" and not alert.slice]
    assert severe
    assert {alert.leading for alert in severe} <= {"gaming", "inflation"}
    assert {alert.attribution for alert in severe} <= {"gaming", "inflation", "decoupling"}
    assert all(low(alert.reward_change) > 0 for alert in severe)
    assert all(alert.examples and alert.checkpoint for alert in severe)
    assert rising(report) == {"apology", "flattery"}


def test_the_healthy_loop_is_told_without_an_alert(tmp_path: Path) -> None:
    report = report_of("healthy", tmp_path)
    assert list(report.alerts) == []
    assert report.smallest_visible is not None
    assert rising(report) == set()


def rising(report: Report) -> set[str]:
    """Kinds of phrases that more answers have than in the reference."""
    told = (one for one in report.findings if one.check == "approval_seeking")
    return {one.slice["marker"] for one in told if one.verdict is Verdict.FAIL}


def low(interval: Any) -> float:
    return float(interval.low)
