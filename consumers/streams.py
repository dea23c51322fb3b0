"""How is standard input, or a pipe, read without holding up what has already arrived?"""

import select
from collections.abc import Iterator
from typing import BinaryIO

from consumers.files import BLOCK, HEAD, Progress, head_digest


class Stream:
    """A stream of lines that is read once, from its start to its end; it has no position to come back to."""

    def __init__(self, stream: BinaryIO, wait_seconds: float, progress: Progress | None = None) -> None:
        self.offset = 0
        self.line = 0
        self.head = ""
        self.position = None
        self._stream = stream
        self._wait_seconds = wait_seconds
        self._progress = progress

    def advance(self, size: int, lines: int) -> None:
        """Note that so many bytes and lines more were read."""
        self.offset += size
        self.line += lines

    def blocks(self) -> Iterator[bytes]:
        """Yield what arrives; an empty block says that nothing has come for `wait_seconds`."""
        start = b""
        for block in self._arriving():
            if self.head:
                yield block
                continue
            start += block
            if len(start) >= HEAD or b"\n" in start.lstrip():
                self.head = head_digest(start)
                yield start
            else:
                yield b""
        if not self.head:
            self.head = head_digest(start)
            yield start

    def _arriving(self) -> Iterator[bytes]:
        while True:
            while not _is_ready(self._stream, self._wait_seconds):
                yield b""
            block = self._stream.read1(BLOCK)  # type: ignore[attr-defined]
            if not block:
                return
            if self._progress:
                self._progress(len(block))
            yield block


def _is_ready(stream: BinaryIO, wait_seconds: float) -> bool:
    try:
        return bool(select.select([stream], [], [], wait_seconds)[0])
    except (OSError, ValueError):  # not a descriptor of the system: always ready
        return True
