"""B1 to B4 on a world with known judges: what each score fires on, and what it is blind to."""

import numpy as np
import pytest

from monitor.statistics.cell_means import fit_cell_means
from monitor.statistics.intervals import mean_interval
from monitor.statistics.judge_scores import (
    Captures,
    credit,
    cue_bias,
    cue_cells,
    cue_scale,
    cue_strength,
    first_chosen,
    first_place_pull,
    human_disagreement,
    order_flips,
    teacher_agreement,
    teacher_capture,
    teacher_captures,
)

ONE = np.array([1])


def anchors(rng: np.random.Generator, n: int, right: float, taught: float) -> tuple[np.ndarray, ...]:
    """Judge, person and teacher. Person and teacher agree on 65%; the judge takes the common side with `right`, and
    the teacher's with `taught` where they differ."""
    human = rng.choice([1, -1], n)
    teacher = np.where(rng.random(n) < 0.65, human, -human)
    draw = rng.random(n)
    judge = np.where(human == teacher, np.where(draw < right, human, -human), np.where(draw < taught, teacher, human))
    return judge, human, teacher


def means(effects: np.ndarray) -> tuple[float, float, float]:
    return mean_interval(effects.size, effects.sum(), (effects**2).sum())


def test_capture_is_seen_by_b1_and_hidden_from_agreement() -> None:
    rng = np.random.default_rng(1)
    before, after = anchors(rng, 20_000, 0.81, 0.27), anchors(rng, 20_000, 0.87, 0.35)
    expected = np.array([teacher_captures(*before).taken.mean()])
    assert means(teacher_capture(teacher_captures(*after), expected))[1] > 0.05
    agreed = np.array([credit(*before[:2]).mean()])
    assert abs(human_disagreement(*after[:2], agreed).mean()) < 0.02  # capture offset by easier anchors


def test_a_judge_that_turns_to_noise_is_seen_by_b2() -> None:
    rng = np.random.default_rng(2)
    before, after = anchors(rng, 5000, 0.85, 0.3), anchors(rng, 5000, 0.7, 0.3)
    agreed = np.array([credit(*before[:2]).mean()])
    assert means(human_disagreement(*after[:2], agreed))[1] > 0.05
    assert teacher_agreement(after[0], after[2], np.array([credit(before[0], before[2]).mean()])).mean() < -0.05


def test_a_better_judge_fires_nothing() -> None:
    rng = np.random.default_rng(3)
    before, after = anchors(rng, 5000, 0.8, 0.3), anchors(rng, 5000, 0.9, 0.15)
    assert human_disagreement(*after[:2], np.array([credit(*before[:2]).mean()])).mean() < 0
    assert teacher_capture(teacher_captures(*after), np.array([teacher_captures(*before).taken.mean()])).mean() < 0


def test_easier_anchors_do_not_move_b2_when_difficulty_is_known() -> None:
    rng, chances, means_of = np.random.default_rng(4), np.array([0.9, 0.6]), []
    for hard in (0.7, 0.2):
        difficulty = (rng.random(20_000) < hard).astype(int)
        human = rng.choice([1, -1], 20_000)
        means_of.append((np.where(rng.random(20_000) < chances[difficulty], human, -human), human, difficulty))
    (judge, human, difficulty), (later, people, easier) = means_of
    expected = fit_cell_means(credit(judge, human), difficulty).expected(easier)
    assert abs(human_disagreement(later, people, expected).mean()) < 0.01
    assert human_disagreement(later, people, credit(judge, human).mean(keepdims=True)).mean() < -0.1


def lengthy(rng: np.random.Generator, n: int, pull: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Judge, person and length difference: the person likes longer answers too; the judge more by `pull`."""
    longer = rng.normal(0, 300, n)
    human = np.where(rng.random(n) < 1 / (1 + np.exp(-longer / 300)), 1, -1)
    judge = np.where(rng.random(n) < 1 / (1 + np.exp(-1.5 * human - (0.3 + pull) * longer / 300)), 1, -1)
    return judge, human, longer


@pytest.mark.parametrize(("pull", "fires"), [(0.0, False), (0.6, True), (-0.3, False)])
def test_cue_bias_fires_when_the_verdict_loads_on_length_more_than_before(pull: float, fires: bool) -> None:
    rng = np.random.default_rng(5)
    judge, human, longer = lengthy(rng, 40_000, 0.0)
    scale = cue_scale(longer)
    reference = fit_cell_means(first_chosen(judge), cue_cells(human, cue_strength(longer, scale)))
    judge, human, longer = lengthy(rng, 8000, pull)
    strength = cue_strength(longer, scale)
    effects = cue_bias(judge, strength, reference.expected(cue_cells(human, strength)))
    assert (means(effects)[1] > 0.01) == fires
    assert abs(effects).max() <= 1


def test_trading_places_leaves_cue_bias_as_it_is() -> None:
    judge, human, longer = lengthy(np.random.default_rng(6), 500, 0.5)
    scale, half = cue_scale(longer), np.array([0.5])
    assert cue_scale(-longer) == scale
    kept, turned = (cue_bias(sign * judge, cue_strength(sign * longer, scale), half) for sign in (1, -1))
    np.testing.assert_allclose(kept, turned)
    assert set(cue_cells(human, cue_strength(longer, scale))) <= set(range(15))


@pytest.mark.parametrize(("pull", "first"), [(0.0, 0.5), (0.3, 0.65), (-0.3, 0.35)])
def test_order_bias_is_measured_with_its_sign(pull: float, first: float) -> None:
    rng, n = np.random.default_rng(7), 40_000
    quality, half = rng.random(n), np.array([0.5])
    shown_ab = np.where(quality < 0.5 + pull / 2, 1, -1)
    shown_ba = np.where(quality < 0.5 - pull / 2, 1, -1)
    assert first_place_pull(shown_ab, shown_ba, half).mean() == pytest.approx(first - 0.5, abs=0.01)
    assert order_flips(shown_ab, shown_ba, np.zeros(1)).mean() == pytest.approx(abs(pull), abs=0.01)


@pytest.mark.parametrize("chance", [0.3, 0.5])
def test_the_mean_of_b1_is_covered(chance: float) -> None:
    rng, held = np.random.default_rng(8), []
    for _ in range(800):
        judge, human, teacher = anchors(rng, 400, 0.8, chance)
        _, low, high = means(teacher_capture(teacher_captures(judge, human, teacher), np.array([0.25])))
        held.append(low <= chance - 0.25 <= high)
    assert abs(np.mean(held) - 0.95) < 3 * 0.0077  # Monte Carlo error


def test_ties_are_dropped_and_counted_and_nobody_differing_leaves_nothing() -> None:
    found = teacher_captures(np.zeros(5, int), np.ones(5, int), -np.ones(5, int))
    assert (found.taken.size, found.ties) == (0, 5)
    same = teacher_captures(ONE, ONE, ONE)
    assert (same.taken.size, same.ties) == (0, 0)
    assert teacher_capture(same, np.array([0.3])).size == 0


@pytest.mark.parametrize("broken", [np.nan, -0.1, 1.1])
def test_expectations_off_the_scale_are_refused(broken: float) -> None:
    expected = np.array([broken])
    for score in (human_disagreement, teacher_agreement, order_flips, first_place_pull):
        with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
            score(ONE, ONE, expected)
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        cue_bias(ONE, np.array([0.5]), expected)
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        teacher_capture(Captures(np.ones(1), np.zeros(1, np.intp), 0), expected)


@pytest.mark.parametrize("codes", [np.array([2]), np.array([np.nan]), np.zeros(0, int)])
def test_other_codes_and_nothing_are_refused(codes: np.ndarray) -> None:
    for call in (
        lambda: credit(codes, codes),
        lambda: first_chosen(codes),
        lambda: teacher_captures(codes, codes, codes),
        lambda: cue_cells(codes, np.zeros(codes.size)),
        lambda: order_flips(codes, codes, np.array([0.5])),
    ):
        with pytest.raises(ValueError, match=r"verdicts must be|non-empty"):
            call()


def test_cues_without_a_scale_are_refused() -> None:
    for difference in (np.zeros(0), np.zeros(4), np.array([np.nan, 1.0])):
        with pytest.raises(ValueError, match="finite differences"):
            cue_scale(difference)
    for scale in (0.0, np.nan, -1.0):
        with pytest.raises(ValueError, match="positive scale"):
            cue_strength(np.ones(2), scale)
    with pytest.raises(ValueError, match="strength of a cue"):
        cue_bias(ONE, np.array([np.nan]), np.array([0.5]))
    with pytest.raises(ValueError, match="strength of a cue"):
        cue_cells(ONE, np.array([np.nan]))
