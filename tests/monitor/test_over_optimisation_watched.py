"""Does the monitor see that the checkpoint in service is past the peak, and say nothing before it?"""

import numpy as np
import pytest

from consumers.store import EventStore
from monitor.check import Finding, Verdict
from monitor.detection.state import MonitorState
from monitor.detection.tick import look
from monitor.oncall.alerts import Crossing, Episode
from monitor.production.curve import Point, Reading
from monitor.production.items import EPOCH
from monitor.result import Alert, Report
from monitor.statistics.past_peak import PastPeak
from monitor.telling.curve_alerts import curve_finding
from tests.monitor.events import DAY, START, Event, event, in_memory, put, settings
from tests.monitor.live import live, tick_at, told
from tests.monitor.peaked_loop import peaked_events
from tests.worlds import DAYS, FIRST_DAY, REFERENCE_DAYS, World, items, watch

PEAK, RISE = 2.5, 0.15  # D and outcome of the peak, above the start
AS_OF = START + 29 * DAY


def best_of_n(distance: np.ndarray) -> np.ndarray:
    return RISE * (1 - (distance / PEAK - 1) ** 2)


def saturating(distance: np.ndarray) -> np.ndarray:
    """It rises and then stays: an honest loop that has nothing left to learn."""
    return RISE * (1 - np.exp(-distance / 0.7))


SHAPES = {"best of n": best_of_n, "saturating": saturating, "nothing": lambda distance: 0 * distance}


def watched(shape: str, reach: float, seed: int = 0, told_in: str = "kl_nats") -> tuple[Finding, list[Alert]]:
    """Twelve checkpoints of 1,400 outcomes spread evenly to D = `reach`: the last finding and the curve's alerts."""
    rng = np.random.default_rng((seed, 1))  # not the stream that made the world
    frame = items(World(), seed)
    distance = frame["checkpoint"].str[-2:].astype(int).to_numpy() / 12 * reach
    frame["outcome"] = (rng.random(len(frame)) < 0.55 + SHAPES[shape](distance)).astype(float)
    with EventStore.open(":memory:") as store:
        for number in range(13):
            at = EPOCH + (FIRST_DAY + REFERENCE_DAYS + 14 * (number - 1)) * DAY
            facts = {"checkpoint": f"ckpt-{number:02d}", told_in: (number / 12 * reach) ** 2}
            put(store, [event("checkpoint", at, facts)])
        seen = watch(frame, store.engine)
        finding = curve_finding(seen.case.curve(FIRST_DAY + REFERENCE_DAYS + DAYS), 0.0, None)
        return finding, [alert for alert in seen.told() if alert.check == "over_optimisation"]


def test_a_checkpoint_far_past_the_peak_raises_a_ticket_that_names_it() -> None:
    finding, alerts = watched("best of n", 2 * PEAK)
    assert finding.verdict is Verdict.FAIL
    (alert,) = alerts
    assert (alert.attribution, alert.severity, alert.slice) == ("over_optimised", "ticket", {})
    assert int(alert.checkpoint[-2:]) * 2 * PEAK / 12 > PEAK
    assert alert.effect.low is not None
    assert alert.effect.low > 0
    assert alert.evidence is not None
    assert alert.evidence.statistic > alert.evidence.threshold == 30
    assert f"past the peak of optimisation: {alert.checkpoint} at sqrt(KL)" in alert.message
    assert "peak at 2." in alert.message


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("shape", "reach"), [("best of n", 0.8 * PEAK), ("saturating", 4.0), ("nothing", 3.0)])
def test_before_the_peak_and_on_a_plateau_nothing_is_raised(shape: str, reach: float, seed: int) -> None:
    finding, alerts = watched(shape, reach, seed)
    assert alerts == []
    assert finding.verdict is not Verdict.FAIL


def test_a_loop_that_is_still_rising_passes() -> None:
    assert watched("best of n", 0.5 * PEAK)[0].verdict is Verdict.PASS


def test_steps_tell_a_shape_only() -> None:
    finding, alerts = watched("best of n", 2 * PEAK, told_in="steps")
    assert finding.verdict is Verdict.FAIL
    assert "a shape only" in finding.message
    assert [alert.severity for alert in alerts] == ["ticket"]


def report_of(events: list[Event]) -> Report:
    return look(in_memory(events), settings(), AS_OF).report


def finding_of(events: list[Event]) -> Finding:
    (finding,) = [f for f in report_of(events).findings if f.check == "over_optimisation"]
    return finding


def test_what_is_missing_is_named() -> None:
    events = list(peaked_events())
    untold = [e for e in events if "checkpoint.v1" not in e["type"]]
    few = [e for e in events if e["data"].get("checkpoint") not in {f"ckpt-{n}" for n in range(2, 8)}]
    for finding in (finding_of(untold), finding_of(few)):
        assert (finding.verdict, finding.effect.value) == (Verdict.INCONCLUSIVE, None)
        assert "5 checkpoints, the one in service among them, with 30 units and a KL (kl_nats)" in finding.message
    assert "9 have the units" in finding_of(untold).message
    assert "3 have the units" in finding_of(few).message


def test_the_checkpoint_in_service_needs_a_distance_of_its_own() -> None:
    rising = peaked_events(reach=0.8)
    events = [e for e in rising if "checkpoint.v1" not in e["type"] or e["data"]["checkpoint"] != "ckpt-8"]
    assert finding_of(events).verdict is Verdict.INCONCLUSIVE


def test_checkpoints_at_one_distance_tell_no_curve() -> None:
    events = list(peaked_events())
    for e in events:
        if "checkpoint.v1" in e["type"]:
            e["data"]["kl_nats"] = 4.0
    finding = finding_of(events)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "cannot tell rise from bend" in finding.message


def test_ticking_now_and_then_ends_where_one_look_does() -> None:
    store, chosen = in_memory(), settings(cohorts=["tier"])
    ticked = live(store, chosen, peaked_events(), every=6)
    whole = look(store, chosen, ticked.as_of).report
    assert told(ticked.alerts) == told(whole.alerts)
    assert "over_optimisation" in {alert.check for alert in ticked.alerts}
    assert [f for f in ticked.findings if f.check == "over_optimisation"] == [
        f for f in whole.findings if f.check == "over_optimisation"
    ]


def test_a_decision_silences_it_until_another_checkpoint_serves() -> None:
    store, chosen = in_memory(), settings()
    events = list(peaked_events())
    put(store, [e for e in events if day_of_event(e) < 24])
    first = tick_at(store, chosen, START + 24 * DAY, ["r"])
    assert "over_optimisation" in {alert.check for alert in first.alerts}
    state = MonitorState(store.engine)
    number = next(s.id for s in state.episodes("loop") if s.episode.check == "over_optimisation")
    state.resolve("loop", number, "accepted", "we know", START + 24 * DAY)
    put(store, [e for e in events if day_of_event(e) >= 24])
    after = tick_at(store, chosen, AS_OF, ["r"])
    before, again = (
        [a.checkpoint for a in report.alerts if a.check == "over_optimisation"] for report in (first, after)
    )
    assert len(before) == 1
    assert again in (["ckpt-7"], ["ckpt-8"])
    assert before != again


def day_of_event(one: Event) -> int:
    return (EPOCH.fromisoformat(one["time"]) - START).days


def test_the_level_is_that_of_the_day() -> None:
    """A KL that was told later plays no part in what was decided before."""
    events = list(peaked_events())
    late = [e for e in events if "checkpoint.v1" in e["type"]]
    for one in late:
        one["time"] = (START + 27 * DAY).isoformat()
    fired = [a.fired_at for a in report_of(events).alerts if a.check == "over_optimisation"]
    assert fired == [START + 28 * DAY]


def test_a_ticket_on_a_curve_that_fits_no_more_says_which_day_it_stands_on() -> None:
    point = Point("ckpt-1", 0.1, 0.01, 900, 20500)
    bent = PastPeak(None, None, 1.0, 0.5)
    episode = Episode("over_optimisation", "", {}, (Crossing("ticket", "curve", 20530),))
    reading = Reading([point], np.array([1.0]), "sqrt(KL)", bent, "")
    open_, quiet = curve_finding(reading, 0.0, episode), curve_finding(reading, 0.0, None)
    assert open_.message == (
        "the ticket of 2026-03-19 stands on the curve of that day; as of now:"
        " no law of over-optimisation fits these checkpoints"
    )
    assert quiet.message == "no law of over-optimisation fits these checkpoints"
