"""Where do events come from? The port every source implements: raw records in batches, each with a position to save."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Position = Mapping[str, Any]
SavedPosition = Callable[[str], Position | None]


class Record(NamedTuple):
    """One event as it came, not yet judged.

    raw: the bytes without their line end; of a record larger than the limit only limit + 1 bytes are kept.
    position: where it stood, unique within the source and readable, e.g. "line 12, byte 3456".
    size: bytes before bounding.
    """

    raw: bytes
    position: str
    size: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are stored together with the position after them, in one transaction.

    source: key of the saved position, e.g. the absolute path of a file.
    position: JSON-able, where to go on after this batch; None if the source cannot resume (standard input).
    """

    source: str
    records: Sequence[Record]
    position: Position | None


class Source(Protocol):
    """Anything that delivers events in batches and can go on from a saved position."""

    def batches(self, saved: SavedPosition) -> Iterator[Batch]:
        """Yield batches from where `saved(source)` says each source was left, or from its start when that is None.

        Raises SourceError if a source cannot be read.
        """
        ...


class SourceError(Exception):
    """A source cannot be read; the message names it and says what to do next."""
