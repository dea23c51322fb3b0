"""Where do events come from? The port every source implements, and the source that reads files of JSON lines."""

import contextlib
import functools
import itertools
import logging
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from msgspec import Struct

from consumers.claims import Claim
from consumers.files import EventFile, Position, Progress
from consumers.incidents import TRUNCATED, Found
from consumers.lines import split_lines
from consumers.mendable import Mendable
from consumers.paths import STANDARD_INPUT, expand, former_files
from consumers.streams import Stream

log = logging.getLogger(__name__)

BATCH_BYTES = 1 << 24
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

SavedPosition = Callable[[str], Position | None]


class Record(NamedTuple):
    """One event as it came, not yet judged.

    raw: the bytes without their line end; of a record larger than the limit only limit + 1 bytes are kept.
    position: where it stood, unique within the source and readable, e.g. "line 12, byte 3456, file 1f3870be274f6c49".
    size: bytes before bounding.
    """

    raw: bytes
    position: str
    size: int


class Refusal(Struct, frozen=True):
    """A record that is no valid event, and why."""

    record: Record
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are stored together with the position after them, in one transaction.

    source: key of the saved position, e.g. the absolute path of a file or "kafka:TOPIC/PARTITION".
    position: JSON-able, where to go on after this batch; None if the source cannot resume (standard input).
    claim: the right under which they were read; None of a source with a single reader.
    unread: records that the source itself gave up on. incidents: what was noticed on the way to this batch.
    """

    source: str
    records: Sequence[Record]
    position: Position | None
    claim: Claim | None = None
    unread: Sequence[Refusal] = ()
    incidents: Sequence[Found] = ()


_record = functools.partial(tuple.__new__, Record)  # the constructor's speed matters: once an event


class Source(Protocol):
    """Anything that delivers events in batches and can go on from a saved position."""

    def batches(self, saved: SavedPosition) -> Generator[Batch, None, None]:
        """Yield batches from where `saved(source)` says each source was left, or from its start when that is None.

        Closing the generator gives back what the source holds. Raises SourceError if a source cannot be read.
        """
        ...


class SourceError(Mendable):
    """A source cannot be read; the message names it and says what to do next."""


Moments = Iterator[Batch | None]
"""Batches, and None for a quiet moment in which nothing is waiting."""


class JsonlSource:
    """Files of one event a line: plain, .gz or .zst, by name or pattern; `-` is standard input. Pipes are read too.

    follow: keep reading what is appended, through rotation and new matches of a pattern, until `stop()`.
    batch_size: most lines of a batch. limit: most bytes of an event that are kept whole.
    stop: asked after every batch and every quiet moment. poll_seconds: how often a quiet file is looked at.
    progress: called with the number of bytes read from a file (compressed, where it is).

    The position of a file holds its inode, digests of its first line and of the last bytes read, and the (decompressed)
    bytes and lines read. The same file goes on from there. A file that was truncated or replaced is read from its
    start, after what was rotated away since; event ids make a second reading harmless. Unless all that was read is
    found in one of these, a batch without records comes first, with an incident (TRUNCATED): what followed may be lost.
    Archives are read through to the offset.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        follow: bool = False,
        batch_size: int = 2000,
        limit: int = 1 << 20,
        stop: Callable[[], bool] = lambda: False,
        poll_seconds: float = 0.5,
        progress: Progress | None = None,
    ) -> None:
        self.paths = paths
        self.follow = follow
        self.batch_size = batch_size
        self.limit = limit
        self.stop = stop
        self.poll_seconds = poll_seconds
        self.progress = progress
        self._damages: dict[Path, str] = {}

    def batches(self, saved: SavedPosition) -> Generator[Batch, None, None]:
        """Yield the batches of every file.

        Raises SourceError at once if a path cannot be read, and at the end, when everything readable was delivered, if
        an archive was damaged.
        """
        paths, problems = expand(self.paths)
        if problems:
            raise SourceError("\n".join(problems))
        for batch in self._follow(saved) if self.follow else self._once(paths, saved):
            if batch:
                yield batch
            if self.stop():
                break
        if self._damages:
            raise SourceError("\n".join(f"{path}: {damage}" for path, damage in self._damages.items()))

    def _once(self, paths: Sequence[Path], saved: SavedPosition) -> Moments:
        for path in paths:
            if not path.is_file():
                yield from self._read_stream(path)
                continue
            with contextlib.ExitStack() as opened:
                position = saved(str(path))
                files = self._generations(path, position, opened)
                yield from _gap(path, position, files)
                for file in files:
                    yield from self._read(path, file, last_too=True)

    def _follow(self, saved: SavedPosition) -> Moments:
        tails: dict[Path, Moments] = {}
        while True:
            for path in expand(self.paths)[0]:
                tails.setdefault(path, self._tail(path, saved))
            for tail in tails.values():
                yield from itertools.takewhile(lambda batch: batch is not None, tail)
            yield None
            time.sleep(self.poll_seconds)

    def _tail(self, path: Path, saved: SavedPosition) -> Moments:
        """Read one path for ever, yielding None at its present end."""
        if not path.is_file():
            yield from self._read_stream(path)
            return
        position, was_read = saved(str(path)), False
        while True:
            with contextlib.ExitStack() as opened:
                try:
                    *former, present = files = self._generations(path, position, opened)
                except FileNotFoundError:  # between the renaming of the old file and the making of the new one
                    yield None
                    continue
                if not was_read:
                    yield from _gap(path, position, files)
                for file in former:
                    yield from self._read(path, file, last_too=True)
                was_read = yield from self._until_replaced(path, present)
                position = present.position

    def _until_replaced(self, path: Path, file: EventFile) -> Generator[Batch | None, None, bool]:
        """Read on until another file stands under the name and this one has been silent for one poll since.

        Returns whether the file was read to its end; False: it was truncated or rewritten in place before.
        """
        was_away = False
        while True:
            before = file.offset
            if file.is_changed():
                yield from self._read(path, file, last_too=file.archive is not None)
            yield None
            if not file.is_intact():
                return False
            is_away = not file.is_at(path)
            if was_away and file.offset == before:
                break
            was_away = is_away
        yield from self._read(path, file, last_too=True)
        return True

    def _generations(self, path: Path, position: Position | None, opened: contextlib.ExitStack) -> list[EventFile]:
        """Open what is to be read: what was rotated away since the position was saved, then the present file."""
        present = opened.enter_context(EventFile(path, self.progress))
        if position is None or (position["offset"] == 0 and position["inode"] == present.inode):
            return [present]
        if present.holds(position):
            present.resume(position)
            return [present]
        former = [opened.enter_context(file) for file in former_files(path, position, self.progress)]
        if former:
            log.info("%s was rotated: reading the rest of %s first", path, former[0].path)
        return [*former, present]

    def _read(self, path: Path, file: EventFile | Stream, *, last_too: bool) -> Moments:
        """Yield what stands between the offset and the present end; None where the stream has paused.

        A last line without an end is delivered only if `last_too`, and the position stays before it: it may yet get
        its rest.
        """
        raws: list[bytes] = []
        sizes: list[int] = []
        for lines in split_lines(file.blocks(), self.limit):
            if lines.ended:
                raws += lines.raws
                sizes += lines.sizes
            has_paused = not lines.raws
            while len(raws) >= self.batch_size:
                yield _batch(path, file, raws[: self.batch_size], sizes[: self.batch_size])
                raws, sizes = raws[self.batch_size :], sizes[self.batch_size :]
            if raws and (has_paused or not lines.ended or sum(sizes) >= BATCH_BYTES):
                yield _batch(path, file, raws, sizes)
                raws, sizes = [], []
            if has_paused:
                yield None
            if last_too and not lines.ended:
                yield Batch(str(path), _records(file, lines.raws, lines.sizes), file.position)
        if raws:
            yield _batch(path, file, raws, sizes)
        self._note_damage(file)

    def _note_damage(self, file: EventFile | Stream) -> None:
        if isinstance(file, Stream) or file.damage is None:
            return
        damage = f"damaged after line {file.line}: {file.damage}; what came before was read; mend it, read it again"
        self._damages[file.path] = damage
        log.error("%s: %s", file.path, damage)

    def _read_stream(self, path: Path) -> Moments:
        """Read standard input or a named pipe, once."""
        with contextlib.ExitStack() as opened:
            stream = sys.stdin.buffer if path == STANDARD_INPUT else opened.enter_context(path.open("rb"))
            yield from self._read(path, Stream(stream, self.poll_seconds, self.progress), last_too=True)


def _gap(path: Path, position: Position | None, files: Sequence[EventFile]) -> Iterator[Batch]:
    """A batch without records that moves the position into these files, if none of them holds all that was read."""
    if position is None or position["offset"] == 0 or any(file.contains(position) for file in files):
        return
    told = f"{path} was truncated or replaced after byte {position['offset']} had been read"
    log.warning("%s: reading it from its start", told)
    found = Found(TRUNCATED, f"{told}; what followed and was not read yet is lost", position["offset"])
    yield Batch(str(path), [], files[0].position, incidents=[found])


def _batch(path: Path, file: EventFile | Stream, raws: list[bytes], sizes: list[int]) -> Batch:
    """Make a batch of complete lines and move the file's position behind them."""
    records = _records(file, raws, sizes)
    file.advance(sum(sizes) + len(sizes), len(raws))
    return Batch(str(path), records, file.position)


def _records(file: EventFile | Stream, raws: list[bytes], sizes: list[int]) -> list[Record]:
    if file.offset == 0:
        raws = [raws[0].removeprefix(BYTE_ORDER_MARK), *raws[1:]]
    lines = range(file.line + 1, file.line + 1 + len(raws))
    starts = itertools.accumulate((size + 1 for size in sizes[:-1]), initial=file.offset)
    # The head tells apart equal places of files that stood under one name one after the other.
    places = [f"line {line}, byte {start}, file {file.head}" for line, start in zip(lines, starts, strict=True)]
    return [record for record in map(_record, zip(raws, places, sizes, strict=True)) if not _is_blank(record.raw)]


def _is_blank(raw: bytes) -> bool:
    return not raw or raw.isspace()
