"""Which bytes does a file of events hold, and is it still the file we were reading?"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import zstandard

BLOCK = 1 << 18
HEAD = 4096
TAIL = 4096  # bytes before the offset that tell a file that grew from one that was cut and grew again
ZSTD_INPUT = 1 << 8  # bytes; a frame may expand 30,000 times: little at a time keeps memory bounded
ARCHIVES = {".gz", ".zst"}
DAMAGES = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)

Progress = Callable[[int], None]
Position = Mapping[str, Any]


class EventFile:
    """An open file of event lines: plain, .gz or .zst, and how far it was read.

    offset, line: bytes (decompressed) and lines read so far. tail: digest of the last bytes read; None of an archive,
    which is never cut in place. damage: why the archive ended early, None if it did not.
    """

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.path = path
        self.archive = path.suffix if path.suffix in ARCHIVES else None
        self.offset = 0
        self.line = 0
        self.tail: str | None = None
        self.damage: str | None = None
        self._progress = progress
        self._size_read = -1
        self._file: BinaryIO = path.open("rb")
        self.inode = os.fstat(self._file.fileno()).st_ino
        self.changed_ns = os.fstat(self._file.fileno()).st_mtime_ns
        self.head = self._digest_of_head()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; an object used in a `with` does so itself."""
        self._file.close()

    @property
    def position(self) -> dict[str, Any]:
        """Where to go on, JSON-able."""
        return {
            "inode": self.inode,
            "head": self.head,
            "offset": self.offset,
            "line": self.line,
            "tail": self.tail,
        }

    @property
    def size(self) -> int:
        """Bytes on disk now."""
        return os.fstat(self._file.fileno()).st_size

    def holds(self, position: Position) -> bool:
        """Is this the file the position was saved for, with all that was read of it?"""
        return position["inode"] == self.inode and self.contains(position)

    def contains(self, position: Position) -> bool:
        """Does it hold all that was read up to the position, be it the same file or a copy? Of an archive: it seems."""
        if position["head"] != self.head:
            return False
        return self.archive is not None or self._ends_alike(position["offset"], position.get("tail"))

    def resume(self, position: Position) -> None:
        """Go on from a position saved for this content."""
        self.offset, self.line = position["offset"], position["line"]
        self.tail = self._digest_of_tail(self.offset)

    def advance(self, size: int, lines: int) -> None:
        """Note that so many bytes and lines more were read."""
        self.offset += size
        self.line += lines
        self.tail = self._digest_of_tail(self.offset)

    def is_intact(self) -> bool:
        """Does the file still hold what was read of it? Otherwise somebody truncated or rewrote it in place."""
        if self.offset == 0:
            return True
        is_alike = self.archive is not None or self._ends_alike(self.offset, self.tail)
        return is_alike and self._digest_of_head() == self.head

    def is_changed(self) -> bool:
        """Has the file another size than when `blocks` was last called?"""
        return self.size != self._size_read

    def is_at(self, path: Path) -> bool:
        """Does this name still lead to this file? Otherwise it was rotated away."""
        try:
            return path.stat().st_ino == self.inode
        except FileNotFoundError:
            return False

    def blocks(self) -> Iterator[bytes]:
        """Yield the (decompressed) bytes from the offset to the present end; a broken archive sets `damage`."""
        if self.offset == 0:
            self.head = self._digest_of_head()  # what was empty or half a line has an identity only now
        self.damage = None
        self._size_read = self.size
        self._file.seek(self.offset if self.archive is None else 0)
        blocks = self._stored() if self.archive is None else _skip(self._unpacked(), self.offset)
        before = self._file.tell()
        for block in blocks:
            if self._progress:
                self._progress(self._file.tell() - before)
                before = self._file.tell()
            yield block

    def _stored(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(BLOCK), b"")

    def _unpacked(self) -> Iterator[bytes]:
        unpack = _gunzip if self.archive == ".gz" else _unzstd
        try:
            yield from _gathered(unpack(self._file))
        except DAMAGES as fault:
            self.damage = str(fault)

    def _digest_of_head(self) -> str:
        """Digest of the first line that is not blank, or of the first HEAD bytes: it stays while the file grows."""
        self._file.seek(0)
        return head_digest(first_bytes(self._stored() if self.archive is None else self._unpacked()))

    def _ends_alike(self, offset: int, tail: str | None) -> bool:
        """Is the file long enough, and are the bytes before the offset those that were read? tail: None if unknown."""
        return self.size >= offset and tail in (None, self._digest_of_tail(offset))

    def _digest_of_tail(self, offset: int) -> str | None:
        if self.archive is not None:
            return None
        start = max(offset - TAIL, 0)
        return hashlib.blake2b(os.pread(self._file.fileno(), offset - start, start), digest_size=8).hexdigest()


def head_digest(data: bytes) -> str:
    """Name a stream by its first line that is not blank, of which at most HEAD bytes count."""
    first = data[:HEAD].lstrip().partition(b"\n")[0]
    return hashlib.blake2b(first, digest_size=8).hexdigest()


def first_bytes(blocks: Iterator[bytes]) -> bytes:
    """Read until the first line that is not blank is complete, HEAD bytes are there or the stream ends."""
    data = b""
    for block in blocks:
        data += block
        if len(data) >= HEAD or b"\n" in data.lstrip():
            break
    return data


def _skip(blocks: Iterator[bytes], offset: int) -> Iterator[bytes]:
    for block in blocks:
        if offset < len(block):
            yield block[offset:]
        offset = max(0, offset - len(block))


def _gunzip(file: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as archive:
        # read1, not read: read would drop what it holds when the archive breaks off
        yield from iter(lambda: archive.read1(BLOCK), b"")


def _unzstd(file: BinaryIO) -> Iterator[bytes]:
    """Frame by frame, because the library's own reader takes a cut archive for a complete one."""
    frame = None
    for piece in iter(lambda: file.read(ZSTD_INPUT), b""):
        rest = piece
        while rest:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(rest)
            rest = frame.unused_data
            frame = None if frame.eof else frame
    if frame is not None:
        raise EOFError("the archive ends in the middle of a frame")


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join pieces to blocks; when the archive breaks off, what came before is still delivered."""
    held: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= BLOCK:
                yield b"".join(held)
                held, size = [], 0
    except DAMAGES:
        yield b"".join(held)
        raise
    yield b"".join(held)
