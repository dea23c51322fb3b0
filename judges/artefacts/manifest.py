"""Which files make up a checkpoint, byte for byte, and which one name does that give it?"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judges.artefacts.lineage import Lineage, parse_lineage, plain_lineage
from judges.artefacts.rejection import ArtifactRejected, refused
from judges.artefacts.sealed_files import Entry, list_files, read_small, seal
from judges.artefacts.strict_json import parse_object

NAME = "reward-drift.manifest.json"
FORMAT = "reward-drift.manifest.v1"
MAX_MANIFEST = 4 << 20  # bytes
_FIELDS = {"format", "files", "lineage", "base"}


@dataclass(frozen=True)
class Manifest:
    """The files of a folder as they were sealed. base: digest of the base model's manifest; None of a full model."""

    files: Mapping[str, Entry]
    lineage: Lineage
    base: str | None

    def to_bytes(self) -> bytes:
        """The one way to write it; the sha256 of these bytes is the digest of the checkpoint."""
        told: dict[str, Any] = {
            "format": FORMAT,
            "files": {name: {"bytes": one.bytes, "sha256": one.sha256} for name, one in self.files.items()},
            "lineage": plain_lineage(self.lineage),
        }
        if self.base is not None:
            told["base"] = self.base
        return (json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    @property
    def digest(self) -> str:
        """What identifies the checkpoint: sha256, hexadecimal, as `sha256sum` prints it for the file."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def make_manifest(folder: Path, lineage: Lineage, base: str | None) -> Manifest:
    """The manifest of the folder as it is now. Raises ArtifactRejected for files a checkpoint may not hold."""
    files = {path.name: seal(path) for path in list_files(folder) if path.name != NAME}
    return Manifest(files, lineage, base)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it whole or not at all."""
    descriptor, made = tempfile.mkstemp(dir=folder, prefix=".manifest-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(manifest.to_bytes())
            os.fchmod(descriptor, 0o644)
        os.replace(made, folder / NAME)
    except BaseException:
        os.unlink(made)
        raise


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a sealed folder. Raises ArtifactRejected if there is none or it is not as we write it."""
    path = folder / NAME
    if not folder.is_dir():
        raise ArtifactRejected(folder, "no_folder", "there is no such folder")
    if not path.is_symlink() and not path.exists():
        raise ArtifactRejected(folder, "not_sealed", f"no {NAME}, so nothing says which bytes are meant")
    data = read_small(path, MAX_MANIFEST)
    told = parse_object(path, data)
    if told.get("format") != FORMAT or not {"files", "lineage"} <= set(told) <= _FIELDS:
        raise refused(path, "bad_manifest", f"not of format {FORMAT}")
    lineage, base = told["lineage"], told.get("base")
    if not isinstance(lineage, dict) or not (base is None or _is_digest(base)):
        raise refused(path, "bad_manifest", "lineage must be an object, base a sha256")
    manifest = Manifest(_files(path, told["files"]), parse_lineage(path, lineage), base)
    if manifest.to_bytes() != data:
        raise refused(path, "bad_manifest", "not written by `checkpoint seal`: keys, order or spaces differ")
    return manifest


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare every file with its seal. Raises ArtifactRejected for one that is changed, missing or not listed."""
    here = {path.name: path for path in list_files(folder) if path.name != NAME}
    if unlisted := sorted(set(here) - set(manifest.files)):
        raise refused(folder / unlisted[0], "unlisted_file", "came after the folder was sealed")
    if missing := sorted(set(manifest.files) - set(here)):
        raise refused(folder / missing[0], "missing_file", "was sealed and is not there")
    for name, entry in manifest.files.items():
        if here[name].stat(follow_symlinks=False).st_size != entry.bytes or seal(here[name]) != entry:
            raise refused(here[name], "altered", "its size or sha256 is not the sealed one")


def _files(path: Path, told: Any) -> dict[str, Entry]:
    if not isinstance(told, dict) or not told:
        raise refused(path, "bad_manifest", "files must be an object that names every file")
    return {name: _entry(path, name, what) for name, what in told.items()}


def _entry(path: Path, name: str, told: Any) -> Entry:
    is_entry = isinstance(told, dict) and set(told) == {"bytes", "sha256"}
    if not is_entry or type(told["bytes"]) is not int or told["bytes"] < 0 or not _is_digest(told["sha256"]):
        raise refused(path, "bad_manifest", f"file {name[:80]!r}: needs bytes and sha256")
    if name in {"", ".", "..", NAME} or "/" in name or "\0" in name:
        raise refused(path, "bad_manifest", f"{name[:80]!r} is not a file name")
    return Entry(name, told["bytes"], told["sha256"])


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
