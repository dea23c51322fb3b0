"""Which verdict is confirmed of a planted loop, how often, and is it ever a wrong one?

Thumbs at .6 and success at .7, .29 higher with a thumb up; 60 days of reference, 168 monitored, a change on day 56.
"""

import json
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest

from monitor.detection.book import FIELDS, SeriesBook, SeriesInfo, SeriesKey
from monitor.detection.confirm import CHECK, component_evidence
from monitor.detection.tick import look
from monitor.production.curve import CHECK as CURVE_CHECK
from monitor.report.json import render_json
from monitor.report.text import render_text
from monitor.result import Alert, Confirmed
from monitor.statistics.reference_error import QUANTILE
from monitor.statistics.verdicts import verdict
from tests.monitor.events import DAY, START, in_memory, loop_events, settings
from tests.sample_reports import gamed_report

REFERENCE, DAYS, QUIET, MATERIAL = 60, 168, 56, 0.005
LIKED, WORKED, SLOPE, REVERSE = 0.6, 0.7, 0.29, 0.29 * 0.24 / 0.21
CELLS = np.array([(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])  # reward, outcome


@dataclass(frozen=True)
class Loop:
    """reward, outcome: change in points. labels, more: units a day with an outcome, further ones with a reward alone.

    held: users held back a day, who have an outcome; shared: they change as the others do.
    """

    reward: float = 0.0
    outcome: float = 0.0
    labels: int = 100
    more: int = 400
    held: int = 0
    shared: bool = False


def chances(reward: float, outcome: float) -> np.ndarray:
    liked, worked = LIKED + reward / 100, WORKED + outcome / 100
    given = worked + SLOPE * (CELLS[:, 0] - liked)
    return np.where(CELLS[:, 0] > 0, liked, 1 - liked) * np.where(CELLS[:, 1] > 0, given, 1 - given)


def planted(loop: Loop, seed: int) -> SeriesBook:
    """A book of daily sums with a checkpoint every 14 days, against a baseline fitted on its own reference."""
    rng = np.random.default_rng(seed)
    known = rng.multinomial(REFERENCE * loop.labels, chances(0, 0))
    liked = (known[:2].sum() + rng.binomial(REFERENCE * loop.more, LIKED)) / (REFERENCE * (loop.labels + loop.more))
    scores = effects_of(known, liked)
    late = np.arange(DAYS) >= QUIET
    days = np.where(late[:, None], chances(loop.reward, loop.outcome), chances(0, 0))
    counts = rng.multinomial(loop.labels, days).astype(float)
    up = rng.binomial(loop.more, LIKED + late * loop.reward / 100).astype(float)
    sums = {name: np.stack([counts.sum(axis=1), counts @ y, counts @ y**2], axis=1) for name, y in scores.items()}
    rise, fall = 1 - liked, -liked
    sums["A4"] += np.stack(
        [
            np.full(DAYS, float(loop.more)),
            up * rise + (loop.more - up) * fall,
            up * rise**2 + (loop.more - up) * fall**2,
        ],
        axis=1,
    )
    errors = {name: np.sqrt((known / known.sum()) @ y**2 / known.sum()) for name, y in scores.items()}
    errors["A4"] = np.sqrt(liked * (1 - liked) / (REFERENCE * (loop.labels + loop.more)))
    if loop.held:
        sums |= beside(rng, loop, float(scores["A2"].max()), late)
        errors |= {"H": errors["A2"], "P": errors["A2"]}
    return book_of(sums, errors)


def effects_of(known: np.ndarray, liked: float) -> dict[str, np.ndarray]:
    """Effect of each cell of reward and outcome against the reference's counts."""
    reward, outcome = CELLS.T
    worked = float(known @ outcome / known.sum())
    meant = np.where(reward > 0, known[0] / known[:2].sum(), known[2] / known[2:].sum())
    brought = np.where(outcome > 0, known[0] / known[::2].sum(), known[1] / known[1::2].sum())
    a2, a4 = worked - outcome, reward - liked
    return {"A1": meant - outcome, "A2": a2, "A4": a4, "A6": reward - brought, "A7": 0.1 * a4 + a2}


def beside(rng: np.random.Generator, loop: Loop, worked: float, late: np.ndarray) -> dict[str, np.ndarray]:
    """Users held back against the reference, and pairs of one of them with a new one, which A2 then takes, too."""
    new = WORKED + late * loop.outcome / 100
    kept = new if loop.shared else np.full(DAYS, WORKED)
    pairs = rng.multinomial(
        loop.held, np.stack([kept * new, kept * (1 - new), (1 - kept) * new, (1 - kept) * (1 - new)], 1)
    )
    won, n = pairs[:, 0] + pairs[:, 1], np.full(DAYS, float(loop.held))
    lost = np.stack([n, n * worked - won, won * (worked - 1) ** 2 + (n - won) * worked**2], axis=1)
    apart = np.stack([n, pairs[:, 1] - pairs[:, 2], pairs[:, 1] + pairs[:, 2]], axis=1)
    return {"H": lost, "P": apart, "A2": apart}


def book_of(sums: dict[str, np.ndarray], errors: dict[str, float]) -> SeriesBook:
    keys = [SeriesKey(CHECK, name, "") for name in sums]
    keys += [SeriesKey(CURVE_CHECK, "A5", f"checkpoint={start}") for start in range(0, DAYS, 14)]
    error = {key: errors.get(key.series, 0.0) for key in keys}
    info = {key: SeriesInfo({}, 0.02, MATERIAL + QUANTILE * error[key], error[key], 6000, "") for key in keys}
    cells = np.zeros((DAYS, len(keys), FIELDS))
    for place, name in enumerate(sums):
        cells[:, place, :3] = sums[name]
    for place, start in enumerate(range(0, DAYS, 14), start=len(sums)):
        cells[start : start + 14, place, 0] = 1
    return SeriesBook(0, keys, info, cells)


RIGHT = {
    "gaming": {"gaming", "decoupling"},
    "inflation": {"inflation", "decoupling"},
    "blind_reward": {"blind_reward", "harm"},
    "plain_harm": {"plain_harm", "harm"},
    "benign": {"benign"},
    "": set(),
}


def told(loop: Loop, after: int, runs: int = 100) -> Counter[str]:
    """Verdicts so many days after the change, "" where none is confirmed."""
    found = (
        verdict(component_evidence(planted(loop, seed), "", MATERIAL, until=QUIET + after)) for seed in range(runs)
    )
    return Counter(one[0] if one else "" for one in found)


# Reward and outcome in points, units a day; least runs of 40 in which the leaf, and the leaf or its parent, is
# confirmed 56 days after the change. Measured, of 100: leaves 34, 0, 0, 0, 53 and then 100, 80, 99, 100, 78; with their
# parents 100, 2, 31, 100, 53 and then 100 but for the last.
@pytest.mark.parametrize(
    ("name", "reward", "outcome", "labels", "leaf", "either"),
    [
        ("", 0, 0, 100, 0, 0),
        ("gaming", 9, -4, 100, 6, 38),
        ("inflation", 9, 0, 100, 0, 0),
        ("blind_reward", 0, -8, 100, 0, 5),
        ("plain_harm", -8 * REVERSE, -8, 100, 0, 38),
        ("benign", 4 * REVERSE, 4, 100, 12, 12),
        ("", 0, 0, 1000, 0, 0),
        ("gaming", 9, -4, 1000, 38, 40),
        ("inflation", 9, 0, 1000, 24, 39),
        ("blind_reward", 0, -8, 1000, 37, 40),
        ("plain_harm", -8 * REVERSE, -8, 1000, 37, 40),
        ("benign", 9, 2.6, 1000, 24, 24),
    ],
)
def test_a_planted_story_is_confirmed_or_left_open_and_no_other_is(
    name: str, reward: float, outcome: float, labels: int, leaf: int, either: int
) -> None:
    """No wrong verdict in 40 runs, 28 and 56 days after the change: an upper limit of .07 at 95%."""
    loop = Loop(reward, outcome, labels, 4 * labels)
    found = [told(loop, after, runs=40) for after in (28, 56)]
    assert {verdict for counts in found for verdict in counts if verdict} <= RIGHT[name]
    assert found[-1][name] >= leaf
    assert found[-1].total() - found[-1][""] >= either or not name


def test_long_quiet_before_a_change_is_no_evidence_of_what_holds_since() -> None:
    """Had each claim a start of its own, .11 of these were called inflation on the day after the outcome fell."""
    assert not told(Loop(9, -4, 1000, 4000), 1)["inflation"]


@pytest.mark.parametrize(("shared", "least"), [(True, 36), (False, 0)])
def test_a_loss_that_users_held_back_share_is_no_checkpoints_fault(shared: bool, least: int) -> None:
    """100 held back and 300 new users with an outcome a day, 20 points lost; measured 100 of 100 in 56 days."""
    found = told(Loop(-20 * REVERSE, -20, 300, 0, 100, shared), 56, runs=40)
    assert found["shared_degradation"] >= least
    assert set(found) - {""} <= ({"shared_degradation"} if shared else RIGHT["plain_harm"])


def test_nothing_is_confirmed_before_the_first_day() -> None:
    assert component_evidence(SeriesBook(0), "", MATERIAL) == {}
    assert verdict(component_evidence(planted(Loop(), 0), "", MATERIAL, begin=DAYS)) is None


LATE = {f"{day}-{place}" for day in range(20, 50) for place in range(0, 80, 10)}


def alerts_of(held: bool = False, **change: float) -> list[Alert]:
    """Alerts of a small loop; held: a tenth of the later users stay on the reference's checkpoint, and change alike."""
    world = list(loop_events(50, 20, per_day=80, **change))  # type: ignore[arg-type]
    for one in world:
        if held and "checkpoint" in one["data"] and one["data"]["response_id"] in LATE:
            one["data"]["checkpoint"] = "ckpt-0"
    return list(look(in_memory(world), settings(cohorts=[]), START + 53 * DAY).report.alerts)


def test_an_alert_says_what_is_confirmed_beside_its_leading_label() -> None:
    alert = alerts_of(reward=35.0, outcome_change=-30.0)[0]
    assert alert.confirmed is not None
    assert alert.confirmed.verdict == "gaming"
    assert "ckpt-1" in alert.message
    assert alert.message.endswith(f"; {alert.confirmed}.")
    assert "confirmed: gaming (e-value " in alert.message
    assert min(alert.components[name] for name in ("C", "R+", "O-")) == alert.confirmed.e_value


def test_where_users_held_back_lost_as_well_the_alert_stays_and_blames_no_checkpoint() -> None:
    alert = alerts_of(held=True, outcome_change=-50.0)[0]
    assert (alert.attribution, alert.confirmed and alert.confirmed.verdict) == ("shared_degradation",) * 2
    assert alert.check == CHECK
    assert "no checkpoint is blamed" in alert.message
    assert "ckpt-1" not in alert.message


def test_reports_carry_what_is_confirmed() -> None:
    report = gamed_report()
    sure = replace(report, alerts=[replace(alert, confirmed=Confirmed("gaming", 43.0)) for alert in report.alerts])
    assert "confirmed: gaming (e-value 43, 1/alpha 20)." in render_text(sure, console_width=400)
    assert json.loads(render_json(sure))["alerts"][0]["confirmed"] == {"verdict": "gaming", "e_value": 43.0}
    assert json.loads(render_json(report))["alerts"][0]["confirmed"] is None
