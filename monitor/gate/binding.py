"""To what does a decision hold? Names of everything that went into it, each with its digest."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, select, text
from sqlmodel import SQLModel

from consumers.canonical import canonical_json
from consumers.database import reading
from judges.anchors import open_anchors
from monitor.gate.artefacts import found_of, newest, read_told
from monitor.gate.trial import Trial
from monitor.production.items import microseconds
from monitor.settings import Settings

ASKED: dict[str, Any] = {
    **dict.fromkeys(("loop", "reward", "outcome", "cohorts", "unit", "judges", "checks", "gate"), True),
    "alerts": {"material_harm"},
}
PACKAGES = ("consumers", "judges", "monitor")
CHUNK = 100_000  # rows
NEWEST = "SELECT COALESCE(MAX(seq), 0) FROM event"
EVENTS = "SELECT digest FROM event WHERE seq <= :highest"
HELD_OUT = """
    SELECT set_digest, MIN(prompt_id) AS prompt_id FROM anchor_text WHERE registered_at_us <= :until GROUP BY set_digest
"""
SCORERS = """
    SELECT DISTINCT scorer, kind, revision, family, rubric, prompt_sha256, trained_on FROM score WHERE time_us <= :until
"""
JUDGES = """
    SELECT DISTINCT judge, kind, revision, family, rubric, prompt_sha256 FROM preference
    WHERE COALESCE(kind, '') NOT IN ('human', 'exact') AND time_us <= :until
"""
SPECS = "SELECT spec_id, spec FROM score_spec"


def bind(trial: Trial, settings: Settings, *, highest_seq: int | None = None) -> dict[str, str]:
    """Names -> digests (sha256, hexadecimal) of what a decision hangs on; what is not known has no name.

    checkpoint:ROLE  what an event told of the weights     artefact:ROLE  the sealed folder, hashed again now
    anchors:NAME     sealed sets of held-out items         scorer:NAME@REVISION, judge:NAME@REVISION  rulers, with specs
    training         files the candidate was trained on    base           name of the model both began with, plain
    settings         all that a gate asks                  contract       what must be kept
    look             the how-manieth decision about the two, plain
    data             every event up to highest_seq, whatever their order; that number, plain
    code, version    the files of this product as installed; its release, plain

    settings: as given by the user. highest_seq: the newest event that was looked at; by default the newest there is.
    Raises AnchorsRejected for a set that is not as sealed, OSError for a training file that cannot be read.
    """
    given = {"candidate": trial.candidate, "reference": trial.reference, "until": microseconds(trial.as_of)}
    with reading(trial.engine) as connection:
        highest = connection.execute(text(NEWEST)).scalar_one() if highest_seq is None else highest_seq
        bound = dict([*_anchors(connection, trial, given), *_rulers(connection, given)])
        bound["data"] = _data(connection, highest)
    bound |= dict(_weights(trial))
    if trial.training:
        bound["training"] = _sha256("".join(sorted(map(_of_file, trial.training))))
    if trial.contract is not None:
        bound["contract"] = trial.contract.digest
    if trial.base is not None:
        bound["base"] = trial.base
    bound |= {
        "highest_seq": str(highest),
        "look": str(trial.look),
        "settings": settings_digest(settings),
        "code": code_digest(),
        "version": version("reward-drift-monitor"),
    }
    return dict(sorted(bound.items()))


def settings_digest(settings: Settings) -> str:
    """All settings that a gate asks, hashed; how events come or where alerts go is none of it."""
    told = settings.model_dump(mode="json", include=ASKED)
    return _sha256(canonical_json(told))


@cache
def code_digest() -> str:
    """Every file of the product as it is installed, hashed once a process."""
    whole = hashlib.sha256()
    for name, path in sorted(_own_files()):
        whole.update(f"{name}\0{_of_file(path)}\n".encode())
    return whole.hexdigest()


def _own_files() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        found = find_spec(package)
        assert found is not None
        for root in map(Path, found.submodule_search_locations or ()):
            files = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
            yield from ((f"{package}/{path.relative_to(root).as_posix()}", path) for path in files)


def _weights(trial: Trial) -> Iterator[tuple[str, str]]:
    told = read_told(trial.engine, trial.as_of)
    for role, checkpoint in (("candidate", trial.candidate), ("reference", trial.reference)):
        if (said := newest(told, checkpoint, "sha256")) is not None:
            yield f"checkpoint:{role}", said
        found = found_of(trial, told, checkpoint)
        if found is not None and found.digest is not None:
            yield f"artefact:{role}", found.digest


def _anchors(connection: Connection, trial: Trial, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Sets known to the store, several of one name with a comma; then those whose folders were named, checked now."""
    known: dict[str, list[str]] = {}
    for digest, prompt_id in connection.execute(text(HELD_OUT), given):
        known.setdefault(f"anchors:{prompt_id.partition('/')[0]}", []).append(digest)
    yield from ((name, ",".join(sorted(digests))) for name, digests in known.items())
    for role, folder in trial.files.items():
        if role.startswith("anchors:"):
            yield role, open_anchors(folder).digest


def _rulers(connection: Connection, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Whatever scored or judged, with all that is known of it: two rulers under one name and revision count as both."""
    specs: dict[str, str] = {}
    if connection.dialect.has_table(connection, "score_spec"):
        specs = {row.spec_id: row.spec for row in connection.execute(text(SPECS))}
    rulers: dict[str, list[str]] = {}
    for kind, query in (("scorer", SCORERS), ("judge", JUDGES)):
        for row in connection.execute(text(query), given).mappings().all():
            if kind == "scorer" and not _scored_either(connection, dict(row), given):
                continue
            name = f"{kind}:{row[kind]}" + (f"@{row['revision']}" if row["revision"] else "")
            spec = json.loads(specs.get(row["revision"] or "", "null"))
            rulers.setdefault(name, []).append(canonical_json({**row, "spec": spec}))
    yield from ((name, _sha256("\n".join(sorted(told)))) for name, told in rulers.items())


def _scored_either(connection: Connection, ruler: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether a ruler scored an answer of candidate or reference: the first such score is enough."""
    score, response = (SQLModel.metadata.tables[name].c for name in ("score", "response"))
    query = (
        select(score.seq)
        .where(*(score[name].is_not_distinct_from(value) for name, value in ruler.items()))
        .where(score.time_us <= given["until"], response.response_id == score.response_id)
        .where(response.checkpoint.in_((given["candidate"], given["reference"])))
        .limit(1)
    )
    return connection.execute(query).first() is not None


def _data(connection: Connection, highest: int) -> str:
    """The digests of all events, sorted: the same for the same events, however they came."""
    found = connection.execute(text(EVENTS), {"highest": highest})
    read = bytearray()
    while found.cursor and (rows := found.cursor.fetchmany(CHUNK)):  # the driver's own rows: there may be millions
        read += b"".join([bytes(row[0]) for row in rows])
    digests = np.frombuffer(read, "S16")
    return hashlib.sha256(np.sort(digests).tobytes()).hexdigest()


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256(told: str) -> str:
    return hashlib.sha256(told.encode()).hexdigest()
