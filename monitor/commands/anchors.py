"""Commands about sealed sets of held-out items: seal one, verify one, look for it in training data."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from consumers.store import utc_now
from judges.anchors import AnchorSet, SealBroken, open_anchors, seal_anchors
from judges.held_out.anchor_check import Contamination, Sightings, check_anchors
from monitor.commands.common import Format, FormatOption, JsonOption, print_json, say

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="The folder of a sealed set.")]
MOST_SHOWN = 20  # items that are shown as text; --json has all


class Kind(StrEnum):
    """What an item asks for."""

    exact = "exact"
    choice = "choice"
    preference = "preference"
    rubric = "rubric"


@app.command()
def seal(
    file: Annotated[Path, typer.Argument(help="A JSONL file, one item a line; judges/README.md shows one of each.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make.")],
    name: Annotated[str, typer.Option("--name", help="What the set is called in events and results.")],
    kind: Annotated[Kind, typer.Option("--kind", help="What its items ask for.")],
    metric: Annotated[
        str | None, typer.Option("--metric", help="The outcome that it measures; each kind has a default.")
    ] = None,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Check held-out items that people labelled, and seal them as a set in a new folder.

    Bad lines are told all at once, with line and cause (exit 2); labels made by a model are refused.
    """
    sealed = seal_anchors(file, output, name=name, kind=kind.value, metric=metric, sealed_at=utc_now())
    _tell_set(_plain(sealed), json_ or format_ is Format.json)


@app.command()
def verify(
    folder: Folder,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="The digest it must have, as `seal` printed it.")
    ] = None,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Compare a sealed set with its seal. Exit 0 it is as sealed, 1 the seal is broken, 2 it is no sealed set."""
    try:
        told = _plain(open_anchors(folder, expected=sha256))
    except SealBroken as broken:
        told = {"folder": str(folder), "accepted": False, "message": str(broken)}
    _tell_set(told, json_ or format_ is Format.json)
    if not told["accepted"]:
        raise typer.Exit(1)


@app.command()
def check(
    folder: Folder,
    files: Annotated[list[Path], typer.Argument(help="Training data: .jsonl, .csv, .tsv, .parquet, .txt.")],
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Look for a set's items in training data: equal texts, shared runs of 13 words, and near-duplicates.

    Exit 0 none was found, 1 some were, or rows could not be read, so that nobody knows.
    """
    anchors = open_anchors(folder)
    found = check_anchors(anchors, files)
    for row in found.unread[:MOST_SHOWN]:
        say(f"{row.file}:{row.line}: not read: {row.cause}")
    if json_ or format_ is Format.json:
        print_json(_plain_check(anchors, found))
    else:
        typer.echo(_text(anchors, found))
    if found.items or found.unread:
        raise typer.Exit(1)


def _plain(anchors: AnchorSet) -> dict[str, Any]:
    manifest = anchors.manifest
    return {
        "name": anchors.name,
        "folder": str(anchors.folder),
        "accepted": True,
        "digest": anchors.digest,
        "kind": anchors.kind,
        "metric": anchors.metric,
        "items": len(anchors.items),
        "annotators": len(manifest.annotators),
        "methods": dict(manifest.methods),
        "sealed_at": manifest.sealed_at,
    }


def _tell_set(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json({"anchors": told})
    elif told["accepted"]:
        labels = ", ".join(f"{count:,} {method}" for method, count in told["methods"].items())
        typer.echo(
            f"{told['name']}: as sealed at {told['sealed_at']}\ndigest {told['digest']}\n"
            f"{told['items']:,} items of kind {told['kind']} for {told['metric']}; labels: {labels},"
            f" by {told['annotators']:,} people"
        )
    else:
        typer.echo(told["message"])


def _plain_check(anchors: AnchorSet, found: Contamination) -> dict[str, Any]:
    return {
        "anchors": {"name": anchors.name, "digest": anchors.digest, "items": len(anchors.items)},
        "texts": found.texts,
        "unread": [row._asdict() for row in found.unread],
        "contaminated": [
            {
                "item_id": item.item_id,
                "counts": dict(item.counts),
                "matches": [vars(match) for match in item.kept],
            }
            for item in found.items
        ],
    }


def _text(anchors: AnchorSet, found: Contamination) -> str:
    seen = f"{len(found.items):,} of {len(anchors.items):,} items of {anchors.name} found"
    lines = [f"{seen} in {found.texts:,} training texts"]
    lines += [line for item in found.items[:MOST_SHOWN] for line in _item_lines(item)]
    if len(found.items) > MOST_SHOWN:
        lines.append(f"and {len(found.items) - MOST_SHOWN:,} more items; --json has them all")
    return "\n".join(lines)


def _item_lines(item: Sightings) -> list[str]:
    counts = ", ".join(f"{count:,} {kind}" for kind, count in item.counts.items())
    shown = [
        f"  {match.kind} {match.share:.0%} of {match.place} at {match.file}:{match.line} {match.field}: {match.excerpt}"
        for match in item.kept
    ]
    return [f"{item.item_id}: {counts}", *shown]
