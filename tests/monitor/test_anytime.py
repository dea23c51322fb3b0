import numpy as np
import pytest

from monitor.statistics.anytime import gate_path
from tests.benchmarks.interval_table import MARGIN, anytime_paths, crossed, known_mean_paths, paired

NONE = np.zeros(0)


@pytest.mark.parametrize(("correlation", "ratio"), [(0.0, 1), (0.7, 1), (0.7, 4)])
def test_looking_after_every_label_keeps_both_errors(correlation: float, ratio: int) -> None:
    path = anytime_paths(MARGIN, correlation, planned=1500, ratio=ratio, runs=400)
    for evidence in (path.go, path.no_go):
        assert crossed(evidence)[0] <= 0.05 + 2 * 0.011  # Monte Carlo error .011


def test_rare_discordance_keeps_both_errors() -> None:
    drawn = np.random.default_rng(1).random((1000, 600))
    effect = np.where(drawn < 0.05, 1.0, np.where(drawn < 0.07, -1.0, 0.0))  # mean 3 pt
    path = gate_path(effect, np.zeros_like(effect), np.zeros((1000, 0)), 600, MARGIN)
    assert max(crossed(path.go)[0], crossed(path.no_go)[0]) <= 0.05 + 2 * 0.007  # Monte Carlo error .007


def test_a_judge_whose_mean_is_badly_known_keeps_both_errors_where_an_estimated_mean_would_not() -> None:
    path = anytime_paths(MARGIN, 0.95, planned=800, ratio=1, runs=600)
    assert max(crossed(path.go)[0], crossed(path.no_go)[0]) <= 0.05 + 2 * 0.009  # Monte Carlo error .009
    assert crossed(known_mean_paths(MARGIN, 0.95, 800, 1, 600, seed=0, less_favourable=False).go)[0] > 0.07


def test_evidence_has_mean_at_most_one_at_the_margin() -> None:
    path = anytime_paths(MARGIN, 0.7, planned=100, ratio=2, runs=4000)
    for evidence in (np.exp(path.go[:, -1]), np.exp(path.no_go[:, -1])):
        assert evidence.mean() <= 1 + 3 * evidence.std() / np.sqrt(4000)


def test_a_good_candidate_goes_and_a_harmful_one_does_not() -> None:
    good = anytime_paths(-0.02, 0.7, planned=1500, ratio=2, runs=100)
    share, labels = crossed(good.go)
    assert share > 0.98
    assert labels < 550  # a fixed design plans 748 labels for a power of .80 against an equal candidate
    harmful = anytime_paths(0.08, 0.7, planned=1500, ratio=2, runs=100)
    assert crossed(harmful.no_go)[0] > 0.95
    assert crossed(harmful.go)[0] == 0


def test_a_judge_saves_labels_even_with_few_unlabelled_prompts() -> None:
    alone = crossed(anytime_paths(0.0, 0.0, planned=2000, ratio=1, runs=100).go)[1]
    judged = crossed(anytime_paths(0.0, 0.7, planned=2000, ratio=2, runs=100).go)[1]
    assert judged < 0.8 * alone


def test_more_labels_leave_the_path_as_it_was() -> None:
    rng = np.random.default_rng(2)
    effect, judged = paired(0.0, 0.7, rng, 300)
    _, unlabelled = paired(0.0, 0.7, rng, 900)
    whole = gate_path(effect, judged, unlabelled, 300, MARGIN)
    for n in (0, 1, 25, 299):
        part = gate_path(effect[:n], judged[:n], unlabelled, 300, MARGIN)
        assert part.go == pytest.approx(whole.go[:n])
        assert part.no_go == pytest.approx(whole.no_go[:n])


def test_labels_beyond_the_plan_go_without_the_judge() -> None:
    effect, judged = paired(0.0, 0.9, np.random.default_rng(3), 400)
    longer = gate_path(effect, judged, np.zeros(300), 300, MARGIN)
    alone = gate_path(effect, np.zeros(400), NONE, 300, MARGIN)
    assert np.diff(longer.go[300:]).shape == (99,)
    assert np.isfinite(longer.go).all()
    assert longer.go[:20] == pytest.approx(alone.go[:20])  # the judge has no weight yet


def test_without_unlabelled_prompts_or_with_a_constant_judge_only_labels_count() -> None:
    effect, judged = paired(0.0, 0.7, np.random.default_rng(4), 200)
    alone = gate_path(effect, np.zeros(200), NONE, 200, MARGIN)
    assert gate_path(effect, judged, NONE, 200, MARGIN).go == pytest.approx(alone.go)
    assert gate_path(effect, np.full(200, 0.4), np.full(400, 0.4), 200, MARGIN).go == pytest.approx(alone.go)


def test_no_label_and_ties_are_inconclusive() -> None:
    assert gate_path(NONE, NONE, NONE, 10, MARGIN).decision() == ("INCONCLUSIVE", 0)
    assert gate_path(np.zeros(1), np.zeros(1), NONE, 10, MARGIN).decision() == ("INCONCLUSIVE", 1)
    assert gate_path(np.zeros(50), np.zeros(50), NONE, 50, MARGIN).decision()[0] == "INCONCLUSIVE"


def test_the_decision_is_the_first_crossing() -> None:
    worse = gate_path(np.full(80, 0.5), np.zeros(80), NONE, 80, MARGIN)
    decision, labels = worse.decision()
    assert decision == "NO-GO"
    assert worse.no_go[labels - 1] >= np.log(20) > worse.no_go[labels - 2]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1.01, -1.01])
def test_broken_effects_are_refused(wrong: float) -> None:
    fine, broken = np.zeros(3), np.array([0.0, wrong, 0.0])
    for parts in ((broken, fine, fine), (fine, broken, fine), (fine, fine, broken)):
        with pytest.raises(ValueError, match=r"\[-1, 1\]"):
            gate_path(*parts, 3, MARGIN)


def test_shapes_plans_margins_and_levels_are_checked() -> None:
    for parts in (
        (np.zeros(3), np.zeros(2), NONE, 3, 0.03),
        (np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((1, 3)), 3, 0.03),
        (np.zeros(3), np.zeros(3), NONE, 0, 0.03),
        (np.zeros(3), np.zeros(3), NONE, 3, 1.0),
        (np.zeros(3), np.zeros(3), NONE, 3, np.nan),
    ):
        with pytest.raises(ValueError, match="need"):
            gate_path(*parts)
    with pytest.raises(ValueError, match="alpha"):
        gate_path(np.zeros(3), np.zeros(3), NONE, 3, MARGIN).decision(0.0)
