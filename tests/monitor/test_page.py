"""Does a page say in five lines whether it is real, who is hurt, what is safe to do, and whether it can wait?"""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from consumers.database import reading, writing
from monitor.check import Interval
from monitor.oncall.episodes import keep_alert, read_episodes
from monitor.oncall.page import Known, known, page_lines
from monitor.oncall.page_words import chance_alone
from monitor.oncall.runbook import read_runbook
from monitor.oncall.serving import live_checkpoints
from monitor.oncall.words import combined
from monitor.report.wording import ATTRIBUTIONS
from monitor.result import Alert
from monitor.statistics.attribution import PARENTS
from monitor.statistics.verdicts import SHARED
from tests.monitor.alert_life import ALERT, CHECK, DAY, HOUR, MINUTE, Life, alert_of
from tests.monitor.events import START, event, in_memory, outcome, put, response, settings, thumbs
from tests.sample_reports import hostile_report

CHOSEN = settings(cohorts=["tier"])
NOW = START + 12 * DAY
HURT = Interval(-0.077, -0.106, -0.048)
UP, FLAT = Interval(0.091, 0.066, 0.116), Interval(0.017, -0.017, 0.051)


@pytest.fixture
def life() -> Iterator[Life]:
    with in_memory() as store:
        for day in range(12):
            time = START + day * DAY
            put(store, [response(f"{day}", time, ALERT.checkpoint), thumbs(f"{day}", time, 1)])
            put(store, [outcome(time + HOUR, True, response_id=f"{day}")])
        yield Life(store, CHOSEN, NOW)


def facts(life: Life) -> Known:
    with reading(life.store.engine) as connection:
        return known(connection, CHOSEN, read_episodes(connection, "loop"), life.now)


def page(life: Life, number: int = 1) -> list[str]:
    stored = life.stored(number)
    return page_lines(stored.alert, [stored], facts(life))


def tell(life: Life, number: int = 1, **said: object) -> Alert:
    """Another story of an episode, as the next look would keep it."""
    alert = replace(alert_of(life.stored(number).episode), **said)
    with writing(life.store.engine) as connection:
        keep_alert(connection, number, alert)
    return alert


def evidence(**said: object) -> object:
    return replace(ALERT.evidence, **said)


def test_a_page_is_five_lines_that_answer_four_questions(life: Life) -> None:
    serving = event("checkpoint", START + DAY, {"checkpoint": ALERT.checkpoint, "traffic_share": 1.0})
    put(life.store, [serving, response("old", START - DAY, "old")])
    life.cross("page")
    strong = evidence(
        statistic=25_482.0,
        threshold=3650.0,
        reference_units=8838,
        missing_share=0.0,
        likely_start=(START + 5 * DAY).date(),
    )
    tell(
        life, n=1158, outcome_level=0.622, outcome_change=HURT, reward_change=UP, evidence=strong, attribution="gaming"
    )
    what, sure, who, do, on = page(life)
    assert re.fullmatch(
        rf"\[PAGE\] loop: task_success -7\.7 pt, reward \+9\.1 pt\. All users\. {ALERT.checkpoint} LIVE since"
        r" \d+ \w+ \(now 100%\)\. Began by ~\d+ \w+, alert since \d+ \w+ \d\d:\d\d UTC",
        what,
    )
    assert sure == (
        "CHANCE ALONE: at most once in 70 years over all checks (threshold 10 years). task_success from 70% to 62%:"
        " -7.7 pt (95%: -10.6..-4.8), n=1,158 responses since, 8,838 before"
    )
    assert who == (
        "WHO: all users -7.7 pt (n=1,158). Inputs fresh (oldest: answer in production, 24 h), no gap in the data"
    )
    assert do == (
        f"NOW stop promotions: reward-drift freeze --reason 'alert 1' (can be undone; {ALERT.checkpoint} STAYS LIVE)."
        " THEN: roll back to old (served before) with your own tools. TONIGHT: users are being hurt now"
    )
    assert on == (
        "more: reward-drift alerts show 1 | steps: reward-drift runbook reward_outcome_decoupling (part: Reward up,"
        " users worse) | mute 4h, fixes nothing: reward-drift alerts ack 1 --for 4h"
    )


def test_forty_characters_name_product_and_harm(life: Life) -> None:
    life.cross("page")
    tell(life, outcome_change=HURT)
    assert page(life)[0][:40] == "[PAGE] loop: task_success -7.7 pt, rewar"


def test_the_page_leaves_with_the_message(life: Life) -> None:
    life.cross("page")
    with life.store.engine.connect() as connection:
        body = connection.exec_driver_sql("SELECT body FROM outbox").scalar_one()
    assert "NOW stop promotions: reward-drift freeze" in body


def test_a_change_that_may_be_none_is_called_noise(life: Life) -> None:
    life.cross("page", {"tier": "enterprise"})
    tell(life, outcome_change=HURT, reward_change=FLAT)
    assert "task_success -7.7 pt, reward +1.7 pt (within noise) for tier=enterprise. " in page(life)[0]


@pytest.mark.parametrize(
    ("rule", "statistic", "threshold", "told"),
    [
        ("restarting", 480.0, 365.0, "at most once in 1.3 years over all checks (threshold 1 year)"),
        ("restarting", 41.0, 30.0, "at most once in 41 days over all checks (threshold 30 days)"),
        ("voice", 3e9, 3650.0, "at most once in over 1,000 years over all checks (threshold 10 years)"),
        ("guard", 43.2, 20.0, "ever this strong with probability 1 in 43 at most (threshold 1 in 20)"),
        ("known start", float("inf"), 200.0, "ever this strong with probability 1 in 1,000,000,000 at most"),
    ],
)
def test_certainty_is_told_in_the_unit_of_its_rule(rule: str, statistic: float, threshold: float, told: str) -> None:
    strong = evidence(rule=rule, statistic=statistic, threshold=threshold)
    assert chance_alone(strong).startswith(f"CHANCE ALONE: {told}")


def test_missing_outcomes_are_told_from_two_points_on(life: Life) -> None:
    life.cross("page")
    tell(life, evidence=evidence(missing_share=0.021))
    assert ", 2% of outcomes missing" in page(life)[1]
    tell(life, evidence=evidence(missing_share=0.02))
    assert "missing" not in page(life)[1]


def test_the_worst_group_stands_beside_all_users_and_the_guard_is_no_group(life: Life) -> None:
    life.cross("page", {}, {"tier": "pro"}, {"tier": "free"}, {"baseline": "v0"})
    guarded = evidence(rule="guard", statistic=43.0, threshold=20.0)
    for number, lost, strong in ((2, -0.103, ALERT.evidence), (3, -0.05, ALERT.evidence), (4, -0.2, guarded)):
        tell(life, number, n=397, outcome_change=Interval(lost, lost - 0.02, lost + 0.02), evidence=strong)
    tell(life, n=1158, outcome_change=HURT)
    assert page(life)[2].startswith(
        "WHO: all users -7.7 pt (n=1,158); worst tier=pro -10.3 pt (n=397). +3 more alerts of the same checkpoint."
    )
    assert "; all users together -7.7 pt (n=1,158); next tier=free -5.0 pt" in page(life, 2)[2]
    assert ". All users (against the first baseline). " in page(life, 4)[0]


def test_the_worst_of_several_speaks_and_its_number_stands_in_every_command(life: Life) -> None:
    life.cross("page", {}, {"tier": "pro"})
    life.observe(2)
    mild, worst = tell(life, n=10), tell(life, 2, n=100_000, checkpoint="other")
    members = [life.stored(1), life.stored(2)]
    lines = page_lines(combined([mild, worst], "loop", "loop"), members, facts(life))
    assert f" for tier=pro. Live now: {ALERT.checkpoint}, which followed other. " in lines[0]
    assert "+2 more alerts: reward-drift alerts list. " in lines[2]
    for line in lines[3:]:
        assert re.findall(r"(?:alert|show|ack) (\d+)", line) == ["2"] * len(re.findall(r"(?:alert|show|ack) \d", line))
        assert re.search(r"(?:alert|show|ack) 2", line)


def test_stale_data_are_a_doubt_on_the_page(life: Life) -> None:
    life.cross("page")
    life.later(20 * DAY)
    assert "MAY BE A DATA FAULT: stale: event 21 d, feedback 21 d, outcome 20 d" in page(life)[2]


def test_an_alert_about_the_machinery_says_that_harm_would_not_be_seen(life: Life) -> None:
    life.observe(2)
    what, message, who, do, on = page(life)
    assert what.startswith(
        "[WARNING] loop: Data have stopped, stage=s0. Harm would not be seen meanwhile: alert since "
    )
    assert message == "loop: late"
    assert who.startswith("WHO: nobody is known to be hurt, and harm would not be seen meanwhile. ")
    assert do == (
        "FIRST: the steps below. THEN: reward-drift freeze --reason 'alert 1' until it is settled (can be undone)."
        " Today is soon enough"
    )
    assert "steps: reward-drift runbook no_data | mute 24h, fixes nothing: reward-drift alerts ack 1 --for 24h" in on


def test_shares_that_events_told_count_more_than_counted_ones(life: Life) -> None:
    told = {"checkpoint": ALERT.checkpoint, "traffic_share": 0.62}
    put(life.store, [event("checkpoint", START, told), event("checkpoint", START, {"checkpoint": "old"})])
    life.cross("page")
    assert re.search(r"LIVE since \d+ \w+ \(now 62%\)", page(life)[0])


def test_a_checkpoint_serves_since_its_share_was_last_none(life: Life) -> None:
    for days, share in ((0, 1.0), (2, 0.0), (4, 0.1), (6, 1.0)):
        told = {"checkpoint": ALERT.checkpoint, "traffic_share": share}
        put(life.store, [event("checkpoint", START + days * DAY, told)])
    life.cross("page")
    assert f"LIVE since {START + 4 * DAY:%-d %b} (now 100%)" in page(life)[0]


def test_since_when_is_not_said_where_no_event_told(life: Life) -> None:
    life.cross("page")
    assert f"{ALERT.checkpoint} LIVE (now 100%)." in page(life)[0]


def test_a_checkpoint_that_serves_nobody_can_wait(life: Life) -> None:
    put(life.store, [event("checkpoint", START, {"checkpoint": "another", "traffic_share": 1.0})])
    life.cross("page")
    what, *_, do, _ = page(life)
    assert f"{ALERT.checkpoint}, not serving." in what
    assert do.endswith(f"THEN: do not promote {ALERT.checkpoint}. Can wait for 08:00: it serves nobody")
    assert "STAYS LIVE" not in do


def test_a_checkpoint_that_a_later_one_replaced_cannot_wait(life: Life) -> None:
    """A loop that ships each week blames one that serves no more: that is no end of the harm."""
    put(life.store, [response("old", START - DAY, "old")])
    put(life.store, [event("checkpoint", NOW - DAY, {"checkpoint": "newest", "traffic_share": 1.0})])
    life.cross("page")
    tell(life, outcome_change=HURT, attribution="gaming", evidence=evidence(likely_start=(START + 5 * DAY).date()))
    what, *_, do, _ = page(life)
    assert f"Live now: newest, which followed {ALERT.checkpoint}." in what
    assert "newest STAYS LIVE" in do
    assert do.endswith(
        "THEN: roll back to old (served before) with your own tools. TONIGHT: newest is live, and nothing shows that"
        " the harm ended"
    )


def test_the_page_of_an_alert_that_is_over_calls_no_roll_back_a_harm(life: Life) -> None:
    put(life.store, [response("old", START - DAY, "old")])
    put(life.store, [event("checkpoint", NOW - DAY, {"checkpoint": "old", "traffic_share": 1.0})])
    life.cross("page")
    tell(life, outcome_change=HURT, attribution="gaming", evidence=evidence(likely_start=(START + 5 * DAY).date()))
    for _ in range(2):
        what, *_, do, _ = page(life)
        assert f"{ALERT.checkpoint}, not serving." in what
        assert do.endswith("Can wait for 08:00: it serves nobody")
        if life.stored().is_open:
            life.resolve()


def test_who_serves_by_night_alone_serves(life: Life) -> None:
    """However many answers others gave since."""
    nightly = [response(f"n{n}", NOW - 10 * HOUR + n * MINUTE, "nightly") for n in range(30)]
    put(life.store, nightly + [response(f"m{n}", NOW - HOUR + n * MINUTE / 60, "main") for n in range(3_000)])
    with reading(life.store.engine) as connection:
        assert {*live_checkpoints(connection, NOW)} == {"nightly", "main", ALERT.checkpoint}


@pytest.mark.parametrize(("severity", "soon"), [("warning", "Today"), ("ticket", "This week")])
def test_less_than_a_page_can_wait(life: Life, severity: str, soon: str) -> None:
    life.cross(severity)
    assert page(life)[3].startswith("FIRST stop promotions: ")
    assert page(life)[3].endswith(f". {soon} is soon enough")


@pytest.mark.parametrize("attribution", ["inflation", "undecided"])
def test_nobody_is_called_hurt_whose_outcome_may_be_as_before(life: Life, attribution: str) -> None:
    life.cross("page")
    tell(life, attribution=attribution, outcome_change=FLAT)
    assert page(life)[3].endswith(
        "THEN: have people label (reward-drift label-queue --items responses -o queue.csv) before any roll-back."
        " TONIGHT: it serves users now"
    )


def test_no_checkpoint_is_blamed_where_users_held_back_lost_too(life: Life) -> None:
    life.cross("page")
    tell(life, attribution=SHARED, outcome_change=HURT)
    what, *_, do, _ = page(life)
    assert "No checkpoint to blame: users held back lost too." in what
    assert ALERT.checkpoint not in what + do
    assert "THEN: look for an outage; rolling back would not help. TONIGHT: users are being hurt now" in do


def test_an_alert_of_a_judge_names_its_pairs_and_no_roll_back(life: Life) -> None:
    life.cross("warning", {"judge": "gpt"}, check="judge_human_agreement")
    tell(life, attribution="judge_noise", checkpoint="", effect=HURT, n=200)
    what, sure, who, do, _ = page(life)
    assert what.startswith("[WARNING] loop: The judge agrees less with people, judge=gpt. Began by ")
    assert "n=200 pairs" in sure
    assert who.startswith("WHO: seen in a judge, not in traffic")
    assert "roll back" not in do


def test_the_runbook_has_a_part_for_every_story_that_a_page_can_name() -> None:
    named = {"undecided", SHARED, *PARENTS, *PARENTS.values()}
    parts = re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \|$", read_runbook(CHECK), re.MULTILINE)
    assert {ATTRIBUTIONS[one] for one in named} <= set(parts)


def test_no_stranger_reaches_the_terminal(life: Life) -> None:
    life.cross("page")
    nasty = hostile_report().alerts[0]
    with writing(life.store.engine) as connection:
        keep_alert(connection, 1, replace(nasty, severity="page", message="a\x1b[31m\u202e: b\nc"))
    lines = page(life)
    assert len(lines) == 5
    for line in lines:
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)
