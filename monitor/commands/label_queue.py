"""The command that says what to label next."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from consumers.store import utc_now
from monitor.commands.common import (
    DEFAULT_SETTINGS,
    DEFAULT_STORE,
    SettingsOption,
    StoreOption,
    UsageFault,
    existing_store,
    say,
    settings_of,
)
from monitor.labels.label_queue import mapping_of, next_labels, write_queue
from monitor.replay import after_last_event


class Items(StrEnum):
    """What is labelled."""

    pairs = "pairs"
    responses = "responses"


def label_queue(
    output: Annotated[Path, typer.Option("--output", "-o", help="The queue to write: .csv or .jsonl.")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many items.")] = 200,
    items: Annotated[
        Items, typer.Option("--items", help="Pairs that no person judged, or answers without an outcome.")
    ] = Items.pairs,
    seed: Annotated[int, typer.Option("--seed", help="Of the lot; the same seed draws the same items.")] = 0,
    store: StoreOption = DEFAULT_STORE,
    settings: SettingsOption = DEFAULT_SETTINGS,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing queue.")] = False,
) -> None:
    """Write the items whose labels would say most, each with its chance and why it was drawn.

    Fill in `label` (a, b or tie; for answers 1 or 0) and bring the file back with `reward-drift import QUEUE --mapping
    QUEUE.mapping.yaml`, which is written beside it.
    """
    chosen = settings_of(settings)
    mapping = output.with_name(output.name + ".mapping.yaml")
    if output.suffix not in (".csv", ".jsonl"):
        raise UsageFault(f"{output}: end the name with .csv or .jsonl")
    if output.exists() and not force:
        raise UsageFault(f"{output}: is there already, perhaps with labels; choose another name, or --force")
    with existing_store(store) as opened:
        rows = next_labels(opened.engine, chosen, after_last_event(opened, utc_now()), items.value, count, seed)
    if not rows:
        other = Items.responses if items is Items.pairs else Items.pairs
        raise UsageFault(
            f"{store}: no {items.value} without a label; nothing to write. There may be {other.value}:"
            f" reward-drift label-queue --items {other.value} -n {count} -o {output}"
        )
    write_queue(rows, output)
    mapping.write_text(mapping_of(items.value, chosen), encoding="utf-8")
    say(f"{len(rows):,} {items.value} in {output}; import them with --mapping {mapping}")
    if wordless := sum(not any(row.get(name) for name in ("a", "b", "answer")) for row in rows):
        say(f"{wordless:,} of them without words: they were sent without, or removed since")
