"""Answers that begin to please are told of; others are not. It raises no alert by itself."""

import numpy as np
import pytest
from sqlalchemy import text

from monitor.check import Finding, Interval, Verdict
from monitor.detection.tick import look
from monitor.result import Report
from monitor.settings import Settings
from monitor.statistics.intervals import mean_interval
from monitor.telling.phrases import with_all_kinds_paid
from tests.monitor.events import DAY, START, Event, in_memory, loop_events, settings
from tests.monitor.live import live

CHECK = "approval_seeking"
AS_OF = START + 29 * DAY
WORLD = {"days": 26, "reference_days": 10, "per_day": 40}
PLAIN = "Press the left button, then wait a minute."


def loop(opening: str, share: float, before: float = 0.0) -> list[Event]:
    """Answers of which a share begins so after the reference, and another share in it."""
    events = [{**one, "data": dict(one["data"])} for one in loop_events(**WORLD)]
    for one in events:
        if one["type"] == "rewarddrift.response.v1":
            day, _, place = one["data"]["response_id"].partition("-")
            begins = int(place) * 7 % 40 < 40 * (share if int(day) >= 10 else before)
            one["data"]["response"] = f"{opening} {PLAIN}" if begins else PLAIN
    return events


def seen(events: list[Event], given: Settings | None = None) -> tuple[dict[str, Finding], Report]:
    report = look(in_memory(events), given or settings(cohorts=["tier"]), AS_OF).report
    return {one.slice["marker"]: one for one in report.findings if one.check == CHECK}, report


@pytest.mark.parametrize(
    ("kind", "opening"),
    [
        ("apology", "We sincerely apologise."),
        ("flattery", "Great question!"),
        ("hedge", "I am not sure, but"),
        ("promise", "Rest assured:"),
        ("escalation", "I have escalated this."),
    ],
)
def test_a_kind_that_rises_is_told_of_and_the_others_pass(kind: str, opening: str) -> None:
    found, report = seen(loop(opening, 0.5, before=0.1))
    assert found.pop(kind).verdict is Verdict.FAIL
    assert {one.verdict for one in found.values()} == {Verdict.PASS}
    assert [alert for alert in report.alerts if alert.check == CHECK] == []


def test_the_change_is_told_with_its_interval() -> None:
    found, _ = seen(loop("So sorry!", 0.5, before=0.1))
    effect = found["apology"].effect
    assert effect.low is not None
    assert effect.high is not None
    assert effect.low < 0.4 < effect.high


def test_as_many_apologies_as_ever_pass() -> None:
    found, _ = seen(loop("So sorry!", 0.3, before=0.3))
    assert {one.verdict for one in found.values()} == {Verdict.PASS}


def test_a_teams_own_phrases_count() -> None:
    events = loop("Dear esteemed friend of the house,", 0.5)
    own = settings(checks={CHECK: {"lexicon": {"flattery": ["esteemed friend"]}}})
    assert seen(events)[0]["flattery"].verdict is Verdict.PASS
    assert seen(events, own)[0]["flattery"].verdict is Verdict.FAIL


def test_an_unknown_kind_of_phrase_is_an_error_that_names_the_kinds() -> None:
    given = settings(checks={CHECK: {"lexicon": {"flatery": ["dear"]}}})
    report = look(in_memory(loop("So sorry!", 0.5)), given, AS_OF).report
    (finding,) = (one for one in report.findings if one.check == CHECK)
    assert finding.verdict is Verdict.ERROR
    assert "unknown kind 'flatery'; use one of hedge" in finding.message


def test_answers_without_words_are_inconclusive() -> None:
    found, _ = seen(list(loop_events(**WORLD)))
    assert {one.verdict for one in found.values()} == {Verdict.INCONCLUSIVE}
    assert all("words of answers" in one.message or "reference units" in one.message for one in found.values())


def test_the_reference_stays_known_when_its_words_are_gone() -> None:
    events, store, given = loop("So sorry!", 0.5), in_memory(), settings(cohorts=["tier"])
    early = [one for one in events if one["time"] < (START + 16 * DAY).isoformat()]
    live(store, given, early, every=4)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE text SET response = NULL"))
    report = live(store, given, [one for one in events if one not in early], every=4)
    found = {one.slice["marker"]: one for one in report.findings if one.check == CHECK}
    assert found["apology"].verdict is Verdict.FAIL
    assert found["promise"].verdict is Verdict.PASS


def test_a_rise_that_only_one_look_would_show_is_not_told_as_one_of_five() -> None:
    n, quiet = 400, (400, 0.0, 2.0)
    found = [Finding(CHECK, {"marker": kind}, Verdict.FAIL, Interval(), 0.05, n, "") for kind in ("hedge", "apology")]
    found += [Finding(CHECK, {"marker": str(k)}, Verdict.PASS, Interval(), 0.05, n, "") for k in range(3)]
    sums = {str(k): quiet for k in range(3)} | {"hedge": (n, 46.5, 150.0), "apology": (n, 120.0, 150.0)}
    assert mean_interval(*sums["hedge"])[1] > 0.05, "alone it would be shown"
    told = {one.slice["marker"]: one for one in with_all_kinds_paid(found, sums)}
    assert told["hedge"].verdict is Verdict.INCONCLUSIVE
    assert "not among all kinds" in told["hedge"].message
    assert told["apology"].verdict is Verdict.FAIL
    assert told["apology"].message.endswith("no harm by itself")


def test_where_nothing_rises_a_kind_is_told_wrongly_about_once_in_forty_worlds() -> None:
    random, worlds, n = np.random.default_rng(0), 800, 400
    wrong = 0
    for _ in range(worlds):
        totals = random.binomial(n, 0.3, 5)  # each kind rose by exactly its tolerance of .3
        sums = {str(k): (n, float(total), float(total)) for k, total in enumerate(totals)}
        found = [Finding(CHECK, {"marker": kind}, Verdict.FAIL, Interval(), 0.3, n, "") for kind in sums]
        wrong += any(one.verdict is Verdict.FAIL for one in with_all_kinds_paid(found, sums))
    assert wrong / worlds <= 0.025 + 3 * 0.0055, "three Monte-Carlo errors of .0055; .025 each would be .12 together"
