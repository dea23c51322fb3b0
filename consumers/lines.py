"""How do blocks of bytes become lines, when a line may be larger than memory?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lines:
    """Consecutive lines of one stream.

    raws: the lines without their end (LF or CRLF), each cut to limit + 1 bytes.
    sizes: bytes of each line before it was cut, without its line feed.
    ended: False for the last line of a stream that stops before the line's end.
    """

    raws: list[bytes]
    sizes: list[int]
    ended: bool = True


def split_lines(blocks: Iterable[bytes], limit: int) -> Iterator[Lines]:
    """Yield the lines that each block completes, then what is left without an end.

    Holds at most one block and limit + 1 bytes, however long a line is. An empty block, a pause of the
    stream, gives empty Lines.

    >>> [lines.raws for lines in split_lines([b"one\\r\\ntw", b"o\\nthree"], limit=4)]
    [[b'one'], [b'two'], [b'three']]
    """
    tail, let_go = b"", 0
    for block in blocks:
        if len(tail) > limit:
            end = block.find(b"\n")
            if end < 0:
                let_go += len(block)
                continue
            yield Lines([tail.removesuffix(b"\r")], [len(tail) + let_go + end])
            tail, let_go, block = b"", 0, block[end + 1 :]
        data = tail + block
        raws = data.split(b"\n")
        tail = raws.pop()
        sizes = [len(raw) for raw in raws]
        if len(data) > limit:
            raws = [raw[: limit + 1] for raw in raws]
        if b"\r" in data:
            raws = [raw.removesuffix(b"\r") for raw in raws]
        if raws or not block:
            yield Lines(raws, sizes)
        if len(tail) > limit:
            let_go = len(tail) - limit - 1
            tail = tail[: limit + 1]
    if tail:
        yield Lines([tail], [len(tail) + let_go], ended=False)
