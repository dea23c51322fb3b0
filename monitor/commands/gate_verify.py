"""The command that asks the gate's question of the past again."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from consumers.store import EventStore
from monitor.commands.common import (
    DEFAULT_SETTINGS,
    DEFAULT_STORE,
    Format,
    FormatOption,
    JsonOption,
    QuietOption,
    SettingsOption,
    StoreOption,
    UsageFault,
    existing_store,
    print_json,
    reading,
    settings_of,
)
from monitor.commands.gate_options import ArtifactOption, EventsOption, artifacts_of
from monitor.gate.binding import bind
from monitor.gate.contract import Contract, load_contract
from monitor.gate.past import store_as_of
from monitor.gate.records import UnknownRecord, read_record, verify_chain
from monitor.gate.run import run_gate
from monitor.gate.verify import Verification, compare
from monitor.replay import ingested
from monitor.settings import Settings

Record = Annotated[
    str, typer.Argument(help="Number of a record in the store, or a file with what `gate --json` printed.")
]
TrainingOption = Annotated[
    list[Path] | None,
    typer.Option("--training", help="A file the candidate was trained on, searched for held-out items; repeatable."),
]


@dataclass(frozen=True)
class Recorded:
    """A decision to look at again. at: when it was recorded. faults: of the records of the store it came from."""

    report: Mapping[str, Any]
    at: dt.datetime
    faults: Sequence[str] = ()

    @property
    def highest_seq(self) -> int:
        """The newest event that was looked at. Raises UsageFault where it was not noted."""
        if (told := self.report["bound"].get("highest_seq")) is None:
            raise UsageFault("this decision does not say which events of a store it saw: name them with --events FILE")
        return int(told)


def verify(
    record: Record,
    events: EventsOption = None,
    artifact: ArtifactOption = None,
    training: TrainingOption = None,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Decide again on what a recorded decision was made on, and tell what differs.

    Of the store as it was then, or of event files; with the settings, the contract, the folders and the release of now.
    Exit 0 the same, 1 something differs, 3 some of it cannot be verified, 2 and 4 as of `gate`.
    """
    chosen, files = settings_of(settings), artifacts_of(artifact)
    recorded = _recorded(record, store)
    with _as_it_was(recorded, events, store, chosen, quiet) as then:
        again = run_gate(
            then,
            chosen,
            recorded.report["candidate"],
            recorded.report["reference"],
            dt.datetime.fromisoformat(recorded.report["as_of"]),
            stage=recorded.report["stage"],
            bound=partial(bind, settings=chosen),
            files=files,
            training=tuple(training or ()),
            base=recorded.report["bound"].get("base"),
            look=int(recorded.report["bound"].get("look", 1)),
            contract=_contract(chosen, settings),
        )
    found = compare(recorded.report, again.to_dict(), recorded.faults)
    if json_ or format_ is Format.json:
        print_json({"record": recorded.report["record"], **found.to_dict()})
    else:
        typer.echo(_lines(recorded, found))
    raise typer.Exit(found.exit_code)


def _contract(chosen: Settings, settings: Path) -> Contract | None:
    """The capability contract that the settings name, beside them. Raises ContractRejected."""
    return load_contract(settings.parent / chosen.gate.contract) if chosen.gate.contract else None


def _recorded(record: str, store: str) -> Recorded:
    if not record.isdecimal():
        return _from_file(Path(record))
    with existing_store(store) as opened:
        faults = verify_chain(opened.engine)
        try:
            found = read_record(opened.engine, int(record))
        except UnknownRecord:
            if not faults:
                raise
            typer.echo("\n".join(faults))
            raise typer.Exit(1) from None
        return Recorded(found.report, found.recorded_at, faults)


def _from_file(path: Path) -> Recorded:
    """What `gate --json` printed; no chain stands behind it."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Recorded(told, dt.datetime.fromisoformat(told["as_of"]))
    except FileNotFoundError:
        raise UsageFault(f"{path}: no such file, and no number of a record") from None
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise UsageFault(f"{path}: not what `reward-drift gate --json` prints: {fault!r}") from None


@contextmanager
def _as_it_was(
    recorded: Recorded, events: list[str] | None, store: str, chosen: Settings, quiet: bool
) -> Iterator[EventStore]:
    if events:
        with reading(events, quiet) as (read, _), ingested(events, chosen, read) as (then, _):
            yield then
    else:
        with existing_store(store) as opened, store_as_of(opened.engine, recorded.highest_seq, recorded.at) as then:
            yield then


def _lines(recorded: Recorded, found: Verification) -> str:
    what = f"{recorded.report['candidate']} against {recorded.report['reference']}: {recorded.report['decision']}"
    said = {0: "the same again", 1: "not the same", 3: "the same as far as it can be verified"}[found.exit_code]
    return "\n".join([f"{what}; {said}", *found.faults, *(one.told() for one in found.differences), *found.lost])
