"""Does a judge that fails on a model's worst answers improve that model on the leaderboard?"""

import numpy as np
import pytest

from monitor.judging.judge_card import Cards
from monitor.judging.leaderboard import Standing
from monitor.report.judges_html import judges_html
from monitor.report.judges_json import cards_json
from monitor.report.judges_text import judges_text
from tests.monitor.events import HOUR, START, Event
from tests.monitor.test_judge_card import cards_of, judgment

PAIRS = 200
LOSSES = PAIRS // 2  # of each checkpoint against the baseline, which is to say both are as good


def met(checkpoint: str, failed: int, opponent: str = "baseline", length: int = 300) -> list[Event]:
    """A checkpoint that wins half of its pairs; the judge fails on this many of those it would lose."""
    codes: list[float | None] = [None] * failed + [-1.0] * (LOSSES - failed) + [1.0] * (PAIRS - LOSSES)
    lengths = np.random.default_rng(1).integers(200, 400, PAIRS)
    return [
        judgment(
            f"{checkpoint}-{opponent}-{k}", {"name": "gpt", "kind": "model"}, code, START + HOUR, prompt_id=f"q{k}",
            a={"checkpoint": checkpoint, "length": length}, b={"checkpoint": opponent, "length": int(lengths[k])},
        )
        for k, code in enumerate(codes)
    ]  # fmt: skip


def rows_of(cards: Cards) -> dict[str, Standing]:
    return {row.checkpoint: row for row in cards.leaderboard}


@pytest.fixture(scope="module")
def cards() -> Cards:
    return cards_of([*met("honest", 0), *met("breaking", 80), *met("nearly", 4)])


def test_failures_on_the_worst_answers_do_not_improve_a_checkpoint(cards: Cards) -> None:
    row = rows_of(cards)["breaking"]
    assert row.win_rate.value == pytest.approx(100 / 120)  # what verdicts alone would claim
    assert (row.pairs, row.covered.offered, row.covered.coverage) == (120, PAIRS, 0.6)
    assert row.covered.least == 0.5 == rows_of(cards)["honest"].win_rate.value
    assert not row.comparable


def test_coverage_up_to_two_points_apart_is_compared(cards: Cards) -> None:
    found = rows_of(cards)
    assert (found["nearly"].covered.coverage, found["nearly"].comparable) == (0.98, True)
    assert found["honest"].comparable
    assert not rows_of(cards_of([*met("honest", 0), *met("nearly", 5)]))["nearly"].comparable


def test_a_judge_that_fails_on_all_alike_is_compared() -> None:
    assert all(row.comparable for row in cards_of([*met("one", 40), *met("other", 42)]).leaderboard)


def test_checkpoints_against_different_opponents_are_not_compared() -> None:
    found = cards_of([*met("one", 0), *met("other", 40, opponent="another")])
    assert all(row.comparable for row in found.leaderboard)


def test_scripts_read_coverage_bounds_and_whether_a_row_may_be_compared(cards: Cards) -> None:
    found = {row["checkpoint"]: row for row in cards_json(cards)["leaderboard"]}
    told = {key: found["breaking"][key] for key in ("coverage", "bounds", "comparable")}
    assert told == {"coverage": 0.6, "bounds": {"low": 0.5, "high": 0.9}, "comparable": False}
    assert found["honest"]["bounds"] == {"low": 0.5, "high": 0.5}
    assert (found["honest"]["coverage"], found["honest"]["comparable"]) == (1.0, True)


def test_text_and_page_say_inconclusive_with_the_bounds_and_not_the_claimed_win_rate(cards: Cards) -> None:
    text = " ".join(judges_text(cards).split())
    remark = (
        "breaking against baseline is INCONCLUSIVE: gpt gave a verdict on 60.0% of its 200 pairs, on 100.0% of those of"
        " honest; with what failed it wins 50.0% to 90.0%, +0.0 to +40.0 points beside the other"
    )
    assert remark in text
    assert remark in judges_html(cards)
    for shown in (text, judges_html(cards)):
        assert "83.3" not in shown
        assert "honest against baseline is INCONCLUSIVE" not in shown
    assert max(map(len, judges_text(cards).splitlines())) <= 120


def test_a_checkpoint_without_any_verdict_is_no_row() -> None:
    silent = [
        judgment(f"s{k}", {"name": "gpt", "kind": "model"}, None, START + HOUR,
                 a={"checkpoint": "silent"}, b={"checkpoint": "baseline"})
        for k in range(5)
    ]  # fmt: skip
    assert set(rows_of(cards_of([*met("honest", 0), *silent]))) == {"honest"}
