"""Whatever happens in whatever order: does the store agree with a small model of an alert's life?

Events: evidence crosses, a reading is broken, well or unknown, ack, unack, silence, decision, time, restart.
"""

import datetime as dt

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.monitor.alert_life import DAY, HOUR, MINUTE, Life
from tests.monitor.events import in_memory
from tests.monitor.live import query

SEVERITIES = ("ticket", "warning", "page")
ACKS = {"page": 4 * HOUR}
HOLD = 10 * MINUTE
NOT_OVER = "SELECT COUNT(*) FROM alert_episode WHERE state IN ('pending', 'firing', 'acked') GROUP BY check_name"
UNDECIDED = "SELECT COUNT(*) FROM alert_transition WHERE told IS NULL AND reason IN ('fired', 'raised', 'reopened')"
PAGED = """
    SELECT at_us FROM alert_message WHERE severity = 'page' AND kind IN ('fired', 'raised', 'digest', 'reminder')
"""
CHECKS = {"evidence": "reward_outcome_decoupling", "machinery": "no_data"}


class Model:
    """What should be true of one alert on evidence and one about the machinery, in plain variables."""

    def __init__(self, now: dt.datetime) -> None:
        self.now = now
        self.state = {"evidence": "none", "machinery": "none"}
        self.severity = -1
        self.acked_until: dict[str, dt.datetime | None] = {"evidence": None, "machinery": None}
        self.broke = now
        self.good = 0

    def lapse(self) -> None:
        for which, until in self.acked_until.items():
            if self.state[which] == "acked" and until is not None and until <= self.now:
                self.state[which], self.acked_until[which] = "firing", None

    def cross(self, severity: int) -> None:
        if self.state["evidence"] not in ("firing", "acked"):
            self.state["evidence"], self.severity = "firing", severity
        elif severity > self.severity:
            self.state["evidence"], self.severity = "firing", severity
            self.acked_until["evidence"] = None

    def read(self, value: float | None) -> None:
        state = self.state["machinery"]
        broken, well = value is not None and value > 1, value is not None and value <= 0.5
        if state in ("none", "resolved"):
            if broken:
                self.broke, self.good = self.now, 0
                self.state["machinery"] = "pending"
        elif state == "pending":
            if broken and self.now - self.broke >= HOLD:
                self.state["machinery"], self.good = "firing", 0
            elif value is not None and not broken:
                self.state["machinery"] = "resolved"
        elif value is not None:
            self.good = self.good + 1 if well else 0
            if self.good == 3:
                self.state["machinery"], self.acked_until["machinery"] = "resolved", None

    def ack(self, which: str) -> None:
        severity = SEVERITIES[self.severity] if which == "evidence" else "warning"
        self.state[which], self.acked_until[which] = "acked", self.now + ACKS.get(severity, DAY)


class Lives(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.life = Life(in_memory())
        self.model = Model(self.life.now)
        self.day = 0

    def teardown(self) -> None:
        if hasattr(self, "life"):
            self.life.store.close()

    def tick_on(self, wait: dt.timedelta) -> None:
        """Time passes, and the step of the clock is taken, so that no two things happen at one moment."""
        self.life.later(wait)
        self.model.now = self.life.now
        self.model.lapse()
        self.life.step()

    @rule(severity=st.integers(0, 2))
    def cross(self, severity: int) -> None:
        self.tick_on(DAY)  # evidence is looked at once a day
        self.life.cross(SEVERITIES[severity])
        self.model.cross(severity)

    @rule(value=st.sampled_from([2.0, 2.0, 0.8, 0.1, 0.1, 0.1, None]), wait=st.sampled_from([MINUTE, HOLD, HOUR]))
    def read(self, value: float | None, wait: dt.timedelta) -> None:
        self.tick_on(wait)
        self.life.observe(value, hold=HOLD)
        self.model.read(value)

    @rule(which=st.sampled_from(list(CHECKS)))
    def ack(self, which: str) -> None:
        number = self.open_number(which)
        if number is not None:
            self.life.ack(number)
            self.model.ack(which)

    @rule(which=st.sampled_from(list(CHECKS)))
    def unack(self, which: str) -> None:
        if self.model.state[which] == "acked":
            number = self.open_number(which)
            assert number is not None
            self.life.unack(number)
            self.model.state[which], self.model.acked_until[which] = "firing", None

    @rule(which=st.sampled_from(list(CHECKS)), hours=st.integers(1, 100))
    def silence(self, which: str, hours: int) -> None:
        self.life.silence(hours * HOUR, check=CHECKS[which])

    @precondition(lambda self: self.model.state["evidence"] in ("firing", "acked"))
    @rule()
    def decide(self) -> None:
        number = self.open_number("evidence")
        assert number is not None
        self.life.resolve(number)
        self.model.state["evidence"], self.model.acked_until["evidence"] = "resolved", None

    @rule(wait=st.sampled_from([MINUTE, HOUR, 5 * HOUR, DAY, 3 * DAY]))
    def tick(self, wait: dt.timedelta) -> None:
        self.tick_on(wait)

    @rule()
    def restart(self) -> None:
        before = self.life.sent()
        self.life = self.life.restarted()
        self.life.step()
        self.life.step()
        assert self.life.sent()[len(before) + 1 :] == [], "a restart told more than what was due"

    def newest(self, which: str) -> tuple[int, str] | None:
        rows = query(
            self.life.store,
            f"SELECT id, state FROM alert_episode WHERE check_name = '{CHECKS[which]}' ORDER BY id DESC LIMIT 1",
        )
        return rows[0] if rows else None  # type: ignore[return-value]

    def open_number(self, which: str) -> int | None:
        found = self.newest(which)
        return found[0] if found and found[1] in ("firing", "acked") else None

    @invariant()
    def the_states_agree(self) -> None:
        for which, expected in getattr(self, "model", Model(dt.datetime.min)).state.items():
            found = self.newest(which)
            assert (found[1] if found else "none") == expected, which

    @invariant()
    def no_more_than_one_episode_is_open_for_a_rule(self) -> None:
        if hasattr(self, "life"):
            counted = (
                "SELECT COUNT(*) FROM alert_episode WHERE state IN ('pending', 'firing', 'acked') GROUP BY check_name"
            )
            assert all(count == 1 for (count,) in query(self.life.store, counted))

    @invariant()
    def every_opening_was_decided_about(self) -> None:
        if hasattr(self, "life"):
            assert query(self.life.store, UNDECIDED) == [(0,)]

    @invariant()
    def no_hour_has_more_than_three_pages_and_a_reminder(self) -> None:
        if hasattr(self, "life"):
            moments, hour = [at for (at,) in query(self.life.store, PAGED)], HOUR // dt.timedelta(microseconds=1)
            assert all(sum(at - hour < other <= at for other in moments) <= 4 for at in moments)

    @invariant()
    def an_incident_of_a_receiver_ends_with_its_episode(self) -> None:
        if hasattr(self, "life"):
            last = """
                SELECT e.state, m.kind, e.reopened FROM alert_episode AS e JOIN alert_message AS m
                    ON m.dedup_key = e.fingerprint || ':' || e.id
                WHERE m.id IN (SELECT MAX(id) FROM alert_message WHERE kind IN ('fired', 'raised', 'resolved')
                    GROUP BY dedup_key)
            """
            for state, kind, reopened in query(self.life.store, last):
                if state in ("firing", "acked"):
                    silenced = "SELECT COUNT(*) FROM alert_transition WHERE told IN ('silenced', 'withheld')"
                    assert kind != "resolved" or query(self.life.store, silenced) != [(0,)]
                if state == "resolved" and not reopened:
                    assert kind == "resolved"


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
