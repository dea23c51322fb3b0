"""What must a woken reader know, in five lines? Is it real, who is hurt, what is safe to do, can it wait?

1 what      product and harm first: a notification shows no more
2 how sure  how often chance alone would do it, how much, over how many
3 who       who is hurt, what else is open, whether the data can be trusted
4 do        what is safe and what it does not do, what comes then, how soon
5 more      where to read on, and how to be left alone meanwhile
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from consumers.incidents import read_incidents
from monitor.oncall import page_words
from monitor.oncall.episodes import StoredEpisode
from monitor.oncall.freshness import WORDS, Stage, read_stages
from monitor.oncall.serving import Before, Live, live_checkpoints, ways_back
from monitor.oncall.words import ago
from monitor.report import wording
from monitor.result import Alert, Evidence
from monitor.settings import Settings
from monitor.statistics.verdicts import SHARED
from monitor.telling.explain import DECOUPLING_CHECK

WITHHELD = """
    SELECT COUNT(DISTINCT t.episode) FROM alert_transition AS t JOIN alert_episode AS e ON e.id = t.episode
    WHERE e.loop = :loop AND t.told = 'withheld' AND e.state IN ('firing', 'acked')
"""
SOON = {"warning": "Today is soon enough", "ticket": "This week is soon enough"}


@dataclass(frozen=True)
class Known:
    """What the store knows at the moment of a page. serving: the checkpoints that have traffic.

    horizon: how long an outcome takes, so that what began to show on a day was answered that much earlier. before: by
    such a moment, of the likely starts of open alerts, what served before it.
    """

    loop: str
    outcome: str
    unit: str
    horizon: dt.timedelta
    serving: Mapping[str, Live]
    stages: Sequence[Stage]
    incidents: int
    open_alerts: Sequence[StoredEpisode]
    withheld: int
    before: Mapping[dt.datetime, Before]

    def answered(self, evidence: Evidence) -> dt.datetime:
        """When the answers were given whose outcomes first showed it."""
        return dt.datetime.combine(evidence.likely_start, dt.time(), dt.UTC) - self.horizon

    def successors(self, alert: Alert) -> list[str]:
        """Who serves in place of a blamed checkpoint that had traffic and has none now, as far as it came after it.

        Production's harm is then not known to have ended. None where traffic went back to whoever served before, where
        the blamed one still serves or never did, and where an alert speaks of held-out items or judges.
        """
        if alert.evidence is None or not alert.checkpoint or alert.checkpoint in self.serving:
            return []
        if alert.check in page_words.ON_HELD_OUT or page_words.is_judges(alert) or alert.attribution == SHARED:
            return []
        start = self.answered(alert.evidence)
        if start not in self.before:  # of an alert that is over
            return []
        before = self.before[start].served
        later = [name for name, live in self.serving.items() if name not in before and not _is_older(live, start)]
        return sorted(later, key=lambda name: -self.serving[name].share)


def _is_older(live: Live, start: dt.datetime) -> bool:
    return live.since is not None and live.since < start


def known(connection: Connection, settings: Settings, episodes: Iterable[StoredEpisode], now: dt.datetime) -> Known:
    """Read what a page says beside its alert."""
    open_alerts = [stored for stored in episodes if stored.is_open]
    alerts = [alert for stored in open_alerts if (alert := stored.alert) is not None and alert.evidence is not None]
    facts = Known(
        loop=settings.loop,
        outcome=settings.outcome.metric,
        unit=settings.unit,
        horizon=settings.outcome.horizon,
        serving=live_checkpoints(connection, now),
        stages=read_stages(connection, settings, now),
        incidents=len(read_incidents(connection, open_only=True)),
        open_alerts=open_alerts,
        withheld=int(connection.execute(text(WITHHELD), {"loop": settings.loop}).scalar_one()),
        before={},
    )
    starts = [facts.answered(alert.evidence) for alert in alerts if alert.evidence]
    blamed = [alert.checkpoint for alert in alerts]
    return replace(facts, before=ways_back(connection, settings.loop, starts, blamed))


def page_lines(alert: Alert, members: Sequence[StoredEpisode], known_: Known) -> list[str]:
    """The page: five lines of plain text, safe for a terminal. members: the episodes it speaks of, at least one."""
    mine = _own(alert, members)
    return [
        _what(alert, known_),
        _how_sure(alert, known_),
        _who(alert, mine, members, known_),
        _do(alert, mine, known_),
        _more(alert, mine),
    ]


def _own(alert: Alert, members: Sequence[StoredEpisode]) -> StoredEpisode:
    """The episode of the alert that speaks for all of them."""
    return next((one for one in members if one.fingerprint == alert.fingerprint), members[0])


def _what(alert: Alert, known_: Known) -> str:
    """Product, harm, for whom, under which checkpoint, since when."""
    told = f"alert since {alert.fired_at.astimezone(dt.UTC):%-d %b %H:%M} UTC"
    head = f"[{wording.name(alert.severity).upper()}] {wording.name(known_.loop, 30)}: "
    head += page_words.harm(alert, known_.outcome)
    if alert.evidence is None:
        return f"{head}{_where(alert)}. Harm would not be seen meanwhile: {told}"
    start = f"Began by ~{alert.evidence.likely_start:%-d %b}, {told}"
    return " ".join([f"{head}{_where(alert)}.", *_checkpoint(alert, known_), start])


def _where(alert: Alert) -> str:
    """Whom it is about; everybody in a sentence of its own."""
    told = page_words.group(alert)
    if alert.evidence is None or page_words.is_judges(alert) or told.startswith("users of "):
        return f", {told}" if alert.slice else ""
    return f". {told.capitalize()}" if told.startswith("all users") else f" for {told}"


def _checkpoint(alert: Alert, known_: Known) -> list[str]:
    """Who is blamed, and whether it serves; nobody where users held back lost as well."""
    if alert.attribution == SHARED:
        return ["No checkpoint to blame: users held back lost too."]
    if not alert.checkpoint:
        return []
    live = known_.serving.get(alert.checkpoint)
    if live is None:
        later = known_.successors(alert)
        if later:
            return [f"Live now: {wording.name(later[0])}, which followed {wording.name(alert.checkpoint)}."]
        return [f"{wording.name(alert.checkpoint)}, not serving."]
    since = f" since {live.since.astimezone(dt.UTC):%-d %b}" if live.since else ""
    return [f"{wording.name(alert.checkpoint)} LIVE{since} (now {live.share:.0%})."]


def _how_sure(alert: Alert, known_: Known) -> str:
    """How sure and how much; of a count, what it says."""
    if alert.evidence is None:
        return wording.name(alert.message, 400)
    sure = page_words.chance_alone(alert.evidence)
    return f"{sure}. {page_words.effect(alert, known_.outcome, known_.unit)}"


def _who(alert: Alert, mine: StoredEpisode, members: Sequence[StoredEpisode], known_: Known) -> str:
    """Who is hurt, what else is open, and whether the data are at fault."""
    others = list({one.id: one for one in (*members, *known_.open_alerts) if one.id != mine.id}.values())
    parts = [_hurt(alert, others), *_also(alert, others), data_health(known_)]
    if known_.withheld:
        parts.insert(-1, f"{known_.withheld} withheld until the data are well")
    return "WHO: " + ". ".join(parts)


def _hurt(alert: Alert, others: Sequence[StoredEpisode]) -> str:
    """All users and the group that lost most, as far as alerts say so."""
    if alert.evidence is None:
        return "nobody is known to be hurt, and harm would not be seen meanwhile"
    if page_words.is_judges(alert):
        return "seen in a judge, not in traffic: nobody is known to be hurt"
    if alert.check in page_words.ON_HELD_OUT:
        return "seen on held-out items, not in traffic: nobody is known to be hurt"
    if alert.check != DECOUPLING_CHECK or alert.outcome_change.value is None:
        return f"{page_words.group(alert)} (n={alert.n:,})"
    beside = [one for stored in others if (one := stored.alert) and one.check == DECOUPLING_CHECK]
    lost = sorted((one for one in beside if (one.outcome_change.value or 0.0) < 0), key=_change)
    everybody = sorted((one for one in lost if not page_words.of_some(one)), key=page_words.is_first_baselines)
    parts = [one for one in lost if page_words.of_some(one)]
    if not page_words.of_some(alert):
        return "; worst ".join(_loss(one) for one in (alert, *parts[:1]))
    together = [f"all users together {_loss(one).removeprefix('all users ')}" for one in everybody[:1]]
    rest = f"next {_loss(parts[0])}" if parts else "no other group alerted"
    return "; ".join([_loss(alert), *together, rest])


def _change(alert: Alert) -> float:
    return alert.outcome_change.value or 0.0


def _loss(alert: Alert) -> str:
    return f"{page_words.group(alert)} {wording.points(alert.outcome_change.value)} (n={alert.n:,})"


def _also(alert: Alert, others: Sequence[StoredEpisode]) -> list[str]:
    if not others:
        return []
    told = f"+{wording.plural(len(others), 'more alert')}"
    same = alert.checkpoint and all((one.alert or alert).checkpoint == alert.checkpoint for one in others)
    return [f"{told} of the same checkpoint" if same else f"{told}: reward-drift alerts list"]


def data_health(known_: Known) -> str:
    """Whether the data could be at fault: the oldest of the stages, or those that are stale, and open incidents."""
    stale = [stage for stage in known_.stages if stage.is_stale]
    if not stale and not known_.incidents:
        oldest = max(known_.stages, key=lambda stage: stage.age or dt.timedelta(0))
        return f"Inputs fresh (oldest: {WORDS[oldest.name]}, {ago(oldest.age)}), no gap in the data"
    late = ", ".join(f"{stage.name} {ago(stage.age)}" for stage in stale)
    gaps = wording.plural(known_.incidents, "open incident") if known_.incidents else ""
    return f"MAY BE A DATA FAULT: {', '.join(part for part in (late and f'stale: {late}', gaps) if part)}"


def _do(alert: Alert, mine: StoredEpisode, known_: Known) -> str:
    """What is safe now and what it leaves as it is, what comes then, and how soon."""
    freeze = f"reward-drift freeze --reason 'alert {mine.id}'"
    first = "NOW" if alert.severity == "page" else "FIRST"
    if alert.evidence is None:
        steps = f"{first}: the steps below. THEN: {freeze} until it is settled (can be undone)"
    else:
        live = [alert.checkpoint] if alert.checkpoint in known_.serving else known_.successors(alert)
        stays = f"; {wording.name(live[0])} STAYS LIVE" if live and alert.attribution != SHARED else ""
        steps = f"{first} stop promotions: {freeze} (can be undone{stays}). THEN: {_then(alert, known_)}"
    return f"{steps}. {_when(alert, known_)}"


def _then(alert: Alert, known_: Known) -> str:
    if page_words.is_judges(alert):
        return "pin the judge's revision, have people label what it judged"
    if alert.attribution == SHARED:
        return "look for an outage; rolling back would not help"
    if alert.check == DECOUPLING_CHECK and (alert.attribution == "inflation" or not _is_hurting(alert)):
        return "have people label (reward-drift label-queue --items responses -o queue.csv) before any roll-back"
    if alert.checkpoint and alert.checkpoint not in known_.serving and not known_.successors(alert):
        return f"do not promote {wording.name(alert.checkpoint)}"
    return _way_back(alert, known_)


def _way_back(alert: Alert, known_: Known) -> str:
    """Where to roll back to, by name where an open alert's likely start was looked up."""
    assert alert.evidence is not None
    start = known_.answered(alert.evidence)
    before = known_.before.get(start)
    if before and before.back:
        return f"roll back to {wording.name(before.back, 80)} with your own tools"
    if before or any(one.fingerprint == alert.fingerprint for one in known_.open_alerts):
        return "no earlier checkpoint is known to roll back to"
    return f"roll back to the last checkpoint that served before {start:%-d %b}"


def _when(alert: Alert, known_: Known) -> str:
    """Whether it can wait."""
    if alert.severity != "page":
        return SOON.get(alert.severity, SOON["ticket"])
    if alert.evidence is None:
        return "TONIGHT: harm would not be seen meanwhile"
    if later := known_.successors(alert):
        return f"TONIGHT: {wording.name(later[0])} is live, and nothing shows that the harm ended"
    if alert.checkpoint and alert.attribution != SHARED and alert.checkpoint not in known_.serving:
        return "Can wait for 08:00: it serves nobody"
    return "TONIGHT: users are being hurt now" if _is_hurting(alert) else "TONIGHT: it serves users now"


def _is_hurting(alert: Alert) -> bool:
    """Whether the outcome is shown to be worse, not only below what the reward promised."""
    return alert.outcome_change.high is not None and alert.outcome_change.high < 0


def _more(alert: Alert, mine: StoredEpisode) -> str:
    """Where to read on, and how to quiet it, which mends nothing."""
    hours = 4 if alert.severity == "page" else 24
    part = f" (part: {wording.title_of(alert.attribution)})" if alert.check == DECOUPLING_CHECK else ""
    return (
        f"more: reward-drift alerts show {mine.id} | steps: reward-drift runbook {wording.name(alert.check)}{part}"
        f" | mute {hours}h, fixes nothing: reward-drift alerts ack {mine.id} --for {hours}h"
    )
