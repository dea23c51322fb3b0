"""Does an alert live as promised: told once, kept over restarts, never ended by silence, never lost in a storm?"""

import datetime as dt
import json
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from consumers.database import writing
from consumers.incidents import EXPIRED, Found
from consumers.intake import Intake
from consumers.store import EventStore
from monitor.check import Finding, Interval, Verdict
from monitor.oncall.acks import AckRefused
from monitor.oncall.alerts import Reason
from monitor.oncall.episodes import plain_text
from monitor.oncall.freshness import read_stages
from monitor.oncall.hold import Life as Held
from monitor.oncall.hold import Reading, follow
from monitor.oncall.silences import SilenceRefused, parse_matcher
from tests.monitor.alert_life import DAY, HOUR, MINUTE, Life
from tests.monitor.events import START, in_memory, outcome, put, response, score, settings
from tests.monitor.live import query


@pytest.fixture
def life() -> Iterator[Life]:
    with in_memory() as store:
        yield Life(store)


def reading(value: float | None, hold: dt.timedelta = 10 * MINUTE) -> Reading:
    return Reading("no_data", {"stage": "event"}, "warning", value, 1.0, 0.5, hold, "late")


def lived(*values: float | None, every: dt.timedelta = 5 * MINUTE) -> tuple[Held | None, list[str]]:
    life, reasons = None, []
    for place, value in enumerate(values):
        life, reason = follow(life, reading(value), START + place * every)
        reasons.append(reason.value)
    return life, reasons


def test_a_rule_fires_after_its_hold_and_recovers_after_three_good_evaluations() -> None:
    life, reasons = lived(2, 2, 2, 0.4, 0.4, 0.4)
    assert reasons == ["pending", "pending", "fired", "recovering", "recovering", "recovered"]
    assert life is not None
    assert life.state == "resolved"


def test_what_is_broken_shorter_than_its_hold_is_told_to_nobody() -> None:
    assert lived(2, 1, 2)[1] == ["pending", "calmed", "pending"]


def test_between_limit_and_recovery_threshold_nothing_recovers() -> None:
    assert lived(2, 2, 2, 0.4, 0.4, 0.9, 0.4, 0.4)[1][-5:] == ["recovering"] * 2 + ["latched"] + ["recovering"] * 2


def test_silence_ends_nothing_and_opens_nothing() -> None:
    assert lived(None, None)[1] == ["unknown"] * 2
    reasons = lived(2, 2, 2, 0.4, 0.4, *[None] * 100, 0.4)[1]
    assert reasons[5:] == ["unknown"] * 100 + ["recovered"]
    assert lived(2, 2, 2, *[None] * 100)[0].state == "firing"


def test_what_is_not_a_number_is_broken() -> None:
    assert lived(float("nan"), float("nan"), float("nan"))[1][-1] == "fired"


def test_asking_again_at_the_same_moment_changes_nothing() -> None:
    life, _ = follow(None, reading(2), START)
    assert follow(life, reading(0.1), START) == (life, Reason.REPEATED)


def test_broken_again_within_a_day_is_the_same_episode_and_later_a_new_one_that_names_it(life: Life) -> None:
    def episode(value: float) -> None:
        life.observe(value)
        life.later(HOUR)

    for value in (2, 0.1, 0.1, 0.1, 2):
        episode(value)
    assert query(life.store, "SELECT COUNT(*), MAX(reopened) FROM alert_episode") == [(1, 1)]
    for value in (0.1, 0.1, 0.1):
        episode(value)
    life.later(DAY)
    episode(2)
    assert query(life.store, "SELECT id, previous FROM alert_episode ORDER BY id") == [(1, None), (2, 1)]


def test_a_rule_that_is_not_asked_any_more_is_superseded_and_said_so(life: Life) -> None:
    life.observe(2, 0.1)
    life.later(HOUR)
    life.observe()
    assert life.state(1) == "superseded"
    assert life.kinds() == ["fired", "superseded"]


def test_what_was_raised_before_there_was_a_receiver_is_told_when_there_is_one(life: Life) -> None:
    life.receivers = ()
    life.cross("ticket", {"tier": "a"}, {"tier": "b"})
    life.cross("warning", {"tier": "a"})
    assert life.told() == [("fired", "waits for a receiver")] * 2 + [("raised", "waits for a receiver")]
    life.resolve(2)
    assert life.sent() == []
    life.receivers = ("r",)
    life.step()
    assert life.told() == [("fired", "sent"), ("fired", "over"), ("raised", "sent"), ("resolved", "nothing")]
    assert life.sent() == [("fired", "warning")]


def test_a_storm_of_200_breaches_is_one_message_and_200_transitions(life: Life) -> None:
    life.cross("page", *({"tier": str(place)} for place in range(200)))
    assert life.sent() == [("fired", "page")]
    assert query(life.store, "SELECT COUNT(*) FROM alert_transition WHERE told = 'sent'") == [(200,)]
    (body,) = [body for (body,) in query(life.store, "SELECT body FROM outbox")]
    assert "200 alerts of feedback loop" in body
    life.later(HOUR)
    life.step()
    assert life.kinds() == ["fired", "reminder"], "one reminder for all"


def test_a_storm_that_goes_on_is_at_most_two_pages(life: Life) -> None:
    for start in (0, 100):
        life.cross("page", *({"tier": str(place)} for place in range(start, start + 100)))
        life.later(5 * MINUTE)
    assert life.sent() == [("fired", "page")] * 2
    assert len({*life.keys()}) == 1, "one incident at the receiver"


def test_a_combined_message_is_resolved_when_all_of_it_is_over(life: Life) -> None:
    life.observe(2, 2)
    life.later(HOUR)
    for values in [(0.1, 2)] * 3 + [(0.1, 0.1)] * 3:
        life.observe(*values)
        life.later(HOUR)
    assert life.kinds() == ["fired", "resolved"]
    assert len({*life.keys()}) == 1


def test_at_most_three_pages_an_hour_then_one_digest(life: Life) -> None:
    for place in range(8):
        life.cross("page", {"tier": str(place)})
        life.later(4 * MINUTE)
    assert life.sent() == [("fired", "page")] * 3
    assert [told for _, told in life.told()] == ["sent"] * 3 + ["waits for the hour"] * 5
    life.later(HOUR)
    life.restarted().step()
    assert life.kinds()[3:] in (["digest"], ["digest", "reminder"])
    assert {told for _, told in life.told()} == {"sent"}


def test_a_metric_that_alternates_for_100_runs_is_at_most_three_notifications(life: Life) -> None:
    for place in range(100):
        life.observe(0.1 if place % 2 else 2.0)
        life.later(5 * MINUTE)
    assert life.kinds() == ["fired"]


def test_whole_flaps_are_at_most_three_notifications_until_it_is_calm(life: Life) -> None:
    for _ in range(20):
        for value in (2.0, 0.1, 0.1, 0.1):
            life.observe(value)
            life.later(2 * MINUTE)
    assert life.kinds() == ["fired", "resolved", "fired"]
    life.later(DAY)
    life.step()
    assert life.kinds()[3:] == ["resolved"]
    assert len({*life.keys()}) == 1


def test_an_ack_stops_reminders_until_it_lapses(life: Life) -> None:
    life.cross("page")
    life.ack()
    for _ in range(7):
        life.later(30 * MINUTE)
        life.step()
    assert life.kinds() == ["fired", "acked"]
    life.later(30 * MINUTE)
    life.step()
    assert life.kinds() == ["fired", "acked", "reminder"]
    assert life.state() == "firing"


@pytest.mark.parametrize(("severity", "hours"), [("page", 4), ("warning", 24), ("ticket", 24)])
def test_an_ack_lasts_four_hours_for_a_page_and_a_day_for_the_rest(life: Life, severity: str, hours: int) -> None:
    life.cross(severity)
    life.ack()
    assert life.stored().ack.until == life.now + hours * HOUR


def test_an_ack_ends_with_a_severer_crossing_and_not_with_more_of_the_same(life: Life) -> None:
    life.cross("warning")
    life.ack()
    life.later(HOUR)
    life.cross("warning")
    assert life.state() == "acked"
    life.cross("page")
    assert (life.state(), life.stored().ack) == ("firing", None)
    assert life.sent() == [("fired", "warning"), ("acked", "warning"), ("raised", "page")]


def test_an_ack_is_given_back_and_refused_where_nothing_is_open(life: Life) -> None:
    life.cross("page")
    with pytest.raises(AckRefused, match="not acked"):
        life.unack()
    life.ack()
    life.unack()
    assert life.state() == "firing"
    assert life.kinds() == ["fired", "acked", "unacked"]
    with pytest.raises(AckRefused, match=r"`reward-drift alerts list`"):
        life.ack(9)
    with pytest.raises(AckRefused, match="within 7 days"):
        life.ack(length=8 * DAY)


def test_reminders_are_hourly_for_pages_daily_for_warnings_weekly_for_tickets(life: Life) -> None:
    for place, severity in enumerate(("page", "warning", "ticket")):
        life.cross(severity, {"tier": str(place)})
    begun = life.now
    for hour in range(1, 6):
        life.now = begun + hour * HOUR
        life.step()
        life.step()
    assert [severity for kind, severity in life.sent() if kind == "reminder"] == ["page"] * 5
    only = Life(in_memory())
    only.cross("ticket")
    for _ in range(5):
        only.later(3 * DAY + 12 * HOUR)
        only.step()
    assert only.kinds() == ["fired", "reminder", "reminder"]
    only.store.close()


def test_a_silence_mutes_and_its_end_tells_once_what_still_fires(life: Life) -> None:
    life.silence(DAY)
    life.cross("page")
    life.cross("page", {"tier": "a"})
    life.later(5 * HOUR)
    life.step()
    assert life.sent() == []
    assert {told for _, told in life.told()} == {"silenced"}
    life.later(19 * HOUR)
    life.restarted().step()
    assert life.kinds() == ["digest"]
    life.restarted().step()
    assert life.kinds() == ["digest"]


def test_what_was_over_before_the_silence_ended_is_not_told(life: Life) -> None:
    life.silence(DAY, check="no_data")
    life.observe(2)
    for _ in range(3):
        life.later(HOUR)
        life.observe(0.1)
    life.later(DAY)
    life.step()
    assert life.sent() == []


def test_a_resolve_is_told_through_a_silence_if_the_firing_was(life: Life) -> None:
    life.observe(2)
    life.silence(DAY, check="no_data")
    for _ in range(3):
        life.later(HOUR)
        life.observe(0.1)
    assert life.kinds() == ["fired", "resolved"]


def test_a_silence_needs_a_matcher_an_author_a_reason_and_an_end_within_a_week(life: Life) -> None:
    with pytest.raises(SilenceRefused, match="within 7 days"):
        life.silence(8 * DAY)
    for pairs in ([], ["=x"], ["check="], ["check"], ["a=1", "a=2"]):
        with pytest.raises(SilenceRefused, match="KEY=VALUE"):
            parse_matcher(pairs)


def test_alerts_are_withheld_while_their_data_are_unhealthy_but_not_for_ever(life: Life) -> None:
    life.store.append(Intake("kafka:a/0", {"offset": 9}, [], [], incidents=[Found(EXPIRED, "gone", 1, 9)]))
    life.cross("page")
    assert life.told() == [("fired", "withheld")]
    life.later(HOUR)
    life.store.close_incident(1, "restored")
    life.restarted().step()
    assert life.kinds() == ["fired"]
    life.store.append(Intake("kafka:a/0", {"offset": 19}, [], [], incidents=[Found(EXPIRED, "gone", 11, 19)]))
    life.cross("page", {"tier": "a"})
    life.later(DAY)
    life.step()
    assert [told for _, told in life.told()] == ["sent", "sent"]


def test_a_page_about_a_slow_outcome_waits_for_the_day_where_quiet_hours_are_set() -> None:
    chosen = settings(alerts={"timezone": "Europe/Berlin", "quiet_hours": ["20:00", "08:00"]})
    with in_memory() as store:
        life = Life(store, chosen, dt.datetime(2026, 1, 5, 2, tzinfo=dt.UTC))
        life.cross("page")
        assert life.told() == [("fired", "waits for the day")]
        life.later(4 * HOUR + 59 * MINUTE)
        life.restarted().step()
        assert life.sent() == []
        life.later(MINUTE)
        life.restarted().step()
        assert life.sent() == [("fired", "page")]


@pytest.mark.parametrize("horizon", ["2d", "12h"])
def test_a_page_about_a_fast_outcome_and_the_machinery_wake_people(horizon: str) -> None:
    chosen = settings(alerts={"quiet_hours": ["20:00", "08:00"]}, outcome={"horizon": horizon})
    with in_memory() as store:
        life = Life(store, chosen, dt.datetime(2026, 1, 5, 2, tzinfo=dt.UTC))
        life.cross("page")
        life.observe(2)
        assert len(life.sent()) == (1 if horizon == "2d" else 2)


def test_what_ends_before_it_was_told_is_told_to_nobody() -> None:
    chosen = settings(alerts={"quiet_hours": ["20:00", "08:00"]})
    with in_memory() as store:
        life = Life(store, chosen, dt.datetime(2026, 1, 5, 2, tzinfo=dt.UTC))
        life.cross("page")
        life.resolve()
        life.later(DAY)
        life.step()
        assert life.sent() == []
        assert life.told() == [("fired", "over"), ("resolved", "nothing")]


def test_a_decision_resolves_every_alert_of_the_slice_under_its_own_key(life: Life) -> None:
    life.cross("ticket")
    life.cross("ticket", check="reward_outcome_association")
    life.resolve()
    assert [life.state(number) for number in (1, 2)] == ["resolved", "resolved"]
    assert life.kinds() == ["fired", "fired", "resolved", "resolved"]


STATES = {
    "pending": lambda life: life.observe(2, hold=HOUR),
    "firing": lambda life: life.cross("page"),
    "acked": lambda life: (life.cross("page"), life.ack()),
    "silenced": lambda life: (life.silence(DAY), life.cross("page")),
    "resolved": lambda life: (life.cross("page"), life.resolve()),
    "flapping": lambda life: [(life.observe(v), life.later(MINUTE)) for v in (2, 0.1, 0.1, 0.1, 2)],
}


@pytest.mark.parametrize("state", STATES)
def test_a_restart_in_any_state_adds_no_page_and_keeps_every_timer(state: str) -> None:
    def events(restarts: int) -> tuple[list[tuple[str, str]], list[object], list[tuple[object, ...]]]:
        with in_memory() as store:
            life = Life(store)
            STATES[state](life)
            for _ in range(restarts):
                life = life.restarted()
                life.step()
            first, seen = life.sent(), []
            for _ in range(7):
                life.later(4 * HOUR)
                for _ in range(1 + restarts):
                    life.restarted().step()
                seen.append(life.kinds())
            return first, seen, query(store, "SELECT reason, at_us, told FROM alert_transition ORDER BY id")

    assert events(restarts=2) == events(restarts=0)


def test_data_that_stop_are_an_alert_and_nothing_else_is_ended_by_that(life: Life) -> None:
    life.arrive()
    life.cross("warning")
    life.keep()
    assert [life.stored(number).episode.check for number in (1,)] == ["reward_outcome_decoupling"]
    life.later(DAY + 11 * MINUTE)
    life.keep()
    stale = [tuple(row) for row in query(life.store, "SELECT slice_name, state FROM alert_episode WHERE id > 1")]
    assert stale == [("stage=event", "firing")]
    life.later(30 * DAY)
    life.keep()
    stages = query(life.store, "SELECT slice_name FROM alert_episode WHERE state = 'firing' ORDER BY id")
    assert {name for (name,) in stages} == {"", "stage=event", "stage=outcome", "stage=feedback"}


def test_a_store_that_nothing_ever_reached_is_an_alert(life: Life) -> None:
    life.keep()
    assert life.state() == "pending"
    life.later(10 * MINUTE)
    life.keep()
    assert life.sent() == [("fired", "warning")]


def test_fresh_data_end_the_alert_that_they_had_stopped(life: Life) -> None:
    life.arrive()
    life.later(2 * DAY)
    life.keep()
    assert life.state() == "firing"
    for _ in range(3):
        life.later(HOUR)
        life.arrive()
        life.keep()
    assert life.state() == "resolved"
    assert life.kinds() == ["fired", "resolved"]


def test_the_whole_life_is_the_same_on_both_databases(store_url: str) -> None:
    with EventStore.open(store_url, clock=lambda: START) as store:
        life = Life(store)
        life.arrive()
        life.cross("warning", {"tier": "a"}, {"tier": "b"})
        life.later(2 * DAY)
        life.keep()
        life.ack(1)
        life.silence(HOUR, tier="b")
        life.later(2 * HOUR)
        life.restarted().keep()
        life.resolve(2)
        assert life.kinds() == ["fired", "fired"]
        assert [life.state(number) for number in (1, 2, 3)] == ["acked", "resolved", "firing"]


def test_the_last_message_of_a_key_names_all_that_is_open_under_it(life: Life) -> None:
    """A receiver that forgets is told the last message again: who is missing there would be taken for over."""
    life.cross("warning", {"tier": "a"}, {"tier": "b"})
    life.later(HOUR)
    life.cross("page", {"tier": "a"})
    life.later(HOUR)
    life.cross("warning", {"tier": "c"})
    life.step()
    bodies = [json.loads(body) for (body,) in query(life.store, "SELECT body FROM outbox ORDER BY id")]
    last = {body["dedup_key"]: body for body in bodies}
    named = [[alert["slice"]["tier"] for alert in body["members"]] for body in last.values()]
    assert [sorted(tiers) for tiers in named] == [["a", "b"], []], "and of an incident of its own, only itself"
    assert [body["kind"] for body in bodies] == ["fired", "raised", "fired", "reminder"]


def test_every_stage_that_the_loop_needs_or_once_had_is_watched(life: Life) -> None:
    """A loop with a scorer needs scores and no thumbs; held-out answers count once there was one."""
    chosen = settings(reward={"scorer": "rm"}, judges={"watched": ["j"]}, freshness={"score": "1d", "anchors": "2d"})
    put(life.store, [response("a", START), response("h", START, environment="evaluation"), score("a", START, 0.5)])
    put(life.store, [outcome(START + 365 * DAY, True, response_id="a")])
    with life.store.engine.connect() as connection:
        stages = {stage.name: stage for stage in read_stages(connection, chosen, START + 36 * HOUR)}
    assert {*stages} == {"event", "score", "outcome", "anchors"}
    assert {name for name, stage in stages.items() if stage.is_stale} == {"event", "score"}
    assert stages["outcome"].newest is None, "an event of the future is no sign of life"


@pytest.mark.parametrize(("rejected", "alerts"), [(19, 0), (200, 1)])
def test_many_rejected_events_are_an_alert_and_a_few_are_none(life: Life, rejected: int, alerts: int) -> None:
    life.later(HOUR)
    put(life.store, [response(f"{place}", life.now) for place in range(300)])
    with writing(life.store.engine) as connection:
        row = {"at": int((life.now - HOUR / 2).timestamp() * 1e6)}
        insert = text(
            "INSERT INTO rejected (id, source, position, reason, detail, raw, raw_size, received_at_us, status)"
            " VALUES (:id, 's', :id, 'r', 'd', '', 0, :at, 'open')"
        )
        connection.execute(insert, [{**row, "id": number} for number in range(1, rejected + 1)])
    for _ in range(2):
        life.keep()
        life.later(20 * MINUTE)
    counted = "SELECT COUNT(*) FROM alert_episode WHERE check_name = 'rejection_ratio' AND state = 'firing'"
    assert query(life.store, counted) == [(alerts,)]


def test_a_broken_check_is_an_alert_until_it_works_again(life: Life) -> None:
    life.looked_at()

    def look(verdict: Verdict) -> None:
        found = [Finding("label_noise", {}, verdict, Interval(), 0.1, 0, "division by zero")]
        with writing(life.store.engine) as connection:
            connection.execute(text("UPDATE monitor_memory SET fixed = :fixed"), {"fixed": plain_text(found)})
        life.later(HOUR)
        life.arrive()
        life.keep()

    states = "SELECT state FROM alert_episode WHERE check_name = 'check_error'"
    look(Verdict.ERROR)
    assert query(life.store, states) == [("firing",)]
    assert "division by zero" in life.stored(query(life.store, "SELECT MAX(id) FROM alert_episode")[0][0]).told
    for _ in range(3):
        assert query(life.store, states) == [("firing",)]
        look(Verdict.INCONCLUSIVE)
    assert query(life.store, states) == [("resolved",)]
