"""What is not to be sent for a while, and why? A silence mutes notifications alone: never the gate, never safety."""

import datetime as dt
import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, text

from consumers.mendable import Mendable
from monitor.check import REGISTRY, load_checks
from monitor.oncall.episodes import StoredEpisode
from monitor.production.items import EPOCH, microseconds

LONGEST = dt.timedelta(days=7)
SAFETY = "safety"  # the family of checks that nothing mutes
RULES_OF_MACHINERY = "machinery"  # the family of operational rules, which are no checks
ADD = """
    INSERT INTO alert_silence (loop, matcher, author, reason, begins_us, ends_us)
    VALUES (:loop, :matcher, :author, :reason, :begins, :ends) RETURNING id
"""
ALL = "SELECT * FROM alert_silence WHERE loop = :loop ORDER BY id"
END = "UPDATE alert_silence SET ends_us = :now WHERE id = :id AND loop = :loop AND ends_us > :now"
CLOSE = "UPDATE alert_silence SET closed_us = :now WHERE id = :id"


class SilenceRefused(Mendable):
    """A silence cannot be made, or is not there; the message says what to write instead."""


@dataclass(frozen=True)
class Silence:
    """From `begins` until `ends`, alerts that have all labels of `matcher` are not sent.

    closed: when it was told what still fires at its end; None until then.
    """

    id: int
    matcher: Mapping[str, str]
    author: str
    reason: str
    begins: dt.datetime
    ends: dt.datetime
    closed: dt.datetime | None = None

    def mutes(self, stored: StoredEpisode) -> bool:
        """Whether it speaks of this episode, whatever the time; of safety rules it never does."""
        labels = labels_of(stored)
        return labels["family"] != SAFETY and all(labels.get(key) == value for key, value in self.matcher.items())

    def is_on(self, now: dt.datetime) -> bool:
        """Whether it holds at a moment."""
        return self.begins <= now < self.ends


def labels_of(stored: StoredEpisode) -> dict[str, str]:
    """What a silence can match: the slice's keys, and check, family, severity."""
    episode = stored.episode
    own = {"check": episode.check, "family": family_of(episode.check), "severity": episode.severity}
    return {**episode.slice, **own}


def family_of(check: str) -> str:
    """The rule family of a check; rules about the machinery are one family."""
    if check not in REGISTRY:
        _load_once()
    return REGISTRY[check].family if check in REGISTRY else RULES_OF_MACHINERY


@functools.cache
def _load_once() -> None:
    """Looking for plug-ins takes longer than all else that a step does."""
    load_checks()


def parse_matcher(pairs: Iterable[str]) -> dict[str, str]:
    """KEY=VALUE pairs as a matcher. Raises SilenceRefused for none, an empty one, or a key given twice.

    >>> parse_matcher(["check=no_data", "stage=outcome"])
    {'check': 'no_data', 'stage': 'outcome'}
    """
    matcher: dict[str, str] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if not key or not value or key in matcher:
            raise SilenceRefused(f"{pair!r}: write KEY=VALUE, each key once, as check=no_data or tier=free")
        matcher[key] = value
    if not matcher:
        raise SilenceRefused("a silence needs at least one KEY=VALUE, as check=no_data: it must not mute everything")
    return matcher


def add_silence(
    connection: Connection,
    loop: str,
    matcher: Mapping[str, str],
    author: str,
    reason: str,
    now: dt.datetime,
    length: dt.timedelta,
) -> Silence:
    """Begin a silence. Raises SilenceRefused without matcher, author or reason, or for a length not in (0, 7 d]."""
    if not (matcher and author.strip() and reason.strip()):
        raise SilenceRefused("a silence needs a matcher, an author and a reason")
    if not dt.timedelta(0) < length <= LONGEST:
        raise SilenceRefused(f"a silence ends within {LONGEST.days} days: choose a shorter --for, as 12h or 3d")
    row = {"loop": loop, "matcher": json.dumps(dict(matcher)), "author": author, "reason": reason}
    times = {"begins": microseconds(now), "ends": microseconds(now + length)}
    number = connection.execute(text(ADD), {**row, **times}).scalar_one()
    return Silence(number, matcher, author, reason, now, now + length)


def end_silence(connection: Connection, loop: str, number: int, now: dt.datetime) -> None:
    """End it now; the next step tells what still fires. Raises SilenceRefused if it is not there, or over."""
    given = {"id": number, "loop": loop, "now": microseconds(now)}
    if connection.execute(text(END), given).rowcount == 0:
        raise SilenceRefused(f"no silence {number} holds in loop {loop!r}; `reward-drift alerts silences` lists them")


def close_silence(connection: Connection, number: int, now: dt.datetime) -> None:
    """What still fires at its end was told."""
    connection.execute(text(CLOSE), {"id": number, "now": microseconds(now)})


def read_silences(connection: Connection, loop: str) -> list[Silence]:
    """Every silence of a loop, oldest first, those that are over included."""
    return [_silence(row) for row in connection.execute(text(ALL), {"loop": loop}).mappings()]


def _silence(row: RowMapping) -> Silence:
    begins, ends = (EPOCH + dt.timedelta(microseconds=row[name]) for name in ("begins_us", "ends_us"))
    closed = row["closed_us"]
    return Silence(
        row["id"],
        json.loads(row["matcher"]),
        row["author"],
        row["reason"],
        begins,
        ends,
        None if closed is None else EPOCH + dt.timedelta(microseconds=closed),
    )
