"""What do the commands share? Options, the store's place, expected faults, progress, output."""

import datetime as dt
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from consumers.database import open_engine
from consumers.mendable import Mendable
from consumers.patience import what_it_said
from consumers.store import EventStore
from monitor.check import load_checks
from monitor.commands.store_url import is_url, misread, shown, why_unusable
from monitor.section import Duration
from monitor.settings import Settings, SettingsError, load_settings


class UsageFault(Mendable):
    """What was asked cannot be done as asked; the message says what to do instead."""


class StoreUnusable(Exception):  # noqa: N818
    """The store cannot be used; the message names it, the cause and the way out."""


EXPECTED_FAULTS = (Mendable, StoreUnusable, SQLAlchemyError, OSError)


class Format(StrEnum):
    """How a result is printed."""

    text = "text"
    json = "json"


DEFAULT_SETTINGS = Path("reward-drift.yaml")
SettingsOption = Annotated[
    Path, typer.Option("--settings", "-s", "--config", help="The settings file; `reward-drift init` writes one.")
]
StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="REWARD_DRIFT_STORE",
        help="The store: a SQLite file or postgresql://USER@HOST:PORT/DATABASE (password: PGPASSWORD or ~/.pgpass).",
    ),
]
DEFAULT_STORE = "reward-drift.sqlite"
FormatOption = Annotated[Format, typer.Option("--format", help="How to print the result.")]
JsonOption = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")]
Files = Annotated[list[str], typer.Argument(help="Event files (.jsonl, .gz, .zst), patterns, or - for standard input.")]


def exit_code_of(fault: Exception) -> int:
    """2 for what the user can mend in the call, the settings or the files; 4 for a fault of database or machine."""
    of_machine = isinstance(fault, StoreUnusable | SQLAlchemyError | OSError)
    mendable = not of_machine or isinstance(fault, FileNotFoundError)
    return 2 if mendable else 4


def message_of(fault: Exception) -> str:
    """What is told of a fault: of a database's no more than it said first, for the rest may quote people's words."""
    if isinstance(fault, OSError) and fault.filename is not None:
        return f"{fault.filename}: {fault.strerror}"
    return what_it_said(fault) if isinstance(fault, StatementError) else str(fault)


def settings_of(path: Path) -> Settings:
    """The settings, or SettingsError with every problem; checks this release does not have are told, not refused."""
    return with_known_checks(load_settings(path), str(path))


def with_known_checks(chosen: Settings, place: str) -> Settings:
    """The settings as they are, or SettingsError for a setting that its check lacks. place: where they were given."""
    known = load_checks()
    problems = [
        f"{place}: checks.{name}.{key}: no such setting; known: {', '.join(known[name].defaults)}"
        for name, changed in chosen.checks.items()
        if name in known
        for key in changed
        if key not in known[name].defaults
    ]
    if problems:
        raise SettingsError("\n".join(problems))
    if absent := sorted({*chosen.checks, *chosen.gate.required} - set(known)):
        say(f"{place}: this release has no check {', '.join(absent)}; it has {', '.join(known)}")
    return chosen


def duration_of(text: str) -> dt.timedelta:
    """What `--for` says. Raises UsageFault."""
    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise UsageFault(f"--for {text}: write a duration such as 30m, 4h or 2d") from None


@contextmanager
def existing_store(store: str) -> Iterator[EventStore]:
    """Open a store that must be there already. Raises UsageFault if it is not, StoreUnusable."""
    if not store_exists(store):
        place = shown(store) if is_url(store) else Path(store.removeprefix("sqlite:///"))
        raise UsageFault(
            f"{place}: no such store; `reward-drift ingest FILE... --store {shown(store)}` makes one, or for Kafka"
            " `reward-drift consume`"
        )
    with open_store(store) as opened, one_line(store):
        yield opened


def store_exists(store: str) -> bool:
    """Is there a store: a file, or a database with our tables? Raises UsageFault, StoreUnusable."""
    if not is_url(store):
        return Path(store.removeprefix("sqlite:///")).exists()
    with one_line(store):
        engine = open_engine(store)
        try:
            with engine.connect() as connection:
                return inspect(connection).has_table("migration")
        finally:
            engine.dispose()


def open_store(store: str) -> EventStore:
    """Open a store, or make one. Raises UsageFault, and StoreUnusable when the database cannot be opened as one."""
    with one_line(store):
        return EventStore.open(store)


@contextmanager
def one_line(store: str) -> Iterator[None]:
    """Faults of a database, when it is opened and later, become one line that names the next command."""
    if is_url(store) and (problem := misread(store)):
        raise UsageFault(problem)
    try:
        yield
    except DBAPIError as fault:
        raise StoreUnusable(why_unusable(store, fault)) from None


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def say(message: str) -> None:
    """A message for people, on standard error."""
    Console(stderr=True, soft_wrap=True).print(message, markup=False, highlight=False, emoji=False)


def stop_on_signal() -> Callable[[], bool]:
    """From now on the first SIGTERM or Ctrl-C only asks to stop, and a second one ends the process at once.

    The answer tells whether one was received.
    """
    asked: list[int] = []
    both = (signal.SIGTERM, signal.SIGINT)

    def ask(received: int, _frame: object) -> None:
        asked.append(received)
        for number in both:
            signal.signal(number, signal.SIG_DFL)

    for number in both:
        signal.signal(number, ask)
    return lambda: bool(asked)


@contextmanager
def reading(paths: Sequence[str], quiet: bool) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """A progress bar over the bytes of files: (bytes read, stage begun). Silent when not a terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield (lambda _: None), (lambda _: None)
        return
    sizes = [Path(path).stat().st_size for path in paths if path != "-" and Path(path).is_file()]
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading events", total=sum(sizes) if len(sizes) == len(paths) else None)
        yield (lambda n: progress.advance(task, n)), (lambda what: progress.update(task, description=what, total=None))
