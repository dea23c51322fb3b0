"""Where does the monitor keep what it knows? Beside the events, in the same database, each look in one transaction."""

import datetime as dt
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection, Engine, text

from consumers.database import migrate, reading, writing
from consumers.mendable import Mendable
from monitor.anchored.comparisons import Comparison
from monitor.check import Finding
from monitor.detection.book import FIELDS, SeriesBook, SeriesInfo, SeriesKey
from monitor.detection.memory import FORMAT, First, Kept, Memory
from monitor.detection.state_migrations import CHAIN, MIGRATIONS
from monitor.oncall.alerts import OPEN, Reason, is_guard, is_inferred
from monitor.oncall.episodes import (
    StoredEpisode,
    add_transition,
    change,
    is_count,
    key_of,
    moved,
    plain_text,
    read_episodes,
    save_episodes,
)
from monitor.oncall.machinery import is_operational
from monitor.oncall.tell import tell
from monitor.production.baseline import Window, baseline_from_json
from monitor.production.items import microseconds
from monitor.production.versions import FIRST_NOTE, Version, add_versions, read_versions
from monitor.result import Alert
from monitor.settings import Settings
from monitor.statistics.reference_error import ReferenceError
from monitor.telling.quotes import drop_quotes
from monitor.voices.voice import Voice

log = logging.getLogger(__name__)

FOREIGN = (
    "loop %r: the last look was saved in format %d, this release reads %d; the next tick looks at everything anew, open"
    " alerts and decisions stay"
)
MEMORY = "SELECT * FROM monitor_memory WHERE loop = :loop"
DAYS = "SELECT day, cells FROM series_day WHERE loop = :loop AND day >= :first ORDER BY day"
SAVE_MEMORY = """
    INSERT INTO monitor_memory
        (loop, format, settings, baseline, series, errors, arms, fixed, told, first_day, closed, last_seq,
         first_baseline, first_errors, comparisons, voices)
    VALUES
        (:loop, :format, :settings, :baseline, :series, :errors, :arms, :fixed, :told, :first_day, :closed, :last_seq,
         :first_baseline, :first_errors, :comparisons, :voices)
    ON CONFLICT (loop) DO UPDATE SET format = :format, settings = :settings, baseline = :baseline, series = :series,
        errors = :errors, arms = :arms, fixed = :fixed, told = :told, first_day = :first_day, closed = :closed,
        last_seq = :last_seq, first_baseline = :first_baseline, first_errors = :first_errors,
        comparisons = :comparisons, voices = :voices
"""
VOICES = "SELECT name, voice FROM learned_voice WHERE loop = :loop ORDER BY name"
SAVE_VOICE = """
    INSERT INTO learned_voice (loop, name, voice) VALUES (:loop, :name, :voice)
    ON CONFLICT (loop, name) DO UPDATE SET voice = :voice WHERE learned_voice.voice <> :voice
"""
SAVE_DAY = """
    INSERT INTO series_day (loop, day, cells) VALUES (:loop, :day, :cells)
    ON CONFLICT (loop, day) DO UPDATE SET cells = :cells
"""


class UnknownAlert(Mendable):
    """No such alert in this loop."""


class MonitorState:
    """The monitor's own tables. One writer at a time; a look is saved whole or not at all."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        migrate(engine, CHAIN, MIGRATIONS)

    def load(self, loop: str) -> Kept | None:
        """What the last look left: a Memory to go on from; None when there was none.

        Less than a Memory if another release saved it in a format of its own: then the next look starts from nothing.
        """
        with reading(self.engine) as connection:
            row = connection.execute(text(MEMORY), {"loop": loop}).mappings().first()
            if row is None:
                return None
            stored = read_episodes(connection, loop)
            told_before = Kept(
                episodes={key_of(s.episode): s.episode for s in stored if s.is_open and is_inferred(s.episode)},
                resets=_resets(stored),
                closed=row["closed"],
                versions=read_versions(connection, loop),
                learned=_voices(connection, loop),
            )
            if row["format"] != FORMAT:
                log.warning(FOREIGN, loop, row["format"], FORMAT)
                return told_before
            days = connection.execute(text(DAYS), {"loop": loop, "first": row["first_day"]}).all()
        series = [(SeriesKey(*key), msgspec.convert(info, SeriesInfo)) for key, info in json.loads(row["series"])]
        return Memory(
            baseline=baseline_from_json(row["baseline"]),
            book=_book(row["first_day"], series, [blob for _, blob in days]),
            errors=msgspec.json.decode(row["errors"], type=dict[str, ReferenceError]),
            arms=tuple(json.loads(row["arms"])),
            fixed=msgspec.json.decode(row["fixed"], type=list[Finding]),
            told=msgspec.json.decode(row["told"], type=list[Alert]),
            last_seq=row["last_seq"],
            settings=row["settings"],
            episodes=told_before.episodes,
            resets=told_before.resets,
            closed=told_before.closed,
            versions=told_before.versions,
            learned=told_before.learned,
            first=_first(row["first_baseline"], row["first_errors"]),
            comparisons=msgspec.json.decode(row["comparisons"], type=list[Comparison]),
            voices=msgspec.json.decode(row["voices"] or "[]", type=list[Comparison]),
        )

    def save(
        self,
        settings: Settings,
        memory: Memory,
        since: int | None,
        now: dt.datetime,
        receivers: Sequence[str],
    ) -> None:
        """Keep a look: changed days, episodes, transitions and what is to be sent, in one transaction."""
        loop = settings.loop
        with writing(self.engine) as connection:
            _save_memory(connection, loop, memory)
            _save_days(connection, loop, memory.book, since)
            _save_voices(connection, loop, memory.learned)
            fresh = save_episodes(connection, loop, memory.episodes.values(), memory.told, now)
            tell(connection, settings, now, receivers, fresh)
            drop_quotes(connection, since_us=microseconds(now))  # of people who were erased while we looked
        memory.episodes = {key: episode for key, episode in memory.episodes.items() if episode.state in OPEN}

    def episodes(self, loop: str) -> list[StoredEpisode]:
        """Every episode of a loop, oldest first."""
        with self.engine.connect() as connection:
            return read_episodes(connection, loop)

    def resolve(self, loop: str, number: int, decision: str, note: str, now: dt.datetime) -> StoredEpisode:
        """Record a decision: the slice's evidence starts anew from the first day not decided yet.

        Raises UnknownAlert if the loop has no open episode of this number.
        """
        with writing(self.engine) as connection:
            stored = read_episodes(connection, loop)
            found = next((s for s in stored if s.id == number and s.is_open), None)
            if found is None:
                raise UnknownAlert(f"no open alert {number} in loop {loop!r}; `reward-drift alerts list` names them")
            _refuse_counts(found)
            closed = connection.execute(text(MEMORY), {"loop": loop}).mappings().one()["closed"]
            alike = [s for s in _inferred(stored) if s.episode.slice_name == found.episode.slice_name]
            _resolve(connection, alike, closed, decision, note, now)
        return found

    def versions(self, loop: str) -> list[Version]:
        """Every baseline that was decided for the loop, the first one in front; none while nobody decided anything."""
        with self.engine.connect() as connection:
            return read_versions(connection, loop)

    def rebaseline(self, loop: str, window: Window, note: str, now: dt.datetime) -> tuple[Version, int]:
        """Record a decision: another baseline from the first day not decided yet on, and how many alerts that ended.

        The evidence of every slice starts anew on that day. The guard's goes on, and its alert stays open: it compares
        with the first baseline, which is put on record now if this is the first decision. Incidents are none of it.
        The loop was looked at before, by this release.
        """
        with writing(self.engine) as connection:
            row = connection.execute(text(MEMORY), {"loop": loop}).mappings().one()
            versions = read_versions(connection, loop)
            first = baseline_from_json(row["baseline"]).window
            known = versions or [Version(0, first, row["first_day"], FIRST_NOTE, now)]
            made = Version(known[-1].number + 1, window, row["closed"], note, now)
            add_versions(connection, loop, [made] if versions else [*known, made])
            ended = [s for s in _inferred(read_episodes(connection, loop)) if not is_guard(s.episode)]
            _resolve(connection, ended, made.day, "rebaseline", note, now)
        return made, len(ended)


def _inferred(stored: Sequence[StoredEpisode]) -> list[StoredEpisode]:
    """The open episodes that stand on evidence."""
    return [one for one in stored if one.is_open and is_inferred(one.episode)]


def _resolve(
    connection: Connection, ended: Sequence[StoredEpisode], day: int, decision: str, note: str, now: dt.datetime
) -> None:
    columns = {"resolved_day": day, "decision": decision, "note": note, "ended_us": microseconds(now)}
    for stored in ended:
        change(connection, stored.id, **columns, **moved("resolved", now))
        add_transition(connection, stored.id, Reason.RESOLVED, "", now, note=note)


def _refuse_counts(found: StoredEpisode) -> None:
    """Alerts that nobody can decide about end with what they count."""
    if is_count(found):
        incident = found.episode.slice["incident"]
        raise UnknownAlert(
            f"alert {found.id} ends with its incident: `reward-drift incidents close {incident} --note ...`"
        )
    if is_operational(found):
        raise UnknownAlert(
            f"alert {found.id} ({found.episode.check}) ends by itself when its cause is gone; until then `reward-drift"
            f" alerts ack {found.id}` or `reward-drift alerts silence`; `reward-drift runbook {found.episode.check}`"
        )


def _first(baseline: str | None, errors: str | None) -> First | None:
    if baseline is None or errors is None:
        return None
    return First(baseline_from_json(baseline), msgspec.json.decode(errors, type=dict[str, ReferenceError]))


def _resets(stored: list[StoredEpisode]) -> dict[str, list[int]]:
    resets: dict[str, list[int]] = {}
    for one in stored:
        if one.resolved_day is not None:
            resets.setdefault(one.episode.slice_name, []).append(one.resolved_day)
    return resets


def _book(first_day: int, series: list[tuple[SeriesKey, SeriesInfo]], blobs: list[bytes]) -> SeriesBook:
    """Days are stored with the series known then; later series had nothing in them."""
    book = SeriesBook(first_day, [key for key, _ in series], dict(series))
    book.cells = book.empty(len(blobs))
    for index, blob in enumerate(blobs):
        cells = np.frombuffer(blob, np.float64).reshape(-1, FIELDS)
        book.cells[index, : cells.shape[0]] = cells
    return book


def _save_memory(connection: Connection, loop: str, memory: Memory) -> None:
    series = [(list(key), memory.book.info[key]) for key in memory.book.keys]
    row: dict[str, Any] = {
        "loop": loop,
        "format": FORMAT,
        "settings": memory.settings,
        "baseline": memory.baseline.to_json(),
        "series": plain_text(series),
        "errors": plain_text(memory.errors),
        "arms": plain_text(memory.arms),
        "fixed": plain_text(memory.fixed),
        "told": plain_text(memory.told),
        "first_day": memory.book.first_day,
        "closed": memory.closed,
        "last_seq": memory.last_seq,
        "first_baseline": memory.first and memory.first.baseline.to_json(),
        "first_errors": memory.first and plain_text(memory.first.errors),
        "comparisons": plain_text(memory.comparisons),
        "voices": plain_text(memory.voices),
    }
    connection.execute(text(SAVE_MEMORY), row)


def _voices(connection: Connection, loop: str) -> dict[str, Voice]:
    return {name: Voice.from_plain(json.loads(told)) for name, told in connection.execute(text(VOICES), {"loop": loop})}


def _save_voices(connection: Connection, loop: str, learned: Mapping[str, Voice]) -> None:
    for name, voice in learned.items():
        row = {"loop": loop, "name": name, "voice": json.dumps(voice.to_plain())}
        connection.execute(text(SAVE_VOICE), row)


def _save_days(connection: Connection, loop: str, book: SeriesBook, since: int | None) -> None:
    if since is None:
        return
    rows = [
        {"loop": loop, "day": book.first_day + index, "cells": book.cells[index].tobytes()}
        for index in range(max(since - book.first_day, 0), book.days)
    ]
    if rows:
        connection.execute(text(SAVE_DAY), rows)
