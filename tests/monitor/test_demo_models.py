"""What does the monitor say of the demo's two loops when real models write, learn and are tuned?

Shorter worlds than the demo's own, tuned in fewer and longer steps.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest

from judges.checkpoints import open_checkpoint
from monitor.demo import loop, real
from monitor.demo.loop import Kind, generate, settings_yaml
from monitor.demo.real import RealWorkshop
from monitor.replay import replay
from monitor.result import Report
from monitor.settings import parse_settings
from tests.monitor.events import EVER

KINDS: tuple[Kind, ...] = get_args(Kind)


class Told(NamedTuple):
    events: list[dict[str, Any]]
    report: Report


class Means(NamedTuple):
    """Mean raw reward and share of successes of each checkpoint, in their order."""

    reward: list[float]
    success: list[float]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def told(models: Path) -> Iterator[dict[Kind, Told]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "PILOT_DAYS", 28)
        patch.setattr(loop, "REFERENCE_DAYS", 28)
        patch.setattr(loop, "CHECKPOINTS", 4)
        patch.setattr(real, "KEPT", 10)
        patch.setattr(real, "RATE", 4e-4)
        workshop = RealWorkshop(0, models)
        yield {kind: tell(kind, workshop, models) for kind in KINDS}


def tell(kind: Kind, workshop: RealWorkshop, folder: Path) -> Told:
    events = [*generate(kind, 0, workshop), *workshop.score_kept(kind)]
    file = folder / f"{kind}.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    return Told(events, replay([str(file)], parse_settings(settings_yaml(kind)), now=EVER))


def means(told: Told, environment: str) -> Means:
    data: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in told.events:
        data[event["type"].split(".")[1]].append(event["data"])
    asked = [one for one in data["response"] if one.get("environment", "production") == environment]
    checkpoint = {one["response_id"]: one["checkpoint"] for one in asked}
    return Means(*(mean_by(data[kind], checkpoint) for kind in ("score", "outcome")))


def mean_by(data: list[dict[str, Any]], checkpoint: dict[str, str]) -> list[float]:
    values = defaultdict(list)
    for one in data:
        if one["response_id"] in checkpoint:
            values[checkpoint[one["response_id"]]].append(float(one["value"]))
    return [float(np.mean(values[name])) for name in sorted(values)]


def test_the_gamed_loop_earns_reward_loses_success_and_ends_in_a_page(told: dict[Kind, Told]) -> None:
    reward, success = means(told["gamed"], "production")
    assert reward == sorted(reward)
    assert success[-1] < success[0] - 0.05
    pages = [alert for alert in told["gamed"].report.alerts if alert.severity == "page"]
    assert pages
    assert {alert.leading for alert in pages} <= {"gaming", "inflation"}


def test_the_healthy_loop_earns_both_and_stays_silent(told: dict[Kind, Told]) -> None:
    reward, success = means(told["healthy"], "production")
    assert reward[-1] > reward[0]
    assert success[-1] > success[0] + 0.05
    assert list(told["healthy"].report.alerts) == []


def test_on_the_same_held_out_questions_gaming_earns_reward_and_loses_success(told: dict[Kind, Told]) -> None:
    reward, success = means(told["gamed"], "evaluation")
    assert reward[-1] > reward[0]
    assert success[-1] < success[0]
    reward, success = means(told["healthy"], "evaluation")
    assert reward[-1] > reward[0]
    assert success[-1] > success[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_checkpoint_is_kept_as_its_event_says(told: dict[Kind, Told], models: Path, kind: Kind) -> None:
    serving = [event["data"] for event in told[kind].events if event["data"].get("stage") == "serving"]
    assert len(serving) == 5
    for checkpoint in serving:
        open_checkpoint(models / checkpoint["artifact"], expected=checkpoint["sha256"])
    assert all(checkpoint["kl_nats"] >= 0 for checkpoint in serving)
