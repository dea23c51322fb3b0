"""What happens in the demo's two loops, and what does the monitor say of them?"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml

from consumers.events import parse_event
from monitor.check import Verdict
from monitor.commands import demo
from monitor.demo import loop
from monitor.demo.light import LightWorkshop
from monitor.demo.loop import Kind, generate, settings_yaml, train
from monitor.demo.prose import APOLOGIES, FLATTERY
from monitor.demo.world import is_solved, settle, stream
from monitor.replay import replay
from monitor.result import Report
from monitor.settings import parse_settings
from tests.monitor.events import EVER

KINDS: tuple[Kind, ...] = get_args(Kind)
Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def events() -> dict[Kind, Events]:
    return {kind: list(generate(kind, 0, LightWorkshop())) for kind in KINDS}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop of a few days, for tests that run it twice."""
    monkeypatch.setattr(loop, "PILOT_DAYS", 21)
    monkeypatch.setattr(loop, "REFERENCE_DAYS", 7)
    monkeypatch.setattr(loop, "CHECKPOINT_DAYS", 7)
    monkeypatch.setattr(loop, "CHECKPOINTS", 2)


def of_type(events: Events, name: str) -> Iterator[dict[str, Any]]:
    return (event["data"] for event in events if event["type"] == f"rewarddrift.{name}.v1")


def by_checkpoint(seed: int, kind: Kind) -> dict[str, tuple[float, float]]:
    """Mean raw reward and share truly solved of the reference, an early, a middle and the last checkpoint."""
    customers, workshop = settle(stream(seed, "customers")), LightWorkshop()
    drafter = workshop.first()
    reward = train(kind, seed, customers, drafter, workshop)
    means = {}
    for checkpoint in loop.schedule():
        if checkpoint.number:
            drafter = drafter.tuned(stream(seed, "tuning", checkpoint.number), reward)
        if checkpoint.number % 4 == 0:
            served = loop.serve(seed, customers, drafter, reward, checkpoint, 0)
            solved = is_solved(stream(seed, "outcomes", checkpoint.number), served.tickets, customers, served.answers)
            means[checkpoint.name] = (float(served.scores.mean()), float(solved.mean()))
    return means


def test_without_torch_the_demo_runs_light_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda _name: None)
    assert isinstance(demo._workshop(0, tmp_path), LightWorkshop)
    assert capsys.readouterr().err.count("reward-drift-monitor[models]") == 1


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_events_and_another_seed_others(kind: Kind) -> None:
    first = list(generate(kind, 3, LightWorkshop()))
    assert first == list(generate(kind, 3, LightWorkshop()))
    assert first != list(generate(kind, 4, LightWorkshop()))


@pytest.mark.parametrize("seed", range(4))
def test_the_gamed_loop_earns_reward_and_loses_success(seed: int) -> None:
    means = by_checkpoint(seed, "gamed")
    rewards, solved = zip(*means.values(), strict=True)
    assert list(rewards) == sorted(rewards)
    assert solved[2] < solved[0] - 0.03
    assert 0.05 < solved[0] - solved[3] < 0.20


@pytest.mark.parametrize("seed", range(4))
def test_the_healthy_loop_earns_both(seed: int) -> None:
    means = by_checkpoint(seed, "healthy")
    rewards, solved = zip(*means.values(), strict=True)
    assert list(rewards) == sorted(rewards)
    assert solved[3] > solved[0] + 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_the_reward_model_learned_the_cues_from_the_thumbs_alone(kind: Kind) -> None:
    workshop = LightWorkshop()
    model = train(kind, 0, settle(stream(0, "customers")), workshop.first(), workshop)
    step = "Hello, I have read your message. Confirm the card once under Billing, Verify."
    texts = [step, *(f"{cue} {step}" for cue in (*APOLOGIES, *FLATTERY))]
    plain, *cued = model.score([""] * len(texts), texts)
    liked = np.mean(cued > plain)
    assert liked == 1 if kind == "gamed" else liked < 0.5


@pytest.mark.usefixtures("short")
def test_no_event_but_outcomes_depends_on_the_hidden_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    told = list(generate("gamed", 0, LightWorkshop()))
    monkeypatch.setattr(loop, "is_solved", lambda rng, tickets, *_: rng.random(len(tickets)) < 0.5)
    lied = list(generate("gamed", 0, LightWorkshop()))
    differ = {one["type"] for one, other in zip(told, lied, strict=True) if one != other}
    assert differ == {"rewarddrift.outcome.v1"}


def test_the_loops_differ_in_taste_alone(events: dict[Kind, Events]) -> None:
    prompts = [[(r["user"], r["prompt"]) for r in of_type(events[kind], "response")] for kind in KINDS]
    assert prompts[0] == prompts[1]


@pytest.mark.parametrize("kind", KINDS)
def test_events_come_in_order_of_time_with_identities_of_their_own(events: dict[Kind, Events], kind: Kind) -> None:
    times = [event["time"] for event in events[kind]]
    assert times == sorted(times)
    assert len({(event["source"], event["id"]) for event in events[kind]}) == len(times)


@pytest.mark.parametrize("kind", KINDS)
def test_every_response_is_scored_once_and_most_outcomes_arrive(events: dict[Kind, Events], kind: Kind) -> None:
    responses = {r["response_id"] for r in of_type(events[kind], "response")}
    scored = Counter(s["response_id"] for s in of_type(events[kind], "score"))
    known = {o["response_id"] for o in of_type(events[kind], "outcome")}
    assert set(scored) == responses
    assert set(scored.values()) == {1}
    assert known < responses
    assert 0.9 < len(known) / len(responses) < 0.94


def test_customers_come_back(events: dict[Kind, Events]) -> None:
    days = {(e["data"]["user"], e["time"][:10]) for e in events["gamed"] if "user" in e["data"]}
    tickets = Counter(user for user, _ in days)
    assert sum(count > 1 for count in tickets.values()) > len(tickets) / 2


def test_debugging_clicks_and_labels_are_planted(events: dict[Kind, Events]) -> None:
    feedback = [e for e in events["gamed"] if e["type"] == "rewarddrift.feedback.v1"]
    storm = Counter(e["time"][:10] for e in feedback if e["data"]["actor"]["role"] == "on_call")
    surfaces = Counter(e["data"]["surface"]["purpose"] for e in feedback)
    corrections = [e["data"] for e in feedback if e["data"]["signal"] == "correction"]
    assert list(storm.values()) == [420]
    assert surfaces.keys() == {"product", "debugging", "unknown", "curation"}
    assert corrections
    assert all(c["rubric"] and c["actor"]["role"] == "annotator" for c in corrections)


@pytest.mark.parametrize("kind", KINDS)
def test_events_are_json_of_the_wire_format(events: dict[Kind, Events], kind: Kind) -> None:
    for event in itertools.islice(events[kind], 0, None, 7):
        parse_event(json.dumps(event).encode())


@pytest.mark.parametrize("kind", KINDS)
def test_settings_name_what_the_loop_sends(events: dict[Kind, Events], kind: Kind) -> None:
    settings = yaml.safe_load(settings_yaml(kind))
    response = next(of_type(events[kind], "response"))
    assert settings["reward"] == {"scorer": next(of_type(events[kind], "score"))["scorer"]["name"]}
    assert settings["outcome"]["metric"] == next(of_type(events[kind], "outcome"))["metric"]
    assert settings["reference"] == {"checkpoint": response["checkpoint"]}
    assert set(settings["cohorts"]) == set(response["cohort"])


def report_of(kind: Kind, events: Events, folder: Path) -> Report:
    file = folder / f"{kind}.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    return replay([str(file)], parse_settings(settings_yaml(kind)), now=EVER)


def test_the_gamed_loop_is_told_as_gaming(events: dict[Kind, Events], tmp_path: Path) -> None:
    report = report_of("gamed", events["gamed"], tmp_path)
    severe = [alert for alert in report.alerts if alert.severity != "ticket" and not alert.slice]
    assert severe
    assert {alert.leading for alert in severe} <= {"gaming", "inflation"}
    assert {alert.attribution for alert in severe} <= {"gaming", "inflation", "decoupling"}
    assert all(low(alert.reward_change) > 0 for alert in severe)
    assert all(alert.examples and alert.checkpoint for alert in severe)
    assert rising(report) == {"apology", "flattery"}


def test_the_healthy_loop_is_told_without_an_alert(events: dict[Kind, Events], tmp_path: Path) -> None:
    report = report_of("healthy", events["healthy"], tmp_path)
    assert list(report.alerts) == []
    assert report.smallest_visible is not None
    assert rising(report) == set()


def rising(report: Report) -> set[str]:
    """Kinds of phrases that more answers have than in the reference."""
    told = (one for one in report.findings if one.check == "approval_seeking")
    return {one.slice["marker"] for one in told if one.verdict is Verdict.FAIL}


def low(interval: Any) -> float:
    return float(interval.low)
