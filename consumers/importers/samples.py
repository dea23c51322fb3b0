"""What was each item of a benchmark worth, in few bytes and under a name that is the same for every checkpoint?

Items are compared by their ids, so an id depends on the item alone: longer than `ID_CHARACTERS`, it is told by its
digest. Samples go with a result only if the result is their mean. Whatever is another function of the items (a
perplexity, a corpus F1), or comes from another run, would be compared by numbers that it does not consist of.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from consumers.events import EVENT_BYTES
from consumers.importers.cells import digest
from consumers.importers.rows import RowFault

ID_CHARACTERS = 24
AGREEMENT = 1e-4  # of a result and the mean of its items: what float32 sums and rounded files differ by

Values = Mapping[str, float | None]


def item_id(name: object) -> str:
    """The id of an item: its name, or the digest of a long one.

    >>> item_id(12), len(item_id("https://example.org/a/very/long/name"))
    ('12', 24)
    """
    text = str(name)
    return text if len(text) <= ID_CHARACTERS else digest(text)


def told_samples(values: Values) -> list[dict[str, Any]]:
    """The samples of an event, in the order of their ids; whole numbers without decimals, which takes fewer bytes."""
    return [{"id": name, "value": _short(value)} for name, value in sorted(values.items())]


def samples_of(values: Values, result: float, n: int | None = None) -> list[dict[str, Any]]:
    """The samples that make up a result. n: how many there should be. Raises RowFault where they do not make it up."""
    if n is not None and len(values) != n:
        raise RowFault(f"the samples are {len(values)} of {n} items; was the file cut? Told without samples")
    mean = mean_of(values.values())
    if mean is None or not abs(mean - result) <= AGREEMENT * max(1.0, abs(result)):
        shown = "nothing" if mean is None else f"{mean:.6g}"
        raise RowFault(
            f"the mean of the samples is {shown}, the result {result:.6g}: of another run? Told without them"
        )
    return told_samples(values)


def mean_of(values: Iterable[float | None]) -> float | None:
    """The mean of what was scored; None if nothing was."""
    scored = [value for value in values if value is not None]
    return math.fsum(scored) / len(scored) if scored else None


def stderr_of(values: Sequence[float | None]) -> float | None:
    """The standard error of the mean of items; None with fewer than two, or where some were not scored."""
    scored = [value for value in values if value is not None]
    if len(scored) < 2 or len(scored) < len(values):
        return None
    mean = math.fsum(scored) / len(scored)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in scored) / (len(scored) - 1) / len(scored))


def without_samples(data: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """An evaluation whose items are too many for an event, told by n and error; and what to say of that.

    Parts of the items in several events would be several results, none of which is the one that was measured.
    """
    samples = data["samples"]
    values = [one["value"] for one in samples]
    kept = {"n": len(samples), "stderr": stderr_of(values), **{k: v for k, v in data.items() if v is not None}}
    del kept["samples"]
    return kept, (
        f"{len(samples):,} items are more than an event holds (limits.event_bytes, {EVENT_BYTES:,}): told with value, n"
        " and error alone, which are compared unpaired; to keep pairs, tell the items in several categories"
    )


def number_in(cell: object) -> float | None:
    """What one item was worth; None for nothing, NaN and the infinite. Raises RowFault for what is no number.

    Harnesses write some numbers, and true and false, as text.
    """
    if isinstance(cell, str):
        cell = {"true": 1.0, "false": 0.0, "": None}.get(cell.strip().lower(), cell)
    if cell is None:
        return None
    try:
        value = float(cell)  # type: ignore[arg-type] # whatever is no number is told below
    except (TypeError, ValueError, OverflowError):
        raise RowFault(f"{str(cell)[:60]!r} is no number") from None
    return value if math.isfinite(value) else None


def _short(value: float | None) -> float | int | None:
    return int(value) if value is not None and value.is_integer() and abs(value) < 1e15 else value
