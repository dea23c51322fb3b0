"""Commands about checkpoints as files: seal a folder, verify a sealed one."""

from pathlib import Path
from typing import Annotated, Any

import typer

from judges.artefacts.lineage import Lineage, plain_lineage, read_lineage
from judges.checkpoints import ArtifactRejected, Checkpoint, open_checkpoint, seal_checkpoint
from monitor.commands.common import Format, FormatOption, JsonOption, print_json

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="A local folder: a model with its tokenizer, or a LoRA adapter.")]
BaseOption = Annotated[
    Path | None, typer.Option("--base", help="The sealed folder of the model that an adapter was made for.")
]


@app.command()
def seal(
    folder: Folder,
    lineage: Annotated[
        Path | None,
        typer.Option("--lineage", help="A JSON file: base_model, data, reward_model, teacher, code, licence."),
    ] = None,
    base: BaseOption = None,
) -> None:
    """Write the manifest of a folder: size and sha256 of every file, and where the checkpoint comes from.

    Prints its digest, which is the checkpoint's identity. A folder that would be refused is not sealed: exit 2.
    """
    typer.echo(seal_checkpoint(folder, Lineage() if lineage is None else read_lineage(lineage), base=base))


@app.command()
def verify(
    folder: Folder,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="The digest it must have, as `seal` printed it.")
    ] = None,
    base: BaseOption = None,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Compare every file of a sealed folder with its manifest, and what the files say with what they may say.

    Nothing of the folder is run. Exit 0 it is as sealed, 1 it is refused, 2 there is no such folder.
    """
    try:
        told = _accepted(open_checkpoint(folder, expected=sha256, base=base))
    except ArtifactRejected as rejected:
        if rejected.code == "no_folder":
            raise
        told = _refused(rejected)
    if json_ or format_ is Format.json:
        print_json({"checkpoint": told})
    else:
        typer.echo(_lines(told))
    if not told["accepted"]:
        raise typer.Exit(1)


def _accepted(found: Checkpoint) -> dict[str, Any]:
    return {
        "name": found.name,
        "folder": str(found.folder),
        "accepted": True,
        "digest": found.digest,
        "model_type": found.config["model_type"],
        "files": len(found.manifest.files),
        "bytes": sum(entry.bytes for entry in found.manifest.files.values()),
        "base": None if found.base is None else found.base.digest,
        "lineage": plain_lineage(found.lineage),
    }


def _refused(rejected: ArtifactRejected) -> dict[str, Any]:
    return {
        "name": rejected.folder.resolve().name,
        "folder": str(rejected.folder),
        "accepted": False,
        "code": rejected.code,
        "message": str(rejected),
    }


def _lines(told: dict[str, Any]) -> str:
    if not told["accepted"]:
        return str(told["message"])
    on_base = f", on base {told['base']}" if told["base"] else ""
    size = f"{told['files']} files, {told['bytes']:,} bytes"
    known = ", ".join(told["lineage"]) or "none; `reward-drift checkpoint seal FOLDER --lineage FILE` records it"
    return (
        f"{told['name']}: as sealed\ndigest {told['digest']}{on_base}\n{told['model_type']}, {size}\nlineage: {known}"
    )
