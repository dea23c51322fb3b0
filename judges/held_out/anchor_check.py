"""Did training data see a held-out item? Equal texts, shared runs of words, and near-duplicates.

Runs of 13 words are the field's measure of contamination (Brown et al. 2020, arXiv:2005.14165, appendix C: 8 to 13
words; runs met in more than ten places are set phrases and tell nothing). Time is in proportion to the training data.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Literal

from consumers.fingerprints import SHORTEST, words_of
from judges.anchors import AnchorSet
from judges.held_out.anchor_wall import telling_texts
from judges.held_out.near_duplicates import NearDuplicates
from judges.held_out.training_texts import TrainingText, Unread, read_texts

RUN = 13  # words; all of a text that has fewer, down to SHORTEST
MOST_HOLDERS = 10  # anchors that may share a run before it is a set phrase
MOST_KEPT = 5  # matches of an item that are kept; all are counted
EXCERPT = 160  # characters

MatchKind = Literal["exact", "run", "near"]


@dataclass(frozen=True)
class Match:
    """Where an item was seen. place: which of its texts. share: of its runs found, or the Jaccard index; 1 if exact.

    excerpt: the words that matched, as compared.
    """

    kind: MatchKind
    place: str
    share: float
    file: str
    line: int
    field: str
    excerpt: str


@dataclass
class Sightings:
    """The matches of one item: the first MOST_KEPT, and how many of each kind there are."""

    item_id: str
    kept: list[Match] = field(default_factory=list)
    counts: dict[MatchKind, int] = field(default_factory=dict)

    def add(self, match: Match) -> None:
        """Count a match, and keep it if it is one of the first."""
        self.counts[match.kind] = self.counts.get(match.kind, 0) + 1
        if len(self.kept) < MOST_KEPT:
            self.kept.append(match)


@dataclass(frozen=True)
class Contamination:
    """What was found. texts: training texts looked at. items: those seen, in the set's order. unread: rows that could
    not be read, of which nothing is known."""

    texts: int
    items: Sequence[Sightings]
    unread: Sequence[Unread]


def check_anchors(anchors: AnchorSet, paths: Iterable[Path]) -> Contamination:
    """Look for every item of a set in files of training data. Raises TableError for a file that cannot be read."""
    known = AnchorIndex((item.item_id, telling_texts(item)) for item in anchors.items)
    found: dict[str, Sightings] = {}
    unread: list[Unread] = []
    texts = 0
    for one in (one for path in paths for one in read_texts(path)):
        if isinstance(one, Unread):
            unread.append(one)
            continue
        texts += 1
        for item_id, match in known.matches(one):
            found.setdefault(item_id, Sightings(item_id)).add(match)
    return Contamination(texts, [found[item.item_id] for item in anchors.items if item.item_id in found], unread)


class AnchorIndex:
    """The texts of items, by all of their words, by each run of them and by their shingles."""

    def __init__(self, items: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        known = [(item_id, place, words_of(text)) for item_id, texts in items for place, text in texts.items()]
        self._names = [(item_id, place) for item_id, place, _ in known]
        self._whole: dict[str, list[int]] = defaultdict(list)
        self._holders: dict[str, tuple[int, ...]] = {}
        self._run_counts: list[int] = []
        for number, (_, _, words) in enumerate(known):
            self._whole[" ".join(words)].append(number)
            runs = set(_runs(words, min(RUN, len(words))))
            self._run_counts.append(len(runs))
            for run in runs:
                held = self._holders.get(run, ())
                self._holders[run] = (*held, number) if len(held) <= MOST_HOLDERS else held
        self._long = [number for number, (_, _, words) in enumerate(known) if len(words) >= SHORTEST]
        self._lengths = sorted({min(RUN, len(known[number][2])) for number in self._long})
        self._near = NearDuplicates([known[number][2] for number in self._long])

    def matches(self, text: TrainingText) -> Iterator[tuple[str, Match]]:
        """Items seen in a text, each text of an item once, by the surest kind of match."""
        words = words_of(text.text)
        if not words:
            return
        seen: dict[int, tuple[MatchKind, float, str]] = {}
        for number in self._whole.get(" ".join(words), ()):
            seen[number] = ("exact", 1.0, " ".join(words))
        for number, runs in self._shared_runs(words).items():
            seen.setdefault(number, ("run", len(runs) / self._run_counts[number], next(iter(runs))))
        for near, alike in self._near.of(words) if len(words) >= SHORTEST else ():
            seen.setdefault(self._long[near], ("near", alike, " ".join(words)))
        for number, (kind, share, excerpt) in seen.items():
            item_id, place = self._names[number]
            yield item_id, Match(kind, place, share, text.file, text.line, text.field, excerpt[:EXCERPT])

    def _shared_runs(self, words: Sequence[str]) -> dict[int, dict[str, None]]:
        """Which runs of which texts these words hold, in order."""
        shared: dict[int, dict[str, None]] = defaultdict(dict)
        for length in self._lengths:
            for run in _runs(words, length):
                held = self._holders.get(run, ())
                for number in held if len(held) <= MOST_HOLDERS else ():
                    shared[number][run] = None
        return shared


def _runs(words: Sequence[str], length: int) -> Iterator[str]:
    """Every run of so many words; none if there are fewer than SHORTEST or than that."""
    if length < SHORTEST:
        return
    joined = " ".join(words)
    starts = [0, *accumulate(len(word) + 1 for word in words)]
    for start, end in zip(starts, starts[length:], strict=False):
        yield joined[start : end - 1]
