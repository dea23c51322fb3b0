"""Which transitions are told now, in how few messages? Called in the transaction that writes them, and at each step.

1 read      transitions that were not told, or wait
2 decide    what becomes of each (oncall/decide.py)
3 group     one message for one (loop, rule family); at most 3 pages an hour, the rest in one digest
4 enqueue   rows of the outbox, in the same transaction, under one key an episode or group
"""

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from consumers.incidents import ARTIFACT_REJECTED, read_incidents
from monitor.oncall.alerts import SEVERITIES, Reason
from monitor.oncall.decide import ACKING, ENDING, OPENING, WAITING, Facts, Telling, decide
from monitor.oncall.episodes import StoredEpisode, change, read_episodes
from monitor.oncall.freshness import CHECK as NO_DATA
from monitor.oncall.hold import ENDED
from monitor.oncall.ledger import Heard, Untold, add_message, mark, pages_lately, read_heard, read_untold
from monitor.oncall.outbox import enqueue
from monitor.oncall.page import Known, known, page_lines
from monitor.oncall.receivers.port import Kind, Message
from monitor.oncall.silences import RULES_OF_MACHINERY, SAFETY, family_of, read_silences
from monitor.oncall.words import alert_of_episode, combined, plain_alert
from monitor.production.items import microseconds
from monitor.result import Alert
from monitor.settings import Settings

MOST_PAGES = 3  # in an hour
FLAPS = "it opens and closes: what follows is told when it has been calm for a day"
INTAKE = "intake"
JUDGES = "judges"
OF_ANSWERS = ("anchored_decoupling", "teacher_style_convergence")


@dataclass(frozen=True)
class Book:
    """All that a step knows of a loop's alerts. fresh: what a look just told, words of answers included."""

    settings: Settings
    episodes: Mapping[int, StoredEpisode]
    heard: Heard
    receivers: Sequence[str]
    now: dt.datetime
    known: Known
    fresh: Mapping[int, Alert]

    def alert(self, stored: StoredEpisode) -> Alert:
        """What is told of an episode, in its state of now."""
        fresh = self.fresh.get(stored.id)
        return replace(fresh, state=stored.episode.state) if fresh else alert_of_episode(stored, self.settings.loop)


def tell(
    connection: Connection,
    settings: Settings,
    now: dt.datetime,
    receivers: Sequence[str],
    fresh: Mapping[int, Alert] | None = None,
) -> None:
    """Decide about every transition that was not told, and enqueue what is told of it, in the caller's transaction.

    fresh: by number of the episode, what a look just told of it.
    """
    untold = read_untold(connection, settings.loop, WAITING)
    if not untold:
        return
    book = read_book(connection, settings, now, receivers, fresh or {})
    decided = {one: decide(facts, settings, now) for one, facts in _facts(connection, book, untold)}
    for one, told in decided.items():
        if told is not Telling.SENT and told != one.told:
            mark(connection, [one.id], told)
    due = [one for one, told in decided.items() if told is Telling.SENT]
    _tell_openings(connection, book, [one for one in due if one.reason in OPENING])
    _tell_endings(connection, book, [one for one in due if one.reason in ENDING])
    _tell_acks(connection, book, [one for one in due if one.reason in ACKING])


def read_book(
    connection: Connection,
    settings: Settings,
    now: dt.datetime,
    receivers: Sequence[str],
    fresh: Mapping[int, Alert],
) -> Book:
    """Read what a step must know."""
    episodes = {stored.id: stored for stored in read_episodes(connection, settings.loop)}
    heard = read_heard(connection, settings.loop)
    return Book(settings, episodes, heard, receivers, now, known(connection, settings, episodes.values(), now), fresh)


def _facts(connection: Connection, book: Book, untold: Iterable[Untold]) -> Iterable[tuple[Untold, Facts]]:
    silences = [one for one in read_silences(connection, book.settings.loop) if one.is_on(book.now)]
    ill = unhealthy(connection, book.episodes.values())
    for one in untold:
        stored = book.episodes[one.episode]
        silenced = any(silence.mutes(stored) for silence in silences)
        yield (
            one,
            Facts(
                one.reason,
                one.severity,
                one.at,
                stored,
                book.heard.of(stored),
                silenced,
                bool(needs(stored, book.settings) & ill),
                alone=not book.receivers,
            ),
        )


def unhealthy(connection: Connection, episodes: Iterable[StoredEpisode]) -> set[str]:
    """Stages whose data are stale, and "intake" while records are known to be missing."""
    stale = {stored.episode.slice["stage"] for stored in episodes if stored.is_open and stored.episode.check == NO_DATA}
    gaps = [one for one in read_incidents(connection, open_only=True) if one.kind != ARTIFACT_REJECTED]
    return stale | ({INTAKE} if gaps else set())


def needs(stored: StoredEpisode, settings: Settings) -> set[str]:
    """The stages that an alert stands on; a safety regression and the machinery stand on none."""
    family = family_of(stored.episode.check)
    if family in (SAFETY, INTAKE, RULES_OF_MACHINERY):
        return set()
    if stored.episode.check in OF_ANSWERS:
        return {"anchors"}
    if family == JUDGES:
        return {"judgments"}
    return {INTAKE, "event", "outcome", "score" if settings.reward.scorer else "feedback"}


def _tell_openings(connection: Connection, book: Book, due: Sequence[Untold]) -> None:
    """Group, count pages, and send what there is room for; the rest waits for the hour and leaves as one digest."""
    waited = [one for one in due if one.told == Telling.LIMITED]
    families: dict[str, list[Untold]] = defaultdict(list)
    for one in due:
        if one not in waited:
            families[family_of(book.episodes[one.episode].episode.check)].append(one)
    groups = [("digest", waited)] if waited else []
    groups += sorted(families.items(), key=lambda group: -severest(group[1]))
    room = MOST_PAGES - pages_lately(connection, book.settings.loop, book.now)
    for name, group in groups:
        is_page = SEVERITIES[severest(group)] == "page"
        if is_page and room <= 0:
            mark(connection, [one.id for one in group], Telling.LIMITED)
            continue
        room -= is_page
        _send_opening(connection, book, name, group)


def severest(group: Iterable[Untold]) -> int:
    """The place of the worst severity of these transitions."""
    return max(SEVERITIES.index(one.severity) for one in group)


def _send_opening(connection: Connection, book: Book, family: str, group: Sequence[Untold]) -> None:
    """One message of all that is open under its key: who is not in it might be taken for over."""
    fresh = [book.episodes[number] for number in dict.fromkeys(one.episode for one in group)]
    if len(fresh) == 1:
        (key, *_) = book.heard.own_keys(fresh[0]) or [fresh[0].key]
        kind = _kind_of(book, fresh[0], group)
    else:
        key, kind = _group_key(book, family, group[0].id), "digest" if family == "digest" else "fired"
    members = list({one.id: one for one in (*fresh, *open_under(book, key))}.values())
    alert = replace(told_of(book, members, family), severity=SEVERITIES[severest(group)])
    send(connection, book, key, kind, alert, members, group, FLAPS if len(fresh) == 1 and fresh[0].reopened else "")


def _kind_of(book: Book, stored: StoredEpisode, group: Sequence[Untold]) -> Kind:
    reasons = {one.reason for one in group}
    if reasons == {Reason.LAPSED}:
        return "reminder"
    return "raised" if Reason.RAISED in reasons and book.heard.of(stored) else "fired"


def open_under(book: Book, key: str) -> list[StoredEpisode]:
    """The open episodes that were told under a key."""
    return [book.episodes[number] for number in book.heard.members.get(key, ()) if book.episodes[number].is_open]


def told_of(book: Book, members: Sequence[StoredEpisode], family: str) -> Alert:
    """The alert of one episode, or of many as one."""
    alerts = [book.alert(stored) for stored in members]
    return alerts[0] if len(alerts) == 1 else combined(alerts, family, book.settings.loop)


def send(
    connection: Connection,
    book: Book,
    key: str,
    kind: Kind,
    alert: Alert,
    members: Sequence[StoredEpisode],
    group: Sequence[Untold],
    note: str = "",
) -> int:
    """Enqueue one message and put on record that it told these transitions of these episodes; return its number."""
    lines = page_lines(alert, members, book.known) if kind not in ("acked", "unacked", *ENDED) else ()
    message = Message.about(
        alert, key, book.now, book.settings.loop, kind, page=tuple(lines), note=note,
        members=tuple(plain_alert(book.alert(one)) for one in members) if len(members) > 1 else (),
    )  # fmt: skip
    enqueue(connection, message, book.receivers, book.now)
    number = add_message(connection, book.settings.loop, key, kind, alert.severity, book.now)
    mark(connection, [one.id for one in group], Telling.SENT, number)
    for stored in members:
        change(connection, stored.id, reminded_us=microseconds(book.now))
        book.heard.keys[stored.id] = list(dict.fromkeys([*book.heard.keys[stored.id], key]))
        book.heard.members[key] = list(dict.fromkeys([*book.heard.members[key], stored.id]))
    if kind in ENDED:
        book.heard.open_keys.discard(key)
    elif kind in ("fired", "raised", "digest"):
        book.heard.open_keys.add(key)
    return number


def _group_key(book: Book, family: str, number: int) -> str:
    """The key of an open combined message of the family, else a new one."""
    stem = digest_key(book, family)
    return next((key for key in sorted(book.heard.open_keys) if key.startswith(stem)), f"{stem}:{number}")


def digest_key(book: Book, what: str) -> str:
    """The key of a combined message: of the loop and what it combines, never of values, times or hosts."""
    return hashlib.sha256(f"{book.settings.loop}\n{what}".encode()).hexdigest()


def _tell_endings(connection: Connection, book: Book, due: Sequence[Untold]) -> None:
    """Resolve each key under which nobody is open any more; that some of a group ended is not told."""
    for one in due:
        stored = book.episodes[one.episode]
        over = [key for key in book.heard.own_keys(stored) if _all_ended(book, key)]
        for key in over:
            kind: Kind = "superseded" if one.reason == Reason.SUPERSEDED else "resolved"
            members = [book.episodes[number] for number in book.heard.members[key]]
            send(connection, book, key, kind, book.alert(stored), members, [one], _why_ended(stored, one))
        if not over:
            mark(connection, [one.id], Telling.NOTHING)


def _all_ended(book: Book, key: str) -> bool:
    return all(book.episodes[number].episode.state in ENDED for number in book.heard.members[key])


def _why_ended(stored: StoredEpisode, one: Untold) -> str:
    decided = f"{stored.decision}: {stored.note}" if stored.decision else ""
    return decided or {"recovered": "recovered by itself", "superseded": "no longer borne out"}.get(one.reason, "")


def _tell_acks(connection: Connection, book: Book, due: Sequence[Untold]) -> None:
    """Acknowledge each key that is acked in all its open episodes, or take that back."""
    for one in due:
        stored = book.episodes[one.episode]
        kind: Kind = "acked" if one.reason == Reason.ACKED else "unacked"
        told = False
        for key in book.heard.own_keys(stored):
            members = [book.episodes[number] for number in book.heard.members[key]]
            if kind == "unacked" or all(m.episode.state == "acked" for m in members if m.is_open):
                send(connection, book, key, kind, book.alert(stored), members, [one], one.note or "")
                told = True
        if not told:
            mark(connection, [one.id], Telling.NOTHING)
