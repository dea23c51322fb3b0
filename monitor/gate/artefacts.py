"""Which weights does a decision speak of: what was told of a checkpoint, and what lies in its folder?"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sqlalchemy import Engine, text

from judges.artefacts.lineage import plain_lineage
from judges.artefacts.manifest import Manifest, check_files, read_manifest
from judges.artefacts.rejection import ArtifactRejected
from monitor.gate.trial import Trial
from monitor.production.items import microseconds

OUT_OF_REACH = {"no_folder", "unreadable"}  # a disk that is not mounted looks like a folder that was deleted
UNKNOWN = {*OUT_OF_REACH, "not_sealed"}  # nothing is shown to have changed: nothing can be compared
NOT_OURS = "not on this machine"
NOT_THERE = "no such folder; is its disk mounted?"
EMPTY = "empty; is its disk mounted?"
NO_LINEAGE = "a lineage: `reward-drift checkpoint seal FOLDER --lineage FILE`, or `lineage` in the checkpoint event"
HIDDEN = (
    "the lineage that may be sealed in the candidate's folder ({why}): `--artifact candidate=FOLDER` where this machine"
    " can read it, or all of it as `lineage` in the checkpoint event"
)
TOLD = """
    SELECT c.*, e.source, e.event_id FROM checkpoint AS c JOIN event AS e ON e.seq = c.seq WHERE c.time_us <= :until
"""
READ_AS = """
    SELECT DISTINCT s.spec FROM score_run AS r JOIN score_spec AS s ON s.spec_id = r.spec_id
    WHERE r.subject = :checkpoint AND r.started_us <= :until
"""


@dataclass(frozen=True)
class Told:
    """One checkpoint event. source: of the event, which says who told it. lineage: as sent; None where none was."""

    checkpoint: str
    time_us: int
    source: str
    stage: str | None
    traffic_share: float | None
    base_model: str | None
    reward_model: str | None
    artifact: str | None
    sha256: str | None
    lineage: Mapping[str, Any] | None


@dataclass(frozen=True)
class Found:
    """A folder, every file hashed and compared with its seal. manifest: None where it was refused, with the reason.

    folder: as told. code: of the refusal, one of `judges.artefacts.rejection.NEXT`; "" for none.
    """

    folder: str
    manifest: Manifest | None = None
    code: str = ""
    fault: str = ""

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is known of its bytes, neither that they are as sealed nor that they are not."""
        return self.code in UNKNOWN

    @property
    def is_out_of_reach(self) -> bool:
        """Whether it cannot even be told if it was sealed."""
        return self.code in OUT_OF_REACH

    @property
    def why(self) -> str:
        """The folder and what is wrong with it."""
        return f"{self.folder}: {self.fault}"

    @property
    def digest(self) -> str | None:
        """What identifies the checkpoint in it."""
        return self.manifest.digest if self.manifest else None

    @property
    def weights(self) -> set[str]:
        """Every hash under which these weights may be told: that of the manifest, or of the one file of weights."""
        if self.manifest is None:
            return set()
        files = [one.sha256 for name, one in self.manifest.files.items() if name.endswith(".safetensors")]
        return {self.manifest.digest, *(files if len(files) == 1 else ())}


def read_told(engine: Engine, as_of: dt.datetime) -> list[Told]:
    """Every checkpoint event up to a moment, the oldest first; ties by source and id."""
    with engine.connect() as connection:
        rows = connection.execute(text(TOLD), {"until": microseconds(as_of)}).mappings().all()
    ordered = sorted(rows, key=lambda row: (row["time_us"], row["source"], row["event_id"]))
    return [
        Told(
            row["checkpoint"], row["time_us"], row["source"], row["stage"], row["traffic_share"], row["base_model"],
            row["reward_model"], row["artifact"], row["sha256"], row["lineage"] and json.loads(row["lineage"]),
        )
        for row in ordered
    ]  # fmt: skip


def newest(told: Sequence[Told], checkpoint: str, field: str) -> Any:
    """The last thing that was said of a checkpoint in a field of its events; None where nothing was."""
    said = (getattr(one, field) for one in reversed(told) if one.checkpoint == checkpoint)
    return next((value for value in said if value is not None), None)


def answered_as(engine: Engine, checkpoint: str, as_of: dt.datetime) -> set[str]:
    """Digests of the folders that were loaded to let a checkpoint choose its answers to held-out items."""
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, "score_run"):  # nothing was ever scored
            return set()
        given = {"checkpoint": checkpoint, "until": microseconds(as_of)}
        specs = [json.loads(one) for one in connection.execute(text(READ_AS), given).scalars()]
    return {spec["checkpoint"] for spec in specs if spec["reading"] == "likelihood"}


def _folder_of(trial: Trial, told: Sequence[Told], checkpoint: str) -> Path | None:
    """The folder named for a checkpoint, else the one its events name, if that can be of this machine; else None."""
    for role, name in (("candidate", trial.candidate), ("reference", trial.reference)):
        if name == checkpoint and role in trial.files:
            return trial.files[role]
    artifact = newest(told, checkpoint, "artifact")
    return None if artifact is None else _local(artifact)


def found_of(trial: Trial, told: Sequence[Told], checkpoint: str) -> Found | None:
    """What lies in the folder of a checkpoint, also where that is out of reach; None where none was ever told."""
    if (folder := _folder_of(trial, told, checkpoint)) is not None:
        return look_at(folder)
    artifact = newest(told, checkpoint, "artifact")
    return None if artifact is None else Found(artifact, code="no_folder", fault=NOT_OURS)


def lineage_of(trial: Trial, told: Sequence[Told], checkpoint: str) -> Mapping[str, Any]:
    """What a checkpoint was made from, part by part: as sealed in its folder, else as an event tells it; {}: nothing.

    Where a lineage is told, names that events have fields of their own for count as its names.
    """
    found = found_of(trial, told, checkpoint)
    sealed = plain_lineage(found.manifest.lineage) if found and found.manifest else {}
    said = newest(told, checkpoint, "lineage") or {}
    if not sealed and not said:
        return {}
    named = {part: newest(told, checkpoint, part) for part in ("base_model", "reward_model")}
    return {**{part: {"name": name} for part, name in named.items() if name}, **said, **sealed}


def hidden_lineage(trial: Trial, told: Sequence[Told], checkpoint: str) -> str:
    """What to bring where a lineage may be sealed in a folder that is out of reach; "" where there is none such."""
    found = found_of(trial, told, checkpoint)
    return "" if found is None or not found.is_out_of_reach else HIDDEN.format(why=found.why)


def look_at(folder: Path) -> Found:
    """Hash every file of a folder. It is read again only if one of them was touched since. Raises nothing."""
    try:
        if touched := _touched(folder):
            return _look_at(folder, touched)
        return Found(str(folder), code="no_folder", fault=EMPTY if folder.is_dir() else NOT_THERE)
    except OSError as fault:
        return Found(str(folder), code="unreadable", fault=fault.strerror or str(fault))


@lru_cache(maxsize=32)
def _look_at(folder: Path, touched: object) -> Found:
    try:
        manifest = read_manifest(folder)
        check_files(folder, manifest)
    except ArtifactRejected as rejected:
        return Found(str(folder), code=rejected.code, fault=rejected.detail)
    return Found(str(folder), manifest)


def _touched(folder: Path) -> object:
    if not folder.is_dir():
        return None
    files = ((path.name, path.stat(follow_symlinks=False)) for path in sorted(folder.iterdir()))
    return tuple((name, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for name, one in files)


def _local(artifact: str) -> Path | None:
    """A path that is here, or was: its folder is. Anything else is some other machine's."""
    if artifact.startswith("file://"):
        path = Path(url2pathname(urlsplit(artifact).path))
    elif "://" in artifact:
        return None
    else:
        path = Path(artifact)
    try:
        was_here = path.is_absolute() and len(path.parts) > 2 and path.parent.is_dir()
        return path if was_here or path.is_dir() else None
    except OSError:  # something is there that we may not look at
        return path
