"""Is a transition told now, later or never? A pure function that answers with a named reason; the time is passed in."""

import datetime as dt
import enum
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from monitor.oncall.alerts import OPEN, Reason, is_inferred
from monitor.oncall.episodes import StoredEpisode
from monitor.oncall.hold import ENDED, SAME_EPISODE
from monitor.oncall.silences import SAFETY, family_of
from monitor.settings import Settings

LONGEST_WITHHELD = dt.timedelta(hours=24)  # bad data must not hide a harm for ever
FAST_OUTCOME = dt.timedelta(hours=24)  # a page about an outcome that is known so soon wakes people
OPENING = (Reason.FIRED, Reason.RAISED, Reason.REOPENED, Reason.LAPSED)
ENDING = (Reason.RESOLVED, Reason.RECOVERED, Reason.SUPERSEDED)
ACKING = (Reason.ACKED, Reason.UNACKED)


class Telling(enum.StrEnum):
    """What becomes of a transition."""

    SENT = "sent"
    SILENCED = "silenced"  # muted; the silence's end tells what still fires
    FLAPPING = "flapping"  # receivers believe it open: they were told that it flaps
    OVER = "over"  # it ended, or was taken, before it was told
    NOTHING = "nothing"  # there is nothing to tell of it
    WITHHELD = "withheld"  # its data are unhealthy; told when they are well, or after a day
    NIGHT = "waits for the day"
    LIMITED = "waits for the hour"  # enough pages in the last hour
    CALMING = "waits for calm"  # it flapped: its end is told when it lasted a day
    UNHEARD = "waits for a receiver"  # there is none yet


WAITING = (Telling.WITHHELD, Telling.NIGHT, Telling.LIMITED, Telling.CALMING, Telling.UNHEARD)


@dataclass(frozen=True)
class Facts:
    """What is known when a transition is decided about.

    reason, severity, at: of the transition. stored: the episode as it is now. heard: what receivers believe of it:
    "open", "ended", or "" while they never heard of it. silenced: a silence mutes it. unhealthy: so are its data.
    alone: there is no receiver.
    """

    reason: str
    severity: str
    at: dt.datetime
    stored: StoredEpisode
    heard: str = ""
    silenced: bool = False
    unhealthy: bool = False
    alone: bool = False


def decide(facts: Facts, settings: Settings, now: dt.datetime) -> Telling:
    """What becomes of a transition now. What waits is asked again at each step, restarts included."""
    if facts.reason in OPENING:
        return _opening(facts, settings, now)
    if facts.reason in ENDING:
        return _ending(facts, now)
    if facts.reason in ACKING and facts.heard == "open" and not facts.silenced:
        return Telling.SENT
    return Telling.NOTHING


def _opening(facts: Facts, settings: Settings, now: dt.datetime) -> Telling:
    state = facts.stored.episode.state
    if state not in OPEN or (facts.reason == Reason.LAPSED and state == "acked"):
        return Telling.OVER
    if facts.silenced:
        return Telling.SILENCED
    if facts.unhealthy and now - facts.at < LONGEST_WITHHELD:
        return Telling.WITHHELD
    if facts.reason == Reason.REOPENED and facts.heard == "open":
        return Telling.FLAPPING
    if now < due(facts, settings):
        return Telling.NIGHT
    return Telling.UNHEARD if facts.alone else Telling.SENT


def _ending(facts: Facts, now: dt.datetime) -> Telling:
    if facts.heard != "open":
        return Telling.NOTHING
    if facts.stored.episode.state in OPEN:
        return Telling.OVER
    waits = facts.stored.reopened > 0 and now - facts.at < SAME_EPISODE
    return Telling.CALMING if waits or facts.stored.episode.state not in ENDED else Telling.SENT


def due(facts: Facts, settings: Settings) -> dt.datetime:
    """From when on it may be told: at once, or, about an outcome that takes longer than a day, when the day begins.

    Safety, tickets and the machinery never wait.
    """
    quiet, episode = settings.alerts.quiet_hours, facts.stored.episode
    slow = settings.outcome.horizon > FAST_OUTCOME and is_inferred(episode) and facts.severity != "ticket"
    if quiet is None or not slow or family_of(episode.check) == SAFETY:
        return facts.at
    begins, ends = quiet
    local = facts.at.astimezone(ZoneInfo(settings.alerts.timezone))
    asleep = begins <= local.time() < ends if begins < ends else local.time() >= begins or local.time() < ends
    if not asleep:
        return facts.at
    morning = dt.datetime.combine(local.date(), ends, local.tzinfo)
    later = morning if morning > local else dt.datetime.combine(local.date() + dt.timedelta(days=1), ends, local.tzinfo)
    return later.astimezone(dt.UTC)
