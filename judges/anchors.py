"""Is this held-out set what people sealed? Sets are sealed once, checked at each use, and known by a digest.

A sealed set is a folder: `items.jsonl` and `manifest.json`, which holds the hash of the items. The digest of the
manifest names the set in every result. Whoever can write the folder can seal other items, so pass `expected`, the
digest you were told, wherever a result matters.
"""

import datetime as dt
import difflib
import hashlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from consumers.lines import split_lines
from consumers.mendable import Mendable
from judges.anchor_items import KINDS, AnchorItem, Kind, annotators_of, texts_of

FORMAT = 1
ITEMS, MANIFEST = "items.jsonl", "manifest.json"
METRICS: Mapping[Kind, str] = {
    "exact": "exact_match",
    "choice": "correct",
    "preference": "human_preference",
    "rubric": "human_grade",
}
ITEM_BYTES = 1 << 20  # as an event, which an item becomes
SET_BYTES = 1 << 28
MOST_TOLD = 20  # problems that are told one by one

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NEAREST = re.compile(r"unknown field `(.*?)`")


class AnchorsRejected(Mendable):
    """Items or a folder that cannot be anchors; one problem a line, each with its place, cause and what to do."""


class SealBroken(AnchorsRejected):
    """A sealed set is not what was sealed."""


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was sealed. items: how many. sha256: of the file of items. annotators: ids of the people who labelled.

    methods: items by how they were labelled. source, source_sha256: name and hash of the file they were made from.
    sealed_at: RFC 3339, by the clock of whoever sealed it.
    """

    format: int
    name: str
    kind: Kind
    metric: str
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
        return prompt_id(self.name, item.item_id)


def prompt_id(name: str, item_id: str) -> str:
    """The name under which the prompt of a set's item stands in events."""
    return f"{name}/{item_id}"


def seal_anchors(
    source: Path, folder: Path, *, name: str, kind: Kind, metric: str | None = None, sealed_at: dt.datetime
) -> AnchorSet:
    """Check the items in a JSONL file and seal them as a set in a new folder.

    metric: name of the outcome it measures; by default that of its kind. The folder appears whole or not at all.
    Raises AnchorsRejected for a name or file that cannot be used, a folder that exists, and bad lines, all at once.
    """
    _check_names(name, metric, kind, folder)
    raw = _read(source)
    items, problems = _parse(raw, kind)
    if problems:
        raise AnchorsRejected(_told(source, problems))
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
    items, problems = _parse(raw, manifest.kind)
    if problems:
        raise AnchorsRejected(_told(items_path, problems))
    claimed = (manifest.items, manifest.annotators, manifest.methods)
    if claimed != (len(items), *_who(items).values()):
        raise SealBroken(f"{path}: does not describe {items_path}: {_RESTORE}")
    return AnchorSet(folder, digest, manifest, items)


_RESTORE = "restore the folder from where it was sealed, or seal it anew under another name"


def _check_names(name: str, metric: str | None, kind: str, folder: Path) -> None:
    if not _NAME.fullmatch(name):
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
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise AnchorsRejected(f"{path}: no manifest of a sealed set: {fault}; {_RESTORE}") from None


def _parse(raw: bytes, kind: Kind) -> tuple[tuple[AnchorItem, ...], list[str]]:
    """The items, and what is wrong with the lines that are none."""
    decoder = msgspec.json.Decoder(KINDS[kind])
    items: list[AnchorItem] = []
    problems: list[str] = []
    known: dict[str, int] = {}
    for number, line in _numbered(raw):
        try:
            item = _decode(decoder, line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as fault:
            problems.append(f"{number}: {_cause(fault, kind)}")
            continue
        for what, key in (("item_id", item.item_id), ("content", _content(item))):
            if (first := known.setdefault(f"{what} {key}", number)) != number:
                problems.append(f"{number}: its {what} stands in line {first} already; keep one of them")
        items.append(item)
    if not items and not problems:
        problems.append("1: no items; a set needs at least one")
    return tuple(items), problems


def _numbered(raw: bytes) -> Iterator[tuple[int, bytes]]:
    number = 0
    for lines in split_lines([raw.removeprefix(b"\xef\xbb\xbf")], ITEM_BYTES):
        for line in lines.raws:
            number += 1
            if line.strip():
                yield number, line


def _decode(decoder: msgspec.json.Decoder[AnchorItem], line: bytes) -> AnchorItem:
    if len(line) > ITEM_BYTES:
        raise ValueError(f"longer than {ITEM_BYTES:,} bytes")
    item = decoder.decode(line)
    named = {"item_id": item.item_id, "category": item.category or ""} | texts_of(item)
    if spoilt := [place for place, text in named.items() if "\0" in text]:
        raise ValueError(f"{spoilt[0]} holds a NUL character, which no event may")
    return item


def _content(item: AnchorItem) -> str:
    """What it asks and says, whatever it is called: twice the same would count twice."""
    return _sha256(msgspec.json.encode(texts_of(item)))


def _cause(fault: Exception, kind: Kind) -> str:
    said = str(fault)
    if unknown := _NEAREST.search(said):
        fields = KINDS[kind].__struct_fields__
        nearest = difflib.get_close_matches(unknown[1], fields, 1)
        return f"{said}; {f'did you mean `{nearest[0]}`?' if nearest else 'known: ' + ', '.join(fields)}"
    return said


def _told(path: Path, problems: Sequence[str]) -> str:
    told = [f"{path}:{problem}" for problem in problems[:MOST_TOLD]]
    if len(problems) > MOST_TOLD:
        told.append(f"{path}: and {len(problems) - MOST_TOLD:,} more problems; mend these first")
    return "\n".join(told)


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
