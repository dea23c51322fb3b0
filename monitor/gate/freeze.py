"""Is promotion frozen? A file beside the settings says so, whatever has become of the database.

What cannot be read counts as frozen. The file keeps every freeze and its end; a killed process leaves it old or new.
"""

import contextlib
import datetime as dt
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from consumers.mendable import Mendable

PLACE = "REWARD_DRIFT_FREEZE_FILE"
SUFFIX = ".freeze.json"
FORMAT: Literal["reward-drift.freeze.v1"] = "reward-drift.freeze.v1"
BLOCKING = "frozen"  # what the gate says blocks


class FreezeRefused(Mendable):
    """A freeze cannot be recorded, or not ended; the message says why and what to do instead."""


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that was done. at: aware. by: who says he did it."""

    action: Literal["freeze", "unfreeze"]
    at: dt.datetime
    by: str
    reason: str


class _Told(Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["reward-drift.freeze.v1"]
    history: tuple[Entry, ...]


@dataclass(frozen=True)
class Freeze:
    """What holds now. history: oldest first. fault: why the file cannot be read; then it counts as frozen."""

    file: Path
    history: tuple[Entry, ...] = ()
    fault: str = ""

    @property
    def frozen(self) -> bool:
        """Whether nothing may be promoted."""
        return bool(self.fault) or bool(self.history and self.history[-1].action == "freeze")

    @property
    def reasons(self) -> list[Entry]:
        """The freezes since promotion was last free, oldest first."""
        ended = max((at for at, one in enumerate(self.history) if one.action == "unfreeze"), default=-1)
        return list(self.history[ended + 1 :])

    def told(self) -> str:
        """One line for people."""
        if self.fault:
            return f"frozen, for its file cannot be read: {self.file}: {self.fault}"
        if not self.frozen:
            return "not frozen"
        return "frozen: " + "; ".join(f"{one.reason} ({one.by}, {_rfc3339(one.at)})" for one in self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        entries = [{**msgspec.structs.asdict(one), "at": _rfc3339(one.at)} for one in self.history]
        return {"frozen": self.frozen, "file": str(self.file), "fault": self.fault or None, "history": entries}


def freeze_file(settings: Path) -> Path:
    """Where it is: named by REWARD_DRIFT_FREEZE_FILE, else beside the settings file, under its name and `.freeze.json`.

    >>> str(freeze_file(Path("loops/support.yaml")))
    'loops/support.yaml.freeze.json'
    """
    named = os.environ.get(PLACE)
    file = Path(named) if named else settings.with_name(settings.name + SUFFIX)
    return file.resolve() if file.is_symlink() else file


def read_freeze(file: Path) -> Freeze:
    """What holds now. No file in a folder that is there: free. All else that cannot be read: frozen. Never raises."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return Freeze(file, fault="" if _might_be(file) else "it leads nowhere")
    except OSError as fault:
        return Freeze(file, fault=fault.strerror or str(fault))
    try:
        told = msgspec.json.decode(data, type=_Told)
        if not told.history or any(entry.at.tzinfo is None for entry in told.history):
            raise ValueError("no history with times that have an offset")
    except ValueError as fault:
        return Freeze(file, fault=f"not a freeze file: {fault}")
    return Freeze(file, told.history)


def freeze(file: Path, reason: str, by: str, now: dt.datetime) -> Freeze:
    """From now on nothing may be promoted. The same reason again, while it holds, changes nothing.

    A file that cannot be read is kept beside the new one. Raises FreezeRefused where nothing can be written.
    """
    with _alone(file):
        held = read_freeze(file)
        if not held.fault and any(one.reason == reason for one in held.reasons if held.frozen):
            return held
        if held.fault and file.exists():
            shutil.copy2(file, file.with_name(f"{file.name}.unreadable-{now:%Y%m%dT%H%M%S%f}"))
        return _write(file, (*held.history, Entry("freeze", now, by, reason)))


def unfreeze(file: Path, reason: str, by: str, now: dt.datetime) -> Freeze:
    """End every freeze. Where there is none nothing changes.

    Raises FreezeRefused for a file that cannot be read, and where nothing can be written.
    """
    with _alone(file):
        held = read_freeze(file)
        if held.fault:
            raise FreezeRefused(
                f"{file}: {held.fault}; it counts as frozen. Look at it, then `reward-drift freeze --reason ...` keeps"
                " it beside a new one, which `reward-drift unfreeze` can end"
            )
        return _write(file, (*held.history, Entry("unfreeze", now, by, reason))) if held.frozen else held


def _write(file: Path, history: tuple[Entry, ...]) -> Freeze:
    """The whole file or the one before, also after a power cut."""
    told = msgspec.json.format(msgspec.json.encode(_Told(FORMAT, history)))
    descriptor, made = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(descriptor, "wb") as new:
            new.write(told + b"\n")
            os.fchmod(new.fileno(), 0o644)
            new.flush()
            os.fsync(new.fileno())
        os.replace(made, file)
    except BaseException:
        os.unlink(made)
        raise
    with _folder(file) as folder:
        os.fsync(folder)
    return Freeze(file, history)


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """One at a time: whoever reads, adds and writes holds the folder's lock, which ends with the process."""
    try:
        with _folder(file) as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
    except OSError as fault:
        raise FreezeRefused(
            f"{file}: {fault.strerror}, so nothing was written: {read_freeze(file).told()}. Set {PLACE} to a file that"
            " can be written, here and wherever the gate runs"
        ) from None


@contextlib.contextmanager
def _folder(file: Path) -> Iterator[int]:
    descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _might_be(file: Path) -> bool:
    """Whether a file that is not there could be: a folder that is gone, or a link that leads nowhere, tells nothing."""
    try:
        return file.parent.is_dir() and not file.is_symlink()
    except OSError:
        return False


def _rfc3339(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
