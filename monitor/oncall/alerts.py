"""How does an alert live? Pure transitions with named reasons; storage and delivery are elsewhere."""

import enum
import hashlib
import json
from dataclasses import dataclass, replace
from typing import NamedTuple

from monitor.check import Slice

SEVERITIES = ("ticket", "warning", "page")
OPEN = ("firing", "acked")
OPERATIONAL = "operational"  # the rule of an alert about the machinery: it has a hold, and ends by itself
CENSUS = "census"  # the rule of an alert that stands on a count and not on evidence
GUARD = "guard"  # the rule of an alert that compares with the first baseline, for ever
RULE_VERSION = 1  # part of the fingerprint: a changed rule is another alert


class Reason(enum.StrEnum):
    """Why a transition happened, or why none did."""

    FIRED = "fired"  # first crossing of an episode
    RAISED = "raised"  # a severer threshold within the episode
    LATCHED = "latched"  # open, nothing new
    SUPERSEDED = "superseded"  # labels were corrected and the path no longer crosses, or the rule is asked no more
    RESOLVED = "resolved"  # somebody decided
    PENDING = "pending"  # an operational rule is broken, its hold is running
    CALMED = "calmed"  # it was not broken for as long as its hold
    RECOVERING = "recovering"  # better than its recovery threshold, not often enough yet
    RECOVERED = "recovered"  # better than its recovery threshold three times
    REOPENED = "reopened"  # broken again within a day
    QUIET = "quiet"  # not broken
    UNKNOWN = "unknown"  # nothing can be said: that opens nothing and ends nothing
    REPEATED = "repeated"  # asked again at a moment that was decided
    ACKED = "acked"  # somebody has it
    UNACKED = "unacked"  # he gave it back
    LAPSED = "lapsed"  # his time is over


@dataclass(frozen=True)
class Crossing:
    """One severity latched on one day by one rule (restarting, known start, guard or census)."""

    severity: str
    rule: str
    day: int


class EpisodeKey(NamedTuple):
    """At most one episode is open for each of these."""

    slice: str
    check: str


@dataclass(frozen=True)
class Episode:
    """One alert from its first crossing until it is resolved. `day` numbers count from 1970-01-01."""

    check: str
    slice_name: str
    slice: Slice
    crossings: tuple[Crossing, ...]
    state: str = "firing"  # pending | firing | acked | resolved | superseded; open: firing or acked

    @property
    def severity(self) -> str:
        """The severest latched threshold."""
        return self.crossings[-1].severity

    @property
    def since(self) -> int:
        """The day on which it was first told: evidence crosses at the close of a day, a count during one."""
        first = self.crossings[0]
        return first.day if first.rule in (CENSUS, OPERATIONAL) else first.day + 1

    def fingerprint(self, loop: str) -> str:
        """The same for every episode of this rule: loop, check, rule version, slice; never values, times or hosts."""
        told = json.dumps([loop, self.check, RULE_VERSION, dict(sorted(self.slice.items())), "worse"])
        return hashlib.sha256(told.encode()).hexdigest()


def transition(
    episode: Episode | None, level: tuple[str, str], day: int, check: str, slice_name: str, part: Slice
) -> tuple[Episode, Reason]:
    """The episode after the close of a day on which `level` (severity, rule) was crossed, and why.

    A severity latches: it is told once an episode, and falling evidence resolves nothing. A severer one ends an ack.

    >>> episode, why = transition(None, ("ticket", "restarting"), 20000, "reward_outcome_decoupling", "", {})
    >>> episode, why = transition(episode, ("page", "restarting"), 20003, "reward_outcome_decoupling", "", {})
    >>> why.value, episode.severity
    ('raised', 'page')
    """
    crossing = Crossing(*level, day)
    if episode is None:
        return Episode(check, slice_name, part, (crossing,)), Reason.FIRED
    if SEVERITIES.index(crossing.severity) > SEVERITIES.index(episode.severity):
        return replace(episode, crossings=(*episode.crossings, crossing), state="firing"), Reason.RAISED
    return episode, Reason.LATCHED


def is_guard(episode: Episode) -> bool:
    """Whether the episode is the guard's: no decision about the rolling baseline ends it."""
    return episode.crossings[0].rule == GUARD


def is_inferred(episode: Episode) -> bool:
    """Whether evidence carries it: no count, and nothing about the machinery."""
    return episode.crossings[0].rule not in (CENSUS, OPERATIONAL)
