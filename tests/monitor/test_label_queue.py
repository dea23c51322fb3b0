"""Are labels asked for where they say most, with known chances, and do they come back as events?"""

import csv
import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.importers.table import import_table
from consumers.store import EventStore
from judges.emitted import store_events
from judges.preference import read_preferences
from monitor.labels.label_queue import mapping_of, next_labels, write_queue
from monitor.production.items import load_items, microseconds
from monitor.statistics.label_draw import draw_chances, systematic_draw, weighted_share
from monitor.statistics.prediction_powered import weighted_mean
from monitor.statistics.shares import share_interval
from tests.end_to_end.command import reward_drift
from tests.monitor.events import DAY, START, Event, event, in_memory, outcome, response, settings, thumbs

JUDGES = settings(judges={"watched": ["judge"], "teacher": "big", "human": "human"}, cohorts=["tier"])
AS_OF = START + 40 * DAY


def judged(number: int, judge: str, choice: str, *, day: int = 35, kind: str = "model") -> Event:
    sides = {side: {"checkpoint": f"m-{side}", "text": f"answer {side} to {number}"} for side in "ab"}
    told = {"pair_id": f"x{number}", "judge": {"name": judge, "kind": kind}, "choice": choice, **sides}
    return event("preference", START + day * DAY + dt.timedelta(seconds=number), told)


def judgments(pairs: int = 90) -> list[Event]:
    """Pairs of which every third is disputed between judge and teacher, every tenth is old, five have labels."""
    events = [judged(n, "judge", "a", day=3 if n % 10 == 0 else 35) for n in range(pairs)]
    events += [judged(n, "big", "b" if n % 3 == 0 else "a", kind="teacher") for n in range(pairs)]
    return events + [judged(n, "human", "a", kind="human") for n in range(5)]


def queue(
    events: list[Event], count: int = 30, what: str = "pairs", seed: int = 0
) -> tuple[EventStore, list[dict[str, Any]]]:
    store = in_memory(events)
    return store, next_labels(store.engine, JUDGES, AS_OF, what, count, seed)


def test_only_pairs_without_a_person_are_asked_for_with_words_chance_and_reason() -> None:
    _, rows = queue(judgments(120))
    assert len(rows) == 30
    assert not {f"x{n}" for n in range(5)} & {row["item_id"] for row in rows}
    assert all(0 < row["propensity"] <= 1 and row["label"] == "" for row in rows)
    disputed = [row for row in rows if "judge and teacher differ" in row["why"]]
    assert 8 <= len(disputed) <= 12  # a third of them, spread by stratum
    number = rows[0]["item_id"].removeprefix("x")
    assert (rows[0]["a"], rows[0]["b"]) == (f"answer a to {number}", f"answer b to {number}")


def test_a_verdict_never_changes_a_chance_and_age_does() -> None:
    _, rows = queue(judgments())
    chances = {(("older" in row["why"]), row["propensity"]) for row in rows}
    assert len({chance for _, chance in chances}) == len(chances) == 2
    assert max(c for old, c in chances if old) < min(c for old, c in chances if not old)


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    store, rows = queue(judgments())
    assert next_labels(store.engine, JUDGES, AS_OF, "pairs", 30, 0) == rows
    assert next_labels(store.engine, JUDGES, AS_OF, "pairs", 30, 1) != rows


def test_a_queue_of_more_than_there_are_holds_all() -> None:
    _, rows = queue(judgments(20), count=500)
    assert len(rows) == 15
    assert {row["propensity"] for row in rows} == {1.0}


def test_no_answer_is_a_formula_of_whoever_opens_the_queue(tmp_path: Path) -> None:
    told = {"item_id": "-1", "prompt": "=cmd()", "answer": "+1; @x", "label": "", "why": "tier==a"}
    write_queue([told], tmp_path / "queue.csv")
    with (tmp_path / "queue.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {**told, "prompt": "'=cmd()", "answer": "'+1;' @x"}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_labels_come_back_as_what_people_said_and_only_once(tmp_path: Path, suffix: str) -> None:
    store, rows = queue(judgments())
    path, mapping = tmp_path / f"queue{suffix}", tmp_path / "mapping.yaml"
    filled = [{**row, "label": "b", "annotator": "ann"} if place < 10 else row for place, row in enumerate(rows)]
    write_queue(filled, path)
    mapping.write_text(mapping_of("pairs", JUDGES))
    problems: list[Any] = []
    for run in range(2):
        done = store_events(store, "/label-queue", import_table(path, mapping, problems.append))
        assert (done.accepted, done.rejected) == ((10, 0) if run == 0 else (0, 0))
    assert not problems
    said = read_preferences(store.engine, JUDGES.judges, microseconds(AS_OF + DAY)).pairs.set_index("pair_id")
    assert (said.loc[[row["item_id"] for row in filled[:10]], "human"] == -1).all()
    left = {row["item_id"] for row in next_labels(store.engine, JUDGES, AS_OF + DAY, "pairs", 500, 0)}
    assert left == {f"x{n}" for n in range(5, 90)} - {row["item_id"] for row in filled[:10]}


def answers() -> list[Event]:
    """Answers of a month, with outcomes only of the first days; unhappy users fail half the time, happy ones never."""
    rng, events = np.random.default_rng(0), []
    for number in range(400):
        at, happy = START + (number // 10) * DAY, number % 2
        events += [
            response(f"r{number}", at, prompt="How?", response=f"So {number}.", cohort={"tier": "ab"[number % 4 > 1]}),
            thumbs(f"r{number}", at, happy, f"u{number}"),
        ]
        if number < 300:
            events.append(outcome(at + DAY, bool(happy or rng.random() < 0.5), response_id=f"r{number}"))
    return events


def test_answers_are_asked_for_while_an_outcome_still_counts_and_more_where_it_is_unsure(tmp_path: Path) -> None:
    store, rows = queue(answers(), 8, "responses")
    known = {f"r{n}" for n in range(380, 400)}
    assert {row["item_id"] for row in rows} <= known
    assert all(row["answer"] == f"So {row['item_id'][1:]}." for row in rows)
    unsure = {row["propensity"] for row in rows if "a low reward" in row["why"]}
    sure = {row["propensity"] for row in rows if "a high reward" in row["why"]}
    assert min(unsure) > max(sure)
    assert min(sure) >= 8 / 20 * 0.5 - 1e-9  # the floor
    path, mapping = tmp_path / "queue.csv", tmp_path / "mapping.yaml"
    write_queue([{**row, "label": 1} for row in rows], path)
    mapping.write_text(mapping_of("responses", JUDGES))
    assert store_events(store, "/label-queue", import_table(path, mapping)).accepted == 8
    frame = load_items(store.engine, JUDGES, AS_OF + 10 * DAY).frame.set_index("response_id")
    for row in rows:
        assert frame.loc[row["item_id"], "propensity"] == pytest.approx(row["propensity"])
        assert frame.loc[row["item_id"], "outcome"] == 1


def test_the_command_writes_queue_and_mapping_and_never_over_labels(tmp_path: Path) -> None:
    events, store, chosen = tmp_path / "e.jsonl", tmp_path / "s.sqlite", tmp_path / "r.yaml"
    events.write_text("".join(json.dumps(one) + "\n" for one in judgments()))
    chosen.write_text("outcome: {metric: solved}\njudges: {watched: [judge], teacher: big}\n")
    assert reward_drift("ingest", events, "--store", store).code == 0
    asked = ("label-queue", "--store", store, "-s", chosen, "-n", 12, "-o")
    path = tmp_path / "queue.csv"
    assert reward_drift(*asked, path).code == 0
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert list(rows[0]) == ["item_id", "prompt", "a", "b", "label", "annotator", "labelled_at", "propensity", "why"]
    again = reward_drift(*asked, path)
    assert (again.code, "--force" in again.err) == (2, True)
    told = tmp_path / "labels.jsonl"
    path.write_text(path.read_text().replace(",,,20", ",tie,ann,20"))
    assert reward_drift("import", path, "--mapping", f"{path}.mapping.yaml", "-o", told).code == 0
    assert len(told.read_text().splitlines()) == 12
    assert reward_drift(*asked, tmp_path / "queue.txt").code == 2
    assert "no responses without a label" in reward_drift(*asked, tmp_path / "q.csv", "--items", "responses").err


WORTH = st.lists(st.floats(0, 10), min_size=1, max_size=40)


@given(WORTH, st.integers(1, 50), st.floats(0.01, 1))
def test_chances_sum_to_the_labels_and_keep_their_floor(worth: list[float], count: int, floor: float) -> None:
    chances = draw_chances(np.array(worth), count, floor)
    assert chances.sum() == pytest.approx(min(count, len(worth)))
    assert (chances <= 1 + 1e-12).all()
    assert (chances >= min(floor * count / len(worth), 1) - 1e-9).all()


@given(WORTH, st.integers(1, 20), st.floats(0, 0.999), st.randoms(use_true_random=False))
def test_a_draw_holds_so_many_items_and_none_twice(worth: list[float], count: int, start: float, lot: Any) -> None:
    order = np.array(lot.sample(range(len(worth)), len(worth)), np.int64)
    drawn = systematic_draw(draw_chances(np.array(worth), count, 0.5), order, start)
    assert len(set(drawn.tolist())) == len(drawn) == min(count, len(worth))


@pytest.mark.parametrize("start", [-0.1, 1.0, float("nan")])
def test_a_start_outside_its_range_is_refused(start: float) -> None:
    with pytest.raises(ValueError, match="start"):
        systematic_draw(np.ones(3), np.arange(3), start)


@pytest.mark.parametrize(
    ("worth", "count", "floor"), [([-1.0], 1, 0.5), ([1.0], 0, 0.5), ([1.0], 1, 0.0), ([np.nan], 1, 1)]
)
def test_worths_that_make_no_sense_are_refused(worth: list[float], count: int, floor: float) -> None:
    with pytest.raises(ValueError, match="need worths"):
        draw_chances(np.array(worth), count, floor)


def test_two_hundred_labels_of_a_queue_say_more_than_two_hundred_at_random_and_stay_valid() -> None:
    """Agreement of a judge, 3,000 pairs, 250 runs, nominal .95: Monte Carlo error .014 of coverage, .0002 of width."""
    rng, runs, n = np.random.default_rng(0), 250, 200
    missed, width = np.zeros(2), np.zeros(2)
    for _ in range(runs):
        with_teacher, settled = rng.random(3000) < 0.7, rng.random(3000) < 0.75
        chance = np.where(with_teacher, np.where(settled, 0.93, 0.6), np.where(settled, 0.5, 0.3))
        agrees, cell = (rng.random(3000) < chance).astype(float), 2 * with_teacher + settled
        _, low, high = share_interval(int(agrees[rng.choice(3000, n, replace=False)].sum()), n)
        chances = draw_chances(np.ones(3000), n, 0.5)
        drawn = systematic_draw(chances, np.lexsort((rng.random(3000), cell)), rng.random())
        drawn = rng.permutation(drawn)
        kinds = np.eye(4)[cell][:, 1:]
        found = weighted_mean(agrees[drawn], kinds[drawn], chances[drawn], kinds).bounds()
        truth = agrees.mean()
        missed += [not low <= truth <= high, not found.low <= truth <= found.high]
        width += [(high - low) / runs, (found.high - found.low) / runs]
    assert (missed / runs <= 0.05 + 3 * 0.014).all()
    assert width[1] < 0.94 * width[0]  # measured: .111 against .122


def test_capture_is_told_more_narrowly_from_a_queue_and_stays_valid() -> None:
    """Share of verdicts with the teacher where people differ from it; 250 runs of 200 labels of 3,000 pairs."""
    rng, runs, n = np.random.default_rng(0), 250, 200
    missed, width = np.zeros(2), np.zeros(2)
    for _ in range(runs):
        with_teacher, unsure = rng.random(3000) < 0.7, rng.random(3000) < 0.5
        chance = np.where(with_teacher, np.where(unsure, 0.3, 0.08), np.where(unsure, 0.8, 0.55))
        differs, cell = rng.random(3000) < chance, 2 * with_teacher + unsure
        truth = float(with_teacher[differs].mean())
        some = rng.choice(3000, n, replace=False)
        some = some[differs[some]]
        _, low, high = share_interval(int(with_teacher[some].sum()), some.size)
        chances, kinds = draw_chances(np.ones(3000), n, 0.5), np.eye(4)[cell][:, 1:]
        drawn = rng.permutation(systematic_draw(chances, np.lexsort((rng.random(3000), cell)), rng.random()))
        counted = differs[drawn].astype(float)
        found = weighted_share(counted * with_teacher[drawn], counted, kinds[drawn], chances[drawn], kinds)
        missed += [not low <= truth <= high, not found[1] <= truth <= found[2]]
        width += [(high - low) / runs, (found[2] - found[1]) / runs]
    assert (missed / runs <= 0.05 + 3 * 0.014).all()
    assert width[1] < 0.88 * width[0]  # measured: .191 against .227


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no labelled item counts"):
        weighted_share(np.zeros(20), np.zeros(20), np.zeros(20), np.ones(20), np.zeros(30))
