"""Which items are computed together? Equal items once, answers to one prompt beside it, all in packs of one size.

A pack is one row of exactly `size` tokens. Its size is fixed because the size of a matrix product decides which kernel
computes it, and so the last bits of every score. Pure: no torch.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from judges.engine.items import Encoded, IntArray


class Segment(NamedTuple):
    """Rows [start, end) of a pack attend causally to themselves, after all of rows [prefix_start, prefix_end)."""

    start: int
    end: int
    prefix_start: int
    prefix_end: int


@dataclass(frozen=True)
class Group:
    """Items that share a prefix. prefix: its length in tokens. members: positions in the sequence that was planned."""

    prefix: int
    members: tuple[int, ...]


@dataclass(frozen=True)
class Pack:
    """What is computed in one forward pass. size: rows in all. tokens: rows that are used; the rest is filler."""

    size: int
    groups: tuple[Group, ...]
    tokens: int

    @property
    def members(self) -> tuple[int, ...]:
        """Positions of the items in here, in the order in which their scores come out."""
        return tuple(member for group in self.groups for member in group.members)


@dataclass(frozen=True, eq=False)
class Layout:
    """A pack written out. tokens, positions: shape (size,). reads: for each member the rows to be read."""

    tokens: IntArray
    positions: IntArray
    segments: tuple[Segment, ...]
    reads: tuple[IntArray, ...]


def plan_packs(encoded: Sequence[Encoded], size: int, *, share: bool = True) -> list[Pack]:
    """Put every item into a pack, the largest first. share: compute a prefix that items have in common once per pack.

    Raises ValueError for an item longer than `size`. Order and company of the items change who shares a pack, never
    how an item is split. O(n log n).

    >>> ask = [Encoded(np.arange(40, dtype=np.int32), 32, np.array([39], np.int32)) for _ in range(3)]
    >>> [(pack.groups, pack.tokens) for pack in plan_packs(ask, 64)]
    [((Group(prefix=32, members=(0, 1, 2)),), 56)]
    """
    longest = max((len(item.tokens) for item in encoded), default=0)
    if longest > size:
        raise ValueError(f"an item has {longest} tokens, a pack {size}")
    groups = [part for group in _groups(encoded, share) for part in _fitting(group, encoded, size)]
    sized = sorted(((_tokens(group, encoded), group) for group in groups), key=lambda pair: (-pair[0], pair[1].members))
    return [Pack(size, tuple(groups), used) for groups, used in _best_fit(sized, size)]


def lay_out(pack: Pack, encoded: Sequence[Encoded]) -> Layout:
    """Write a pack out: tokens, positions within each item, who attends to whom, and where to read."""
    tokens, positions = np.zeros(pack.size, np.int32), np.zeros(pack.size, np.int32)
    segments: list[Segment] = []
    reads: list[IntArray] = []
    row = 0
    for group in pack.groups:
        prefix = Segment(row, row + group.prefix, row, row)
        row = _write(tokens, positions, row, encoded[group.members[0]].tokens[: group.prefix], 0)
        if group.prefix:
            segments.append(prefix)
        for member in group.members:
            item, start = encoded[member], row
            row = _write(tokens, positions, row, item.tokens[group.prefix :], group.prefix)
            segments.append(Segment(start, row, prefix.start, prefix.end))
            shift = np.where(item.reads < group.prefix, prefix.start, start - group.prefix)
            reads.append((item.reads + shift).astype(np.int32))
    return Layout(tokens, positions, tuple(segments), tuple(reads))


def _write(tokens: IntArray, positions: IntArray, row: int, what: IntArray, first: int) -> int:
    end = row + len(what)
    tokens[row:end] = what
    positions[row:end] = np.arange(first, first + len(what))
    return end


def _groups(encoded: Sequence[Encoded], share: bool) -> Iterator[Group]:
    """Items by their canonical prefix, each split there even when it is alone."""
    if not share:
        yield from (Group(item.split, (at,)) for at, item in enumerate(encoded))
        return
    by_prefix: dict[bytes, list[int]] = {}
    for at, item in enumerate(encoded):
        by_prefix.setdefault(item.tokens[: item.split].tobytes(), []).append(at)
    yield from (Group(encoded[members[0]].split, tuple(members)) for members in by_prefix.values())


def _fitting(group: Group, encoded: Sequence[Encoded], size: int) -> Iterator[Group]:
    """The group, in parts that each fit into a pack and repeat the prefix."""
    part: list[int] = []
    used = group.prefix
    for member in sorted(group.members, key=lambda at: (-len(encoded[at].tokens), at)):
        length = len(encoded[member].tokens) - group.prefix
        if used + length > size:
            yield Group(group.prefix, tuple(part))
            part, used = [], group.prefix
        part.append(member)
        used += length
    yield Group(group.prefix, tuple(part))


def _tokens(group: Group, encoded: Sequence[Encoded]) -> int:
    return group.prefix + sum(len(encoded[member].tokens) - group.prefix for member in group.members)


def _best_fit(sized: Sequence[tuple[int, Group]], size: int) -> Iterator[tuple[list[Group], int]]:
    """Each group into the fullest pack that still has room for it (best fit, decreasing)."""
    packs: list[list[Group]] = []
    room: list[tuple[int, int]] = []  # (tokens left, pack), ascending
    for tokens, group in sized:
        at = bisect_left(room, (tokens, 0))
        left, pack = room.pop(at) if at < len(room) else (size, len(packs))
        if pack == len(packs):
            packs.append([])
        packs[pack].append(group)
        insort(room, (left - tokens, pack))
    left_of = {pack: left for left, pack in room}
    yield from ((groups, size - left_of[pack]) for pack, groups in enumerate(packs))
