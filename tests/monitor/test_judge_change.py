"""Is a judge that says something else of the same items told from a model that changed?"""

from collections.abc import Iterable
from typing import Any

from monitor.check import Finding, Verdict
from monitor.detection.tick import look
from monitor.result import Alert, Report
from tests.monitor.events import DAY, START, Event, event, in_memory
from tests.monitor.judged_events import JUDGED, Taste, asked_again, days

CHECK = "judge_change"
AS_OF = START + 40 * DAY
BEFORE = list(days(0, 20, 20))
CAPTURED = Taste(capture=0.9, sound=0.6)


def report_of(*events: Iterable[Event]) -> Report:
    return look(in_memory([one for some in events for one in some]), JUDGED, AS_OF).report


def alerts(report: Report) -> list[Alert]:
    return [one for one in report.alerts if one.attribution.startswith("judge_")]


def finding(report: Report) -> Finding:
    (found,) = [one for one in report.findings if one.check == CHECK]
    return found


def test_another_revision_that_judges_the_same_pairs_otherwise_is_a_changed_judge_and_no_changed_model() -> None:
    report = report_of(BEFORE, asked_again(20, 20, CAPTURED, day=30, revision="r2"))
    assert {(one.check, one.attribution, one.checkpoint) for one in alerts(report)} == {(CHECK, CHECK, "")}
    assert "Revision r2 since 2026-01-31, before it r1" in alerts(report)[0].message
    assert finding(report).verdict is Verdict.FAIL


def test_the_same_under_the_old_revision_s_name_is_told_all_the_same() -> None:
    report = report_of(BEFORE, asked_again(20, 20, CAPTURED, day=30))
    assert {one.attribution for one in alerts(report)} == {CHECK}


def test_a_judge_asked_again_that_says_the_same_is_silent() -> None:
    again = [{**e, "id": e["id"] + "-again", "time": (START + 30 * DAY).isoformat()} for e in BEFORE
             if e["data"]["judge"]["name"] == "j"]  # fmt: skip
    report = report_of(BEFORE, again)
    assert alerts(report) == []
    assert finding(report).verdict is not Verdict.FAIL
    assert finding(report).effect.value == 0.0


def test_a_noisy_judge_asked_again_and_again_is_silent() -> None:
    """It draws its verdicts anew each time, and each time another half of them moves; two worlds."""
    for seed in range(2):
        again = [e for day in (24, 28, 32, 36) for e in asked_again(12, 20, day=day, seed=seed)]
        assert alerts(report_of(days(0, 12, 20, seed=seed), again)) == []


def test_a_better_revision_is_told_in_a_finding_and_never_as_harm() -> None:
    report = report_of(BEFORE, asked_again(20, 20, Taste(capture=0.1, sound=0.95), day=30, revision="r2"))
    assert alerts(report) == []
    assert "revision r2 since 2026-01-31, before it r1" in finding(report).message


def test_a_new_revision_has_a_reference_of_its_own() -> None:
    report = report_of(BEFORE, days(20, 39, 20, CAPTURED, revision="r2"))
    assert alerts(report) == []
    (found,) = [one for one in report.findings if one.check == "teacher_preference_drift"]
    assert "revision r2 since 2026-01-21, before it r1" in found.message


def scores(revision: str, day: int, shift: float) -> Iterable[Event]:
    scorer = {"name": "j", "kind": "judge", "revision": revision}
    for number in range(200):
        value = (number * 37 % 100) / 10 + shift
        yield event("score", START + day * DAY, {"response_id": f"r{number}", "scorer": scorer, "value": value})


def test_lower_scores_of_the_same_responses_are_the_judge_s() -> None:
    stricter: dict[str, Any] = {"revision": "r1", "day": 30, "shift": -2.0}
    report = report_of(BEFORE, scores("r1", 5, 0.0), scores(**stricter))
    assert {one.attribution for one in alerts(report)} == {CHECK}
    assert "scores the same responses lower" in alerts(report)[0].message
    assert alerts(report_of(BEFORE, scores("r1", 5, 0.0), scores("r2", 30, 0.0))) == []
