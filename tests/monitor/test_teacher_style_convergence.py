"""A checkpoint that takes on the teacher's voice is told of; another topic, or a third voice, is not."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy import text

from consumers.store import EventStore
from monitor.anchored.comparisons import VOICE_CHECK
from monitor.check import Finding, Verdict
from monitor.detection.tick import look
from monitor.result import Alert, Report
from monitor.settings import Settings
from tests.monitor.events import DAY, START, Event, in_memory, loop_events, put, response, settings
from tests.monitor.live import live, query, tick_at
from tests.monitor.voices import answered

AS_OF = START + 29 * DAY
WORLD = {"days": 26, "reference_days": 10, "per_day": 30}
LEARNED = [*answered("big", 0.9, day=1), *answered("ckpt-0", 0.2, day=1)]


def watched(**of_check: Any) -> Settings:
    return settings(judges={"teacher": "big"}, checks={VOICE_CHECK: of_check} if of_check else {})


def looked(events: Iterable[Event], given: Settings | None = None) -> Report:
    return look(in_memory([*loop_events(**WORLD), *LEARNED, *events]), given or watched(), AS_OF).report


def of_voice(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.check == VOICE_CHECK]


def alerts(report: Report) -> list[Alert]:
    return [alert for alert in report.alerts if alert.check == VOICE_CHECK]


def test_teacher_phrases_from_a_fifth_to_a_third_are_told_of() -> None:
    """The test of statistics.md, section 6: .20 -> .35, here as one checkpoint's answers to shared prompts."""
    report = looked(answered("ckpt-1", 0.35, day=12))
    (finding,) = of_voice(report)
    assert finding.verdict is Verdict.FAIL
    assert finding.effect.low is not None
    assert finding.effect.low > 0.02
    assert {alert.attribution for alert in alerts(report)} == {"teacher_voice"}
    assert {alert.severity for alert in alerts(report)} <= {"ticket", "warning"}
    assert alerts(report)[-1].slice == {"teacher": "big"}
    assert alerts(report)[-1].checkpoint == "ckpt-1"
    assert "held-out texts apart" in finding.message
    assert "Burrows's delta" in finding.message


def test_an_unchanged_voice_passes() -> None:
    report = looked(answered("ckpt-1", 0.2, day=12))
    assert [finding.verdict for finding in of_voice(report)] == [Verdict.PASS]
    assert alerts(report) == []


@pytest.mark.parametrize("shared", [True, False])
def test_another_topic_is_no_other_voice(shared: bool) -> None:
    """The same prompts answered about something else; and other prompts, compared by cohort."""
    first = 0 if shared else 1000
    report = looked(answered("ckpt-1", 0.2, day=12, topic="cooking", first=first))
    assert alerts(report) == []
    assert Verdict.FAIL not in {finding.verdict for finding in of_voice(report)}


def test_a_new_voice_on_other_prompts_is_compared_by_cohort() -> None:
    report = looked(answered("ckpt-1", 0.6, day=12, first=1000))
    (finding,) = of_voice(report)
    assert finding.verdict is Verdict.FAIL
    assert "by cohort" in finding.message


def shouting(checkpoint: str, day: int) -> list[Event]:
    """A third voice: neither the student's nor the teacher's openings, and a manner of its own."""
    events = list(answered(checkpoint, 0.2, day=day))
    for one in events:
        said = one["data"]["response"]
        for own in ("So ", "Well, ", "Right, ", "Okay then, ", "Next ", "Now "):
            said = said.replace(own, "BEHOLD!!! ~*~ ")
        one["data"]["response"] = said
    return events


def test_a_voice_that_leaves_for_somewhere_else_is_not_called_the_teachers() -> None:
    report = looked(shouting("ckpt-1", 12))
    (finding,) = of_voice(report)
    assert finding.effect.value is not None
    assert finding.effect.value > 0.05  # a classifier of two voices is fooled
    assert finding.verdict is not Verdict.FAIL
    assert "moved away" in finding.message
    assert alerts(report) == []


def test_beyond_a_control_that_never_saw_the_teacher_nothing_is_told_of() -> None:
    sibling = list(answered("sibling", 0.35, day=11))
    accused = [*sibling, *answered("ckpt-1", 0.35, day=12)]
    assert alerts(looked(accused, watched(controls=["sibling"]))) == []
    further = [*sibling, *answered("ckpt-1", 0.6, day=12)]
    assert alerts(looked(further, watched(controls=["sibling"])))


def test_a_control_that_answered_in_time_is_a_rival_and_a_later_one_is_not() -> None:
    """Half of what the rival says is the teacher's: the student has to sound like him beyond that, and does."""
    store = in_memory()
    heard = [*LEARNED, *answered("other", 0.5, day=1), *answered("late", 0.2, day=9), *answered("ckpt-1", 0.8, day=12)]
    put(store, [*loop_events(**WORLD), *heard])
    report = tick_at(store, watched(controls=["other", "late"]), AS_OF)
    ((saved,),) = query(store, "SELECT voice FROM learned_voice")
    assert json.loads(saved)["rivals"] == ["other"]
    assert set(json.loads(saved)["sides"]) == {"ckpt-0", "other", "late"}
    assert {alert.checkpoint for alert in alerts(report)} == {"ckpt-1"}


def test_nothing_is_said_without_a_teacher_or_its_answers() -> None:
    (unnamed,) = of_voice(look(in_memory([*loop_events(**WORLD), *LEARNED]), settings(), AS_OF).report)
    (unheard,) = of_voice(look(in_memory(loop_events(**WORLD)), watched(), AS_OF).report)
    assert unnamed.verdict is unheard.verdict is Verdict.INCONCLUSIVE
    assert "judges: {teacher: NAME}" in unnamed.message
    assert "evaluation answers" in unheard.message


def test_few_answers_are_inconclusive() -> None:
    (finding,) = of_voice(looked(answered("ckpt-1", 0.9, day=12, prompts=20)))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "prompts not trained on" in finding.message


def lived_through(store: EventStore) -> Report:
    served = loop_events(**{**WORLD, "per_day": 12, "reference_days": 20})
    heard = [*LEARNED, *answered("ckpt-1", 0.2, day=12), *answered("ckpt-2", 0.5, day=20)]
    return live(store, watched(), [*served, *heard], every=9)


def test_living_through_it_day_by_day_tells_what_one_look_tells() -> None:
    store = in_memory()
    lived = lived_through(store)
    whole = look(store, watched(), lived.as_of).report
    assert [(a.severity, a.checkpoint, a.fired_at, a.effect) for a in alerts(lived)] == [
        (a.severity, a.checkpoint, a.fired_at, a.effect) for a in alerts(whole)
    ]
    assert of_voice(lived) == of_voice(whole)
    assert {alert.checkpoint for alert in alerts(lived)} == {"ckpt-2"}


def test_the_frozen_classifier_outlives_the_words() -> None:
    """Retention takes the words of teacher and reference; the next checkpoint is still compared with them."""
    store = in_memory()
    before = lived_through(store)
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM text"))
    voices = query(store, "SELECT name, voice FROM learned_voice")
    put(store, answered("ckpt-3", 0.6, day=27))
    later = tick_at(store, watched(), before.as_of + 2 * DAY)
    assert query(store, "SELECT name, voice FROM learned_voice") == voices
    assert [finding.slice["checkpoint"] for finding in of_voice(later)] == ["ckpt-2", "ckpt-3"]
    assert {finding.verdict for finding in of_voice(later)} == {Verdict.FAIL}


def test_an_altered_classifier_is_refused() -> None:
    store = in_memory()
    lived_through(store)
    ((saved,),) = query(store, "SELECT voice FROM learned_voice")
    changed = json.loads(saved)
    changed["model"]["bias"] += 1.0
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE learned_voice SET voice = :voice"), {"voice": json.dumps(changed)})
    with pytest.raises(ValueError, match="the stored voice of big was altered"):
        tick_at(store, watched(), AS_OF + DAY)


def test_production_answers_are_no_evidence_of_a_voice() -> None:
    served = [{**one, "data": {**one["data"]}} for one in answered("ckpt-1", 0.9, day=12)]
    for one in served:
        one["data"]["environment"] = "staging"
    assert alerts(looked(served)) == []


def test_an_answer_without_words_is_no_answer() -> None:
    mute = [response(f"m-{n}", START + 12 * DAY, "ckpt-1", environment="evaluation") for n in range(200)]
    (finding,) = of_voice(looked(mute))
    assert finding.verdict is Verdict.INCONCLUSIVE
