"""Does planning say what the detector then does?"""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from consumers.store import EventStore
from monitor.planning.history import History, recall
from monitor.planning.loops import NothingToPlanWith, loop_of_numbers, loops_of_history
from monitor.planning.power import power
from monitor.planning.sight import Harm, Loop
from monitor.report.plan_text import power_text
from monitor.statistics.detector import BETS, COMPANION_FLOOR, DetectorState, advance, log_factors, mixture
from monitor.statistics.non_inferiority import labels_needed
from tests.end_to_end.command import reward_drift
from tests.monitor.events import EVER, in_memory, loop_events, put, settings

SUCCESS, SLOPE, RUNS = 0.7, 0.29, 400
ONE_DAY = settings(outcome={"horizon": "1d"})


def a_loop(labels: float, reference: int) -> Loop:
    loop, _ = loop_of_numbers(labels, SUCCESS, SLOPE, reference, ONE_DAY)
    return loop


def simulated_delays(loop: Loop, harm: Harm, days: int, seed: int) -> dict[str, np.ndarray]:
    """Days from the first day of the harm until each severity, horizon included, in runs of the detector itself.

    Units are drawn from a loop of thumbs and successes whose success falls for either thumb while more thumbs are up.
    """
    rng = np.random.default_rng(seed)
    liked, reward = 0.5 + harm.gain, np.array([0, 0, 1, 1])
    expected = SUCCESS - harm.drop + SLOPE * (reward - liked)
    outcome = np.array([0, 1, 0, 1])
    chances = np.where(reward, liked, 1 - liked) * np.where(outcome, expected, 1 - expected)
    counts = rng.multinomial(round(loop.labels_a_day), chances, size=(RUNS, days))
    factors = [log_factors(one.effects, np.array([loop.material_harm + one.conceded])) for one in loop.stakes]
    sums = np.stack([counts @ each for each in factors], axis=2)
    state, series = DetectorState.start(RUNS * len(factors)), len(factors)
    log_mass = np.tile(np.log([one.weight for one in loop.stakes]), RUNS)
    statistic, companion = np.empty((2, RUNS, days))
    for day in range(days):
        state = advance(state, sums[:, day].reshape(-1, BETS.size), log_mass)
        statistic[:, day] = np.logaddexp.reduce(mixture(state.restarting).reshape(RUNS, series), axis=1)
        companion[:, day] = mixture(state.companion).reshape(RUNS, series).max(axis=1)
    backed = companion >= np.log(COMPANION_FLOOR)
    crossed = {name: (statistic >= np.log(days)) & backed for name, days in loop.thresholds.items()}
    assert all(hit.any(axis=1).all() for hit in crossed.values())
    return {name: hit.argmax(axis=1) + 1 + loop.horizon_days for name, hit in crossed.items()}


@pytest.mark.parametrize(
    ("labels", "reference", "harm", "days"),
    [
        (100, 6000, Harm(0.04), 200),
        (100, 6000, Harm(0.04, 0.09), 80),
        (100, 6000, Harm(0.10), 40),
        (20, 2000, Harm(0.10), 150),
        (20, 2000, Harm(0.04, 0.09), 400),
        (500, 20_000, Harm(0.02), 300),
        (500, 20_000, Harm(0.10), 10),
        (2, 300, Harm(0.20, 0.40), 150),
    ],
)
def test_expected_delays_are_those_of_the_detector(labels: int, reference: int, harm: Harm, days: int) -> None:
    """Within a tenth (warning, page) or a sixth (ticket) or half a day, beside 3 errors of 1 to 3 % each."""
    loop = a_loop(labels, reference)
    simulated = simulated_delays(loop, harm, days, seed=7)
    for severity, delay in loop.delays(harm).items():
        mean, error = simulated[severity].mean(), simulated[severity].std() / np.sqrt(RUNS)
        off = max(mean * (1 / 6 if severity == "ticket" else 0.1), 0.5)
        assert abs(delay - mean) <= off + 3 * error, (severity, delay, mean, error)


def test_what_is_not_above_the_allowance_is_never_expected() -> None:
    loop = a_loop(100, 6000)
    assert loop.allowance() == pytest.approx(0.005 + 1.645 * 0.43 / 6000**0.5, abs=0.0005)
    assert all(math.isinf(day) for day in loop.delays(Harm(loop.allowance() - 0.001)).values())


def test_more_labels_a_larger_drop_a_larger_reference_and_a_lying_reward_are_each_seen_sooner() -> None:
    loop, harm = a_loop(100, 6000), Harm(0.04)
    plain = loop.delay("warning", harm)
    assert loop.delay("warning", harm, labels=2) < plain
    assert loop.delay("warning", Harm(0.05)) < plain
    assert loop.delay("warning", harm, reference=2) < plain
    assert loop.delay("warning", Harm(0.04, 0.09)) < plain
    assert loop.delay("ticket", harm) < plain < loop.delay("page", harm)


@pytest.mark.parametrize("within", [28, 56, 112])
def test_smallest_drop_and_labels_needed_are_the_delay_read_backwards(within: int) -> None:
    loop = a_loop(100, 6000)
    drop = loop.smallest_drop("warning", within, gain=0.0)
    assert drop is not None
    assert within * 0.97 <= loop.delay("warning", Harm(drop)) <= within
    labels = loop.labels_needed("warning", within, Harm(0.04))
    assert labels is not None
    assert within * 0.97 <= a_loop(labels, 6000).delay("warning", Harm(0.04)) <= within


def test_no_number_of_labels_shows_what_the_reference_hides() -> None:
    loop = a_loop(100, 200)
    assert loop.allowance() > 0.05
    assert loop.labels_needed("warning", 112, Harm(0.04)) is None


def test_a_thousand_more_reference_units_concede_less_and_the_sentence_says_how_much() -> None:
    plan = power(a_loop(100, 2000), {})
    assert plan.more is not None
    assert plan.more.units == 3000
    assert plan.more.allowance - 0.005 == pytest.approx((plan.allowance - 0.005) * (2 / 3) ** 0.5)
    assert f"from {100 * plan.allowance:.2f} to {100 * plan.more.allowance:.2f} points" in power_text("loop", plan)


def test_the_gate_asks_for_the_pairs_of_a_margin_test() -> None:
    plan = power(a_loop(100, 2000), {})
    three = next(row for row in plan.gate if row.margin == 0.03)
    assert three.labels == pytest.approx(labels_needed(0.03, (2 * 0.7 * 0.3) ** 0.5), rel=0.01)
    assert three.days == three.labels / 100
    assert [one.labels for one in three.judged] == sorted((one.labels for one in three.judged), reverse=True)


@pytest.fixture(scope="module")
def history() -> History:
    return recall(in_memory(loop_events(40, 20, per_day=60, seed=1)), settings(cohorts=["tier"]), EVER)


def test_a_history_is_planned_with_its_own_traffic_and_allowance(history: History) -> None:
    """60 labels a day, 20 days of reference, success .7, slope .3; half of the traffic in each tier."""
    loops, _ = loops_of_history(history)
    whole = loops[""]
    assert set(loops) == {"", "tier=a", "tier=b"}
    assert whole.labels_a_day == pytest.approx(60, rel=0.05)
    assert whole.reference == history.memory.baseline.labelled
    assert abs(whole.success - 0.7) < 3 * (0.21 / 1200) ** 0.5
    assert abs(whole.slope - 0.3) < 3 * (0.2 / 0.24 / 1200) ** 0.5
    assert loops["tier=a"].labels_a_day + loops["tier=b"].labels_a_day == pytest.approx(whole.labels_a_day, rel=0.01)
    assert loops["tier=a"].allowance() > whole.allowance()


def test_numbers_of_a_history_plan_nearly_what_the_history_does(history: History) -> None:
    measured = loops_of_history(history)[0][""]
    assumed, _ = loop_of_numbers(
        measured.labels_a_day, measured.success, measured.slope, measured.reference, history.settings
    )
    for severity in measured.thresholds:
        found, expected = (loop.delay(severity, Harm(0.08)) for loop in (measured, assumed))
        assert abs(found - expected) < 0.15 * expected


def test_an_outcome_at_its_floor_has_no_drop_to_plan_for(history: History) -> None:
    whole = loops_of_history(history)[0][""]
    stakes = [dataclasses.replace(one, outcomes=np.zeros(one.outcomes.size)) for one in whole.stakes]
    floor = dataclasses.replace(whole, success=0.0, stakes=stakes)
    told = power_text("loop", power(floor, {}))
    assert "no outcome is left that could fall" in told
    assert "Labelled pairs" in told


@pytest.mark.parametrize(
    ("labels", "success", "slope", "reference"), [(100, 0.95, 0.3, 100), (100, 1.0, 0.0, 100), (0, 0.5, 0.1, 100)]
)
def test_numbers_of_no_loop_are_refused(labels: float, success: float, slope: float, reference: int) -> None:
    with pytest.raises(NothingToPlanWith, match=r"^--(success|labels-per-day)"):
        loop_of_numbers(labels, success, slope, reference, ONE_DAY)


NUMBERS = ("--labels-per-day", 100, "--success", 0.7, "--slope", 0.29, "--reference", 6000)


def test_the_command_prints_the_tables_and_the_same_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no settings file
    plain, asked = reward_drift("power", *NUMBERS), reward_drift("power", *NUMBERS, "--json")
    assert (plain.code, asked.code) == (0, 0)
    assert max(map(len, plain.out.splitlines())) <= 120
    row = next(
        row for row in asked.json["delays"] if row["labels_a_day"] == 100 and row["harm"] == {"drop": 0.04, "gain": 0.0}
    )
    shown = " / ".join(f"{days:.0f}" for days in row["days"].values())
    assert shown in next(line for line in plain.out.splitlines() if line.lstrip().startswith("100 "))
    assert json.dumps(asked.json["loop"]).count("stakes") == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (NUMBERS[:4], "--slope, --reference missing"),
        ((*NUMBERS, "events.jsonl"), "files or a store given too"),
        ((*NUMBERS, "-s", "none.yaml"), "none.yaml: no such file; `reward-drift init`"),
        (("--success", 1.5, *NUMBERS[:2], *NUMBERS[4:]), "--success 1.5"),
    ],
)
def test_what_cannot_be_planned_for_is_a_usage_fault(
    arguments: tuple[object, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = reward_drift("power", *arguments)
    assert ran.code == 2
    assert told in ran.err


def test_a_store_is_planned_from_and_not_written(tmp_path: Path) -> None:
    path, yaml = tmp_path / "store.sqlite", tmp_path / "settings.yaml"
    yaml.write_text("outcome: {metric: task_success, horizon: 2d}\nunit: response\n")
    with EventStore.open(path) as store:
        put(store, loop_events(16, 8, per_day=40))
    before = path.read_bytes()
    ran = reward_drift("power", "--store", path, "-s", yaml, "--json")
    assert ran.code == 0
    assert ran.json["loop"]["reference"] == 320
    assert path.read_bytes() == before
