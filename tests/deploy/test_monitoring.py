"""Do rules, dashboard and examples speak of metrics that exist, and in words that their programs read?"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from consumers.metrics import IntakeMetrics
from consumers.store import EventStore
from monitor.check import Finding, Interval, Verdict
from monitor.gate.records import write_record
from monitor.gate.result import Decision, GateReport
from monitor.production.items import EPOCH
from monitor.result import EventCounts, EvidencePath, FeedbackSplit, Report
from monitor.serving.figures import save_figures
from monitor.serving.process import Serving
from monitor.settings import parse_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/reward-drift.json").read_text())
NAME = re.compile(r"\brewarddrift_\w+")
UNBOUNDED = {"user", "response", "response_id", "event", "event_id", "prompt", "trace", "checkpoint", "id"}
EXPRESSIONS = [
    *(rule["expr"] for rule in RULES),
    *(target["expr"] for panel in BOARD["panels"] for target in panel["targets"]),
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Name of each metric -> its labels, of a store in which there is something of everything."""
    page = (
        *text_string_to_metric_families(IntakeMetrics().page().decode()),
        *_served(tmp_path_factory.mktemp("store")),
    )
    found: dict[str, set[str]] = {}
    for family in page:
        found.setdefault(family.name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def _served(folder: Path) -> Iterator[Any]:
    settings = parse_settings("outcome: {metric: task_success}\n")
    with EventStore.open(folder / "store.sqlite") as store:
        serving = Serving(store, settings, folder / "reward-drift.yaml")
        save_figures(store.engine, "loop", _report(), EPOCH)
        write_record(store.engine, _gate())
        yield from text_string_to_metric_families(serving.metrics().decode())


def _report() -> Report:
    whole = Interval(0.09, 0.08, 0.1)
    finding = Finding("reward_outcome_decoupling", {"tier": "pro"}, Verdict.FAIL, whole, 0.0, 9, "", whole, whole)
    path = EvidencePath({"tier": "pro"}, [EPOCH.date()], [40.0])
    return Report(
        "loop", EPOCH, "thumbs", "task_success", "user-day", {"page": 3650.0}, None, EventCounts(), FeedbackSplit(), [],
        [finding, finding], [], [path], [],
    )  # fmt: skip


def _gate() -> GateReport:
    return GateReport(Decision.NO_GO, "b", "a", "loop", EPOCH, "offline", 0.05, [], [])


@pytest.mark.parametrize("expression", sorted(set(EXPRESSIONS)))
def test_every_metric_that_is_asked_for_is_exported_with_the_labels_asked_for(
    expression: str, exported: dict[str, set[str]]
) -> None:
    names = NAME.findall(expression)
    assert names
    for name in names:
        assert name in exported, f"nothing exports {name}"
    asked = re.findall(r"by \((.*?)\)", expression) + re.findall(r"\{(.*?)\}", expression)
    for label in {one.partition("=")[0].strip() for part in asked for one in part.split(",")}:
        if any(exported[name] for name in names):
            assert any(label in exported[name] for name in names), f"no label {label}"


def test_no_label_is_without_bounds(exported: dict[str, set[str]]) -> None:
    assert not {label for labels in exported.values() for label in labels} & UNBOUNDED


def test_bounds_and_alert_states_stand_beside_points(exported: dict[str, set[str]]) -> None:
    assert {
        "rewarddrift_reward_outcome_gap", "rewarddrift_gap_lower_bound", "rewarddrift_harm_lower_bound",
        "rewarddrift_harm_upper_bound", "rewarddrift_alerts_open", "rewarddrift_gate_verdict", "rewarddrift_build_info",
        "rewarddrift_last_success_timestamp_seconds", "rewarddrift_newest_timestamp_seconds",
    } <= set(exported)  # fmt: skip


def test_what_a_rule_says_names_a_command_that_there_is() -> None:
    from monitor.cli import Commands

    told = [rule["annotations"]["description"] for rule in RULES]
    assert {name for text in told for name in re.findall(r"`reward-drift (\S+?)[ `]", text)} <= set(Commands.entries)
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_runs_the_rules() -> None:
    for command in (["check", "config", "prometheus.yaml"], ["test", "rules", "rules_test.yaml"]):
        subprocess.run(["promtool", *command], cwd=DEPLOY / "prometheus", check=True, capture_output=True)


def test_routes_of_the_example_lead_to_receivers_that_there_are() -> None:
    example = yaml.safe_load((DEPLOY / "alertmanager/alertmanager.yaml").read_text())
    named = {one["name"] for one in example["receivers"]}
    assert {example["route"]["receiver"], *(route["receiver"] for route in example["route"]["routes"])} == named
    alerts = {rule["alert"] for rule in RULES}
    for rule in example["inhibit_rules"]:
        said = re.findall(r'"(.*?)"', " ".join(rule["source_matchers"] + rule["target_matchers"]))
        assert {name for one in said for name in one.split("|")} <= alerts


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
