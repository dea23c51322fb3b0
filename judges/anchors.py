"""Is this held-out set what people sealed? Sets are sealed once, checked at each use, and known by a digest.

A sealed set is a folder: `items.jsonl` and `manifest.json`, which holds the hash of the items. The digest of the
manifest names the set in every result. Whoever can write the folder can seal other items, so pass `expected`, the
digest you were told, wherever a result matters.
"""

import datetime as dt
import hashlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from judges.held_out.anchor_items import KINDS, AnchorItem, Kind, annotators_of
from judges.held_out.anchor_lines import AnchorsRejected, parse_items

FORMAT = 1
ITEMS, MANIFEST = "items.jsonl", "manifest.json"
METRICS: Mapping[Kind, str] = {
    "exact": "exact_match",
    "choice": "correct",
    "preference": "human_preference",
    "rubric": "human_grade",
}
SET_BYTES = 1 << 28

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z"  # no slash: SET/ITEM names one item


class SealBroken(AnchorsRejected):
    """A sealed set is not what was sealed."""


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was sealed. items: how many. sha256: of the file of items. annotators: ids of the people who labelled.

    methods: items by how they were labelled. source, source_sha256: name and hash of the file they were made from.
    sealed_at: RFC 3339, by the clock of whoever sealed it.
    """

    format: int
    name: Annotated[str, Meta(pattern=_NAME)]
    kind: Kind
    metric: Annotated[str, Meta(min_length=1, max_length=512)]
    items: int
    sha256: str
    annotators: tuple[str, ...]
    methods: dict[str, int]
    source: str
    source_sha256: str
    sealed_at: str


@dataclass(frozen=True)
class AnchorSet:
    """An opened set. digest: SHA-256 of its manifest, which holds that of the items: the set's identity."""

    folder: Path
    digest: str
    manifest: Manifest
    items: tuple[AnchorItem, ...]

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def kind(self) -> Kind:
        return self.manifest.kind

    @property
    def metric(self) -> str:
        return self.manifest.metric

    def prompt_id(self, item: AnchorItem) -> str:
        """The name under which an item's prompt stands in events: SET/ITEM."""
        return f"{self.name}/{item.item_id}"


def seal_anchors(
    source: Path, folder: Path, *, name: str, kind: Kind, metric: str | None = None, sealed_at: dt.datetime
) -> AnchorSet:
    """Check the items in a JSONL file and seal them as a set in a new folder.

    metric: name of the outcome it measures; by default that of its kind. The folder appears whole or not at all.
    Raises AnchorsRejected for a name or file that cannot be used, a folder that exists, and bad lines, all at once.
    """
    _check_names(name, metric, kind, folder)
    raw = _read(source)
    items = parse_items(source, raw, kind)
    lines = b"".join(msgspec.json.encode(item) + b"\n" for item in items)
    manifest = Manifest(
        format=FORMAT,
        name=name,
        kind=kind,
        metric=metric or METRICS[kind],
        items=len(items),
        sha256=_sha256(lines),
        **_who(items),
        source=source.name,
        source_sha256=_sha256(raw),
        sealed_at=sealed_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
    )
    _publish(folder, {ITEMS: lines, MANIFEST: msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"})
    return open_anchors(folder)


def open_anchors(folder: Path, *, expected: str | None = None) -> AnchorSet:
    """Open a sealed set, once its seal has been checked.

    expected: the digest that the set must have. Nothing is parsed whose hash has not been compared.
    Raises SealBroken if the set is not what was sealed or expected, AnchorsRejected if it is no sealed set.
    """
    path, items_path = folder / MANIFEST, folder / ITEMS
    told = _read(path, "seal a set: reward-drift anchors seal FILE --name NAME --kind KIND -o DIR")
    digest = _sha256(told)
    if expected is not None and digest != expected:
        raise SealBroken(f"{path}: its digest is {digest}, expected {expected}: {_RESTORE}")
    manifest = _manifest(path, told)
    if not items_path.is_file():
        raise SealBroken(f"{items_path}: missing: {_RESTORE}")
    raw = _read(items_path, _RESTORE)
    if (found := _sha256(raw)) != manifest.sha256:
        raise SealBroken(
            f"{items_path}: altered since it was sealed: sha256 {found}, sealed {manifest.sha256}: {_RESTORE}"
        )
    items = parse_items(items_path, raw, manifest.kind)
    claimed = (manifest.items, manifest.annotators, manifest.methods)
    if claimed != (len(items), *_who(items).values()):
        raise SealBroken(f"{path}: does not describe {items_path}: {_RESTORE}")
    return AnchorSet(folder, digest, manifest, items)


_RESTORE = "restore the folder from where it was sealed, or seal it anew under another name"


def _check_names(name: str, metric: str | None, kind: str, folder: Path) -> None:
    if not re.match(_NAME, name):
        raise AnchorsRejected(f"name {name[:80]!r}: take letters, digits, dot, dash and underscore, at most 128")
    if metric is not None and not 1 <= len(metric) <= 512:
        raise AnchorsRejected(f"metric {metric[:80]!r}: give a name of 1 to 512 characters")
    if kind not in KINDS:
        raise AnchorsRejected(f"kind {kind[:80]!r}: choose one of {', '.join(KINDS)}")
    if folder.exists() or folder.is_symlink():
        raise AnchorsRejected(f"{folder}: exists, and a sealed set is never replaced; choose another folder")
    if not folder.parent.is_dir():
        raise AnchorsRejected(f"{folder.parent}: no such folder; make it: mkdir -p {folder.parent}")


def _read(path: Path, otherwise: str | None = None) -> bytes:
    try:
        if path.stat().st_size > SET_BYTES:
            raise AnchorsRejected(f"{path}: larger than {SET_BYTES >> 20} MiB; split the set")
        return path.read_bytes()
    except OSError as fault:
        raise AnchorsRejected(
            f"{path}: {fault.strerror}; {otherwise or f'see what is there: ls {path.parent}'}"
        ) from None


def _manifest(path: Path, raw: bytes) -> Manifest:
    class Format(Struct):
        format: int

    try:
        version = msgspec.json.decode(raw, type=Format).format
        if version != FORMAT:
            raise AnchorsRejected(f"{path}: format {version}, this release reads {FORMAT}: install a newer release")
        manifest = msgspec.json.decode(raw, type=Manifest)
        if dt.datetime.fromisoformat(manifest.sealed_at).tzinfo is None:
            raise ValueError("`sealed_at` has no offset")
    except (ValueError, RecursionError) as fault:  # those of msgspec and of decoding among them
        raise AnchorsRejected(f"{path}: no manifest of a sealed set: {fault}; {_RESTORE}") from None
    return manifest


def _who(items: Sequence[AnchorItem]) -> dict[str, Any]:
    people = {name for item in items if item.method == "human" for name in annotators_of(item)}
    return {
        "annotators": tuple(sorted(people)),
        "methods": dict(sorted(Counter(item.method for item in items).items())),
    }


def _publish(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into a folder beside the name and rename it: a folder of that name is always whole."""
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    partial.mkdir()
    try:
        for name, content in files.items():
            with (partial / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial)
        raise


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
