"""What do outcomes that two sources told of one item say of label noise? From the events on."""

from collections.abc import Iterator

import numpy as np
import pytest

from monitor.check import Finding, Verdict
from monitor.detection.tick import look
from monitor.production.items import load_items
from tests.monitor.events import DAY, HOUR, START, Event, in_memory, loop_events, outcome, response, settings
from tests.monitor.live import live, told

WORLD = {"days": 30, "reference_days": 10, "per_day": 40}
AS_OF = START + 33 * DAY


def labelled_twice(flips: float, share: float = 0.25) -> Iterator[Event]:
    """The small loop in which a share of outcomes is told again by others; each label is wrong with chance `flips`."""
    rng = np.random.default_rng(3)
    for one in loop_events(**WORLD):
        if "outcome" not in one["type"]:
            yield one
            continue
        truth = one["data"]["value"]
        again = {**one, "id": one["id"] + "-again", "source": "/others", "data": dict(one["data"])}
        for label in (one, again):
            label["data"]["value"] = bool(truth ^ (rng.random() < flips))
        yield one
        if rng.random() < share:
            yield again


def noise(events: Iterator[Event]) -> Finding:
    report = look(in_memory(events), settings(), AS_OF).report
    assert "label_noise" not in {alert.check for alert in report.alerts}
    return next(finding for finding in report.findings if finding.check == "label_noise")


@pytest.mark.parametrize(("flips", "verdict"), [(0.02, Verdict.PASS), (0.25, Verdict.FAIL)])
def test_the_flip_rate_is_found_and_what_it_hides_is_told(flips: float, verdict: Verdict) -> None:
    finding = noise(labelled_twice(flips))
    assert finding.verdict is verdict
    assert finding.effect.low is not None
    assert finding.effect.low <= flips <= (finding.effect.high or 0.0)
    assert finding.n == pytest.approx(200, abs=40)
    assert "of every effect, and a change takes" in finding.message
    assert "items labelled twice in 28 days" in finding.message


def test_few_items_labelled_twice_are_inconclusive_and_say_how_many_are_needed() -> None:
    finding = noise(labelled_twice(0.25, share=0.02))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert 0 < finding.n < 50
    assert "of 50 that are needed" in finding.message
    assert finding.effect.value is None


def test_a_source_that_speaks_again_corrects_itself() -> None:
    corrected = (
        one
        for told_once in labelled_twice(0.25, share=0.0)
        for one in (
            told_once,
            *([{**told_once, "id": told_once["id"] + "-later"}] if "outcome" in told_once["type"] else []),
        )
    )
    assert noise(corrected).n == 0


def test_the_second_label_is_the_latest_of_another_source_in_time() -> None:
    def label(hours: int, value: bool, source: str) -> Event:
        return {**outcome(START + hours * HOUR, value, response_id="a"), "source": source}

    events = [
        response("a", START),
        label(1, False, "/ann"),
        label(2, True, "/ann"),
        label(3, False, "/ben"),
        label(4, True, "/ben"),
        label(99, False, "/ann"),  # after the horizon of two days
        response("b", START),
        outcome(START, True, response_id="b"),
    ]
    for order in (1, -1):
        frame = load_items(in_memory(events[::order]).engine, settings(), AS_OF).frame.set_index("response_id")
        assert frame.loc["a", ["outcome", "second"]].tolist() == [1.0, 1.0]
        assert np.isnan(frame.loc["b", "second"])


def test_ticking_tells_the_same_noise_as_one_look() -> None:
    store, chosen = in_memory(), settings(cohorts=["tier"])
    ticked = live(store, chosen, labelled_twice(0.1), every=15)
    whole = look(store, chosen, ticked.as_of).report
    assert told(ticked.alerts) == told(whole.alerts)
    mine, theirs = ([f for f in report.findings if f.check == "label_noise"] for report in (ticked, whole))
    assert mine == theirs
    assert mine[0].n > 50
