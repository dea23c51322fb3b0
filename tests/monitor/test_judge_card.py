"""Does a judge's card tell what people, the teacher and the judge said, and refuse a judge nobody compared?"""

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from consumers.store import EventStore
from judges.preference import read_preferences
from monitor.judging.judge_card import FEWEST_ANCHORED, OLDEST_DAYS, Cards, JudgeCard, calibration, judge_cards
from monitor.judging.judge_figures import share_of
from monitor.production.items import microseconds
from monitor.report.judges_html import judges_html
from monitor.report.judges_json import cards_json
from monitor.report.judges_text import judges_text
from monitor.settings import JudgeSettings
from tests.monitor.events import DAY, HOUR, START, Event, event, put

NAMES = JudgeSettings(watched=("gpt",), teacher="big", human="human")
CHOICE = {1: "a", 0: "tie", -1: "b"}
PAIRS = 400


def judgment(pair: str, judge: dict[str, Any], code: float | None, at: dt.datetime, **more: Any) -> Event:
    """One preference event; a code of None is an unscoreable judgment."""
    told = {"choice": None, "status": "unscoreable"} if code is None else {"choice": CHOICE[int(code)]}
    made = event("preference", at, {"pair_id": pair, "judge": judge, **more})
    return made | {"data": made["data"] | told}


def cards_of(events: Iterable[Event], names: JudgeSettings = NAMES, days: int = 30) -> Cards:
    as_of = START + days * DAY
    with EventStore.open(":memory:") as store:
        put(store, list(events))
        found = read_preferences(store.engine, names, microseconds(as_of))
    return judge_cards(found, as_of, teacher=names.teacher, human=names.human)


def only(cards: Cards) -> JudgeCard:
    assert len(cards.judges) == 1
    return cards.judges[0]


@dataclass(frozen=True)
class World:
    """What was said of each pair, as arrays, and the card made of the events. ab, ba: NaN for a failure."""

    human: np.ndarray
    teacher: np.ndarray
    ab: np.ndarray
    ba: np.ndarray
    longer: np.ndarray
    own: np.ndarray
    week: np.ndarray
    tier: np.ndarray
    cards: Cards

    @property
    def judge(self) -> np.ndarray:
        merged = np.where(self.ab == self.ba, self.ab, 0.0)
        return np.where(np.isnan(self.ab) | np.isnan(self.ba), np.nan, merged)

    @property
    def card(self) -> JudgeCard:
        return only(self.cards)


@pytest.fixture(scope="module")
def world() -> World:
    """A judge that often takes the teacher's side, fails now and then, and likes length and its own student."""
    rng = np.random.default_rng(4)
    human, teacher = rng.choice([1, 0, -1], PAIRS, p=[0.45, 0.1, 0.45]), rng.choice([1, 0, -1], PAIRS)
    first = np.where(rng.random(PAIRS) < 0.85, teacher, human).astype(float)
    second = np.where(rng.random(PAIRS) < 0.2, -first, first)
    ab, ba = (np.where(rng.random(PAIRS) < 0.03, np.nan, side) for side in (first, second))
    lengths = rng.integers(10, 200, (2, PAIRS))
    own = rng.choice([1, -1], PAIRS)
    week, tier = np.arange(PAIRS) * 4 // PAIRS, rng.choice(["free", "paid"], PAIRS)
    events = [event("checkpoint", START, {"checkpoint": "student", "teacher": "gpt-family"})]
    for n in range(PAIRS):
        names = ("student", "other") if own[n] > 0 else ("other", "student")
        sides = {
            side: {"checkpoint": names[k], "length": int(lengths[k, n]), "family": ("gpt-family", "x")[k]}
            for k, side in enumerate("ab")
        }
        more = {**sides, "prompt_id": f"q{n}", "cohort": {"tier": str(tier[n])}}
        at = START + int(week[n]) * 7 * DAY + HOUR
        gpt = {"name": "gpt", "kind": "model", "family": "gpt-family"}
        events.append(
            judgment(f"p{n}", {"name": "human", "kind": "human", "annotator": f"a{n % 3}"}, human[n], at, **more)
        )
        events.append(judgment(f"p{n}", {"name": "big", "kind": "teacher"}, teacher[n], at, **more))
        for order, said in (("ab", ab[n]), ("ba", ba[n])):
            events.append(judgment(f"p{n}", gpt, None if np.isnan(said) else said, at, order=order, **more))
    return World(human, teacher, ab, ba, np.sign(lengths[0] - lengths[1]), own, week, tier, cards_of(events))


def test_coverage_counts_failures_by_status(world: World) -> None:
    failed = int(np.isnan(world.judge).sum())
    assert world.card.whole.pairs == PAIRS
    assert world.card.whole.coverage == pytest.approx(1 - failed / PAIRS)
    assert world.card.statuses == {"ok": PAIRS - failed, "unscoreable": failed}


def test_agreement_kappa_and_base_rate_are_those_of_the_table(world: World) -> None:
    known = ~np.isnan(world.judge)
    judge, human = world.judge[known], world.human[known]
    table = np.array([[np.mean((judge == i) & (human == j)) for j in (-1, 0, 1)] for i in (-1, 0, 1)])
    chance = float(table.sum(axis=1) @ table.sum(axis=0))
    found = world.card.whole.agreement
    assert found is not None
    assert found.kappa is not None
    assert found.share.value == pytest.approx(np.trace(table))
    assert found.kappa.value == pytest.approx((np.trace(table) - chance) / (1 - chance))
    assert found.base_rate == pytest.approx(table.sum(axis=0).max())
    assert found.kappa.low < found.kappa.value < found.kappa.high


def test_capture_is_over_pairs_where_people_and_teacher_differ(world: World) -> None:
    differ = (world.human != world.teacher) & ~np.isnan(world.judge)
    decided = differ & (world.judge != 0)
    found = world.card.whole.capture
    assert found is not None
    assert (found.n, world.card.whole.capture_ties) == (decided.sum(), (differ & (world.judge == 0)).sum())
    assert found.value == pytest.approx(np.mean(world.judge[decided] == world.teacher[decided]))
    assert found.low > 0.5  # planted


def test_position_consistency_is_over_pairs_judged_in_both_orders(world: World) -> None:
    both = ~np.isnan(world.ab) & ~np.isnan(world.ba)
    found = world.card.position
    assert found is not None
    assert (found.value, found.n) == (pytest.approx(np.mean(world.ab[both] == world.ba[both])), both.sum())


def test_longer_preferred_is_told_of_judge_and_people_on_the_same_pairs(world: World) -> None:
    mine = (world.longer != 0) & (world.human != 0) & ~np.isnan(world.judge) & (world.judge != 0)
    found = world.card.longer
    assert found is not None
    assert found.judge.value == pytest.approx(np.mean(world.judge[mine] == world.longer[mine]))
    assert found.people.value == pytest.approx(np.mean(world.human[mine] == world.longer[mine]))
    assert found.difference.value == pytest.approx(found.judge.value - found.people.value)
    assert found.difference.low < found.difference.value < found.difference.high


@pytest.mark.parametrize("relation", ["own_student", "same_family"])
def test_self_preference_is_told_beside_what_people_prefer(world: World, relation: str) -> None:
    known = ~np.isnan(world.judge)
    side = world.own if relation == "own_student" else np.ones(PAIRS)
    found = world.card.relatives[relation]
    assert found is not None
    assert found.judge.value == pytest.approx(np.mean((world.judge * side + 1)[known] / 2))
    assert found.people.value == pytest.approx(np.mean((world.human * side + 1)[known] / 2))
    assert found.judge.n == known.sum()


def test_slices_and_weeks_are_the_same_figures_of_a_part(world: World) -> None:
    known = ~np.isnan(world.judge)
    for key, found in world.card.slices:
        mine = world.tier == key["tier"]
        assert found.pairs == mine.sum()
        assert found.agreement is not None
        assert found.agreement.share.value == pytest.approx(np.mean((world.judge == world.human)[mine & known]))
    assert [key["tier"] for key, _ in world.card.slices] == ["free", "paid"]
    assert [monday.weekday() for monday, _ in world.card.weeks] == [0] * 4
    for number, (_, found) in enumerate(world.card.weeks):
        assert found.agreement is not None
        mine = known & (world.week == number)
        assert found.agreement.share.value == pytest.approx(np.mean((world.judge == world.human)[mine]))


def test_win_rates_are_turned_to_one_checkpoint(world: World) -> None:
    known = ~np.isnan(world.judge)
    row = only_row(world.cards)
    as_student = np.mean((world.judge * world.own + 1)[known] / 2)
    expected = as_student if row.checkpoint == "student" else 1 - as_student
    assert (row.pairs, row.win_rate.value) == (known.sum(), pytest.approx(expected))
    people = np.mean((world.human * world.own + 1)[known] / 2)
    assert row.human is not None
    assert row.human.value == pytest.approx(people if row.checkpoint == "student" else 1 - people)
    assert row.length_controlled is not None


def only_row(cards: Cards) -> Any:
    assert len(cards.leaderboard) == 1
    return cards.leaderboard[0]


def test_anchors_say_who_made_the_labels(world: World) -> None:
    made = {(maker.judge, maker.annotator): (maker.labels, maker.used) for maker in world.cards.anchors}
    assert made == {("human", f"a{k}"): (len(range(k, PAIRS, 3)),) * 2 for k in range(3)}


@pytest.mark.parametrize(
    ("pairs", "age", "status", "gate"),
    [
        (0, None, "uncalibrated", "report-only"),
        (FEWEST_ANCHORED - 1, 0, "uncalibrated", "report-only"),
        (FEWEST_ANCHORED, 0, "calibrated", "usable"),
        (FEWEST_ANCHORED, OLDEST_DAYS, "calibrated", "usable"),
        (10 * FEWEST_ANCHORED, OLDEST_DAYS + 1, "stale", "report-only"),
        (FEWEST_ANCHORED - 1, OLDEST_DAYS + 1, "uncalibrated", "report-only"),
    ],
)
def test_a_gate_may_use_a_judge_that_was_compared_with_people_enough_and_lately(
    pairs: int, age: int | None, status: str, gate: str
) -> None:
    found = calibration(pairs, None if age is None else 1000 - age, 1000)
    assert (found.status, found.gate, found.reason is None) == (status, gate, gate == "usable")


def compared(n: int, revision: str, at: dt.datetime, kind: str = "human") -> list[Event]:
    """n pairs that the judge and somebody under the human's name judged alike."""
    gpt, human = {"name": "gpt", "kind": "model", "revision": revision}, {"name": "human", "kind": kind}
    return [judgment(f"{revision}-{k}", who, 1 - 2 * (k % 2), at) for k in range(n) for who in (gpt, human)]


def test_a_new_revision_must_be_compared_with_people_anew() -> None:
    events = compared(FEWEST_ANCHORED, "r1", START + HOUR)
    assert only(cards_of(events)).calibration.gate == "usable"
    card = only(cards_of([*events, *compared(5, "r2", START + DAY)]))
    assert (card.revision, card.whole.pairs, card.current.pairs) == ("r2", FEWEST_ANCHORED + 5, 5)
    assert (card.calibration.status, card.calibration.reason) == (
        "uncalibrated",
        f"5 of {FEWEST_ANCHORED} pairs judged by people too",
    )
    assert [name for name, _ in card.revisions] == ["r1", "r2"]


def test_old_comparisons_are_stale() -> None:
    card = only(cards_of(compared(FEWEST_ANCHORED, "r1", START + HOUR), days=OLDEST_DAYS + 2))
    assert (card.calibration.status, card.calibration.gate) == ("stale", "report-only")


def test_labels_by_a_model_under_the_humans_name_make_no_anchor_and_are_told() -> None:
    cards = cards_of(compared(FEWEST_ANCHORED, "r1", START + HOUR, kind="model"))
    assert (only(cards).whole.pairs, only(cards).calibration.gate) == (0, "report-only")
    assert "Refused as anchors: human (made by a model, 100)" in judges_text(cards)
    assert cards_json(cards)["anchors"][0]["refused"] == "made by a model"


def test_a_judge_that_loves_a_constant_answer_is_no_anchor_for_anything() -> None:
    """One answer to every prompt that the judge prefers in 86% of them: a win rate, and nobody to confirm it."""
    gpt = {"name": "gpt", "kind": "model"}
    rng = np.random.default_rng(0)
    lengths = rng.integers(200, 2000, 300)
    events = [
        judgment(
            f"p{k}", gpt, 1 if k % 50 < 43 else -1, START + HOUR, prompt_id=f"q{k}",
            a={"checkpoint": "null-model", "length": 300}, b={"checkpoint": "baseline", "length": int(lengths[k])},
        )
        for k in range(300)
    ]  # fmt: skip
    cards = cards_of(events)
    row = only_row(cards)
    assert (row.checkpoint, row.win_rate.value, row.human) == ("null-model", pytest.approx(0.86), None)
    assert only(cards).calibration.gate == "report-only"
    assert only(cards).whole.agreement is None
    text = judges_text(cards)
    assert "there is no human anchor, and every judge is report-only" in text
    assert "report-only: no human anchor" in text
    assert cards_json(cards)["judges"][0]["agreement_human"] is None
    assert "no human anchor" in judges_html(cards)


def test_people_who_disagree_show_what_the_judge_was_fooled_by() -> None:
    gpt, human = {"name": "gpt", "kind": "model"}, {"name": "human", "kind": "human"}
    sides = {"a": {"checkpoint": "null-model", "length": 300}, "b": {"checkpoint": "baseline", "length": 500}}
    events = [
        judgment(f"p{k}", who, 1 if k % 50 < wins else -1, START + HOUR, prompt_id=f"q{k}", **sides)
        for k in range(200)
        for who, wins in ((gpt, 43), (human, 1))
    ]
    row = only_row(cards_of(events))
    assert (row.win_rate.value, row.human.value) == (pytest.approx(0.86), pytest.approx(0.02))
    assert row.length_controlled is None
    assert "cannot be told apart" in row.uncontrolled


def test_without_any_preference_there_is_a_card_without_figures() -> None:
    cards = cards_of([])
    found = cards_json(cards)["judges"][0]
    assert (found["pairs"], found["coverage"], found["gate"]) == (0, None, "report-only")
    missing = ("agreement_human", "kappa_human", "agreement_teacher", "teacher_capture", "longer_preferred")
    assert [found[name] for name in missing] == [None] * 5
    assert (found["position_consistent"], found["slices"], cards_json(cards)["leaderboard"]) == (None, [], [])
    assert "no data" in judges_text(cards)
    assert judges_html(cards)


def test_a_share_of_halves_has_an_interval_that_holds_it() -> None:
    found = share_of(np.tile([0.0, 0.5, 1.0], 50))
    assert found is not None
    assert 0 < found.low < found.value == 0.5 < found.high < 1
    assert share_of(np.zeros(0)) is None


def test_hostile_names_stay_one_short_line_and_inert() -> None:
    evil = "<script>alert(1)</script>\n\u202e" + "x" * 300
    who = {"name": evil, "kind": "model", "family": evil, "revision": evil}
    sides = {"a": {"checkpoint": evil, "length": 5}, "b": {"checkpoint": "b" * 400, "length": 9}}
    events = [judgment("p", who, 1, START, cohort={evil[:500]: evil[:500]}, **sides)]
    events.append(judgment("p", {"name": evil + "y", "kind": "human", "annotator": evil}, 1, START, **sides))
    cards = cards_of(events, JudgeSettings())
    assert max(map(len, judges_text(cards).splitlines())) <= 120
    page = judges_html(cards)
    assert "<script" not in page
    assert "\u202e" not in page + judges_text(cards)
    assert json.dumps(cards_json(cards))
