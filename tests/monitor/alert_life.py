"""A loop's alerts lived by hand: crossings, data that stop, acks and silences, under a clock that a test moves."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import text

from consumers.database import writing
from consumers.store import EventStore
from monitor.detection.state import MonitorState
from monitor.oncall import acks, silences
from monitor.oncall.alerts import Episode, transition
from monitor.oncall.episodes import StoredEpisode, read_episodes, save_episodes
from monitor.oncall.hold import Reading
from monitor.oncall.lifecycle import keep_alerts
from monitor.oncall.machinery import observe
from monitor.oncall.remind import end_silences, remind
from monitor.oncall.tell import tell
from monitor.production.items import day_of
from monitor.result import Alert
from monitor.settings import Settings
from monitor.snapshot import slice_name
from tests.monitor.events import START, put, response, settings
from tests.monitor.live import query
from tests.sample_reports import gamed_report

CHECK = "reward_outcome_decoupling"
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)
LOOKED_AT = """
    INSERT INTO monitor_memory
        (loop, settings, baseline, series, errors, arms, fixed, told, first_day, closed, last_seq, format)
    VALUES ('loop', '', '', '[]', '{}', '[]', '[]', '[]', 0, :closed, 0, 0) ON CONFLICT DO NOTHING
"""
ALERT = next(alert for alert in gamed_report().alerts if alert.examples)


def alert_of(episode: Episode, loop: str = "loop") -> Alert:
    """What a look would tell of an episode."""
    told = {"fingerprint": episode.fingerprint(loop), "check": episode.check, "slice": episode.slice}
    return replace(ALERT, **told, severity=episode.severity, message=f"{loop}: harm on {episode.slice_name}")


class Life:
    """One loop, one receiver "r". Everything is in the store: `restarted` is the same loop in a new process."""

    def __init__(self, store: EventStore, chosen: Settings | None = None, now: dt.datetime = START) -> None:
        self.store, self.settings, self.now = store, chosen or settings(), now
        self.receivers: tuple[str, ...] = ("r",)
        MonitorState(store.engine)

    def restarted(self) -> "Life":
        return Life(self.store, self.settings, self.now)

    def later(self, wait: dt.timedelta) -> None:
        self.now += wait

    def cross(self, severity: str, *slices: Mapping[str, str], check: str = CHECK) -> None:
        """One look in which evidence crosses on these slices, all traffic if none is named."""
        with writing(self.store.engine) as connection:
            stored = [one.episode for one in read_episodes(connection, "loop") if one.is_open]
            known = {one.slice_name: one for one in stored if one.check == check}
            episodes = []
            for part in slices or ({},):
                before = known.get(slice_name(part))
                level = (severity, "restarting")
                episodes.append(transition(before, level, day_of(self.now), check, slice_name(part), part)[0])
            fresh = save_episodes(connection, "loop", episodes, [alert_of(one) for one in episodes], self.now)
            tell(connection, self.settings, self.now, self.receivers, fresh)

    def observe(self, *values: float | None, limit: float = 1.0, hold: dt.timedelta = dt.timedelta(0)) -> None:
        """One evaluation of a rule about the machinery; its severity is a warning. Several values: one stage each."""
        stages = [{"stage": f"s{place}"} for place in range(len(values))]
        readings = [
            Reading("no_data", stage, "warning", value, limit, limit / 2, hold, "late")
            for stage, value in zip(stages, values, strict=True)
        ]
        with writing(self.store.engine) as connection:
            observe(connection, "loop", readings, self.now)
            self._step(connection)

    def step(self) -> None:
        """What is due by the clock, without asking how the machinery is."""
        with writing(self.store.engine) as connection:
            self._step(connection)

    def _step(self, connection: Any) -> None:
        acks.lapse(connection, "loop", self.now)
        for do in (tell, end_silences, remind):
            do(connection, self.settings, self.now, self.receivers)

    def keep(self) -> None:
        """The whole step, as the monitor takes it."""
        keep_alerts(self.store.engine, self.settings, self.now, self.now, self.receivers)

    def ack(self, number: int = 1, length: dt.timedelta | None = None) -> None:
        with writing(self.store.engine) as connection:
            acks.ack(connection, "loop", number, "me", "looking", self.now, length)
            tell(connection, self.settings, self.now, self.receivers)

    def unack(self, number: int = 1) -> None:
        with writing(self.store.engine) as connection:
            acks.unack(connection, "loop", number, "me", self.now)
            tell(connection, self.settings, self.now, self.receivers)

    def silence(self, length: dt.timedelta = DAY, **matcher: str) -> int:
        with writing(self.store.engine) as connection:
            given = matcher or {"check": CHECK}
            return silences.add_silence(connection, "loop", given, "me", "known", self.now, length).id

    def looked_at(self) -> None:
        """A look has decided the day, which a decision needs."""
        with writing(self.store.engine) as connection:
            connection.execute(text(LOOKED_AT), {"closed": day_of(self.now) + 1})

    def resolve(self, number: int = 1, decision: str = "rollback") -> None:
        self.looked_at()
        MonitorState(self.store.engine).resolve("loop", number, decision, "note", self.now)
        self.step()

    def arrive(self) -> None:
        """An answer in production, of now."""
        put(self.store, [response(f"a-{self.now.timestamp()}", self.now)])

    def sent(self) -> list[tuple[str, str]]:
        """Kind and severity of every message, oldest first."""
        return query(self.store, "SELECT kind, severity FROM alert_message ORDER BY id")

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.sent()]

    def keys(self) -> list[str]:
        return [key for (key,) in query(self.store, "SELECT dedup_key FROM outbox ORDER BY id")]

    def stored(self, number: int = 1) -> StoredEpisode:
        with self.store.engine.connect() as connection:
            return next(one for one in read_episodes(connection, "loop") if one.id == number)

    def state(self, number: int = 1) -> str:
        return self.stored(number).episode.state

    def told(self) -> list[tuple[str, str | None]]:
        return query(self.store, "SELECT reason, told FROM alert_transition ORDER BY id")
