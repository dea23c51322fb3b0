"""Where does a checkpoint come from: which base, which data, which code, under which licences?"""

import difflib
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from judges.artefacts.rejection import refused
from judges.artefacts.sealed_files import read_small
from judges.artefacts.strict_json import parse_object

MAX_LINEAGE = 1 << 20  # bytes
Word = Annotated[str, Meta(min_length=1, max_length=500)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Source(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What something was made from: a model or a data set. sha256: of its manifest or file, hexadecimal."""

    name: Word
    revision: Word | None = None
    sha256: Sha256 | None = None
    licence: Word | None = None


class Code(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The code that trained it. revision: a commit."""

    revision: Word
    repository: Word | None = None
    licence: Word | None = None


class Lineage(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is on record about where a checkpoint comes from. Every field may be missing: absence is shown, not guessed.

    licence: of the checkpoint itself.
    """

    base_model: Source | None = None
    data: tuple[Source, ...] = ()
    reward_model: Source | None = None
    teacher: Source | None = None
    code: Code | None = None
    licence: Word | None = None


def read_lineage(path: Path) -> Lineage:
    """The lineage in a JSON file. Raises ArtifactRejected, codes `bad_lineage`, `bad_json`, `too_large`."""
    return parse_lineage(path, parse_object(path, read_small(path, MAX_LINEAGE)))


def parse_lineage(path: Path, told: dict[str, Any]) -> Lineage:
    """The lineage told by a file. Raises ArtifactRejected, code `bad_lineage`, naming the nearest known field."""
    for part, kind in _parts(told):
        if unknown := sorted(set(part) - set(kind.__struct_fields__)):
            raise refused(path, "bad_lineage", f"lineage: no field {unknown[0][:80]!r}{nearest(unknown[0], kind)}")
    try:
        return msgspec.convert(told, Lineage)
    except msgspec.ValidationError as fault:
        raise refused(path, "bad_lineage", f"lineage: {fault}") from None


def plain_lineage(lineage: Lineage) -> dict[str, Any]:
    """The lineage as JSON values, fields that are missing left out."""
    plain: dict[str, Any] = msgspec.to_builtins(lineage)
    return plain


def nearest(name: str, kind: type[Struct]) -> str:
    """A hint at the field that was meant.

    >>> nearest("licens", Lineage)
    '; did you mean `licence`?'
    """
    close = difflib.get_close_matches(name, kind.__struct_fields__, n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else f"; known: {', '.join(kind.__struct_fields__)}"


def _parts(told: dict[str, Any]) -> list[tuple[dict[str, Any], type[Struct]]]:
    data = told.get("data")
    sources = [told.get("base_model"), told.get("reward_model"), told.get("teacher")]
    sources += data if isinstance(data, list) else []
    found: list[tuple[dict[str, Any], type[Struct]]] = [(told, Lineage)]
    found += [(part, Source) for part in sources if isinstance(part, dict)]
    code = told.get("code")
    return [*found, (code, Code)] if isinstance(code, dict) else found
