"""Which model is in this folder, and is it byte for byte the one that was meant?

Nothing here imports torch or runs anything from the folder. What is refused is an ArtifactRejected.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judges.artefacts.contents import check_contents, is_adapter, read_settings
from judges.artefacts.lineage import Lineage
from judges.artefacts.manifest import NAME, Manifest, check_files, make_manifest, read_manifest, write_manifest
from judges.artefacts.rejection import ArtifactRejected

__all__ = ["ArtifactRejected", "Checkpoint", "open_checkpoint", "seal_checkpoint"]


@dataclass(frozen=True)
class Checkpoint:
    """A local folder that was checked against its seal: a model, or a LoRA adapter on a base.

    digest: sha256 of its manifest, which covers every file, the lineage and the base's digest. config: config.json
    of the model, of the base where this is an adapter.
    """

    name: str
    folder: Path
    digest: str
    config: Mapping[str, Any]
    lineage: Lineage
    base: "Checkpoint | None"
    manifest: Manifest


def open_checkpoint(
    folder: Path, *, name: str | None = None, expected: str | None = None, base: Path | None = None
) -> Checkpoint:
    """Check every file of a sealed folder before any is parsed, then what they say. Raises ArtifactRejected.

    name: what to call it; None: the folder's name. expected: the digest it must have. base: the sealed folder of the
    model that an adapter was made for.
    """
    manifest = read_manifest(folder)
    if expected is not None and expected != manifest.digest:
        raise ArtifactRejected(folder, "wrong_digest", f"{NAME} has digest {manifest.digest}, expected {expected}")
    check_files(folder, manifest)
    check_contents(folder, manifest)
    under = _open_base(folder, manifest, base)
    config = read_settings(folder, manifest, "config.json") if under is None else under.config
    called = folder.resolve().name if name is None else name
    return Checkpoint(called, folder, manifest.digest, config, manifest.lineage, under, manifest)


def seal_checkpoint(folder: Path, lineage: Lineage | None = None, *, base: Path | None = None) -> str:
    """Write the manifest of a folder as it is now; the answer is its digest.

    A folder that would be refused when opened is not sealed. base: the sealed folder an adapter was made for.
    Raises ArtifactRejected.
    """
    digest = None if base is None else open_checkpoint(base).digest
    manifest = make_manifest(folder, lineage or Lineage(), digest)
    check_contents(folder, manifest)
    _open_base(folder, manifest, base)
    write_manifest(folder, manifest)
    return manifest.digest


def _open_base(folder: Path, manifest: Manifest, base: Path | None) -> Checkpoint | None:
    if not is_adapter(manifest):
        if base is not None or manifest.base is not None:
            raise ArtifactRejected(folder, "wrong_base", "it is a whole model and has no base")
        return None
    if base is None or manifest.base is None:
        raise ArtifactRejected(folder, "no_base", "it is an adapter, and no base is named")
    found = open_checkpoint(base)
    if found.digest != manifest.base:
        raise ArtifactRejected(
            folder, "wrong_base", f"{base} has digest {found.digest}, it was sealed on {manifest.base}"
        )
    return found
