"""Which rows does a batch of events become? Those of each table, in order of arrival."""

from collections.abc import Iterable, Sequence

from consumers.canonical import canonical_json
from consumers.intake import Arrival
from consumers.rows import KINDS, NO_WORDS, Row


def identity_rows(first: int, arrivals: Sequence[Arrival]) -> list[Row]:
    """Rows of the table `event`, numbered from `first`."""
    return [
        (seq, a.event.source, a.event.id, a.event.type, a.event.time_us, a.digest)
        for seq, a in enumerate(arrivals, start=first)
    ]


def own_rows(numbered: Iterable[tuple[int, Arrival]]) -> dict[str, list[Row]]:
    """Table -> rows of the numbered events, each in the table of its type and, if it has words, in `text`."""
    rows: dict[str, list[Row]] = {}
    words: list[Row] = []
    for seq, arrival in numbered:
        event = arrival.event
        kind = KINDS[event.type]
        rows.setdefault(kind.table, []).append(kind.row(seq, event.time_us, event.data, arrival.purpose))
        said = kind.words(event.data)
        if said is not None or event.extra is not None:
            words.append((seq, *(said or NO_WORDS), None if event.extra is None else canonical_json(event.extra)))
    if words:
        rows["text"] = words
    return rows
