"""Which of many texts are nearly this one? MinHash finds the candidates, the Jaccard index of shingles decides.

Broder 1997 (On the resemblance and containment of documents); the threshold is that of Lee et al. 2022,
arXiv:2107.06499, who remove near-duplicates from training data.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

SHINGLE = 5  # characters
ALIKE = 0.8  # least Jaccard index of near-duplicates
BANDS, ROWS = 20, 4  # a pair with ALIKE shares no band once in 37,000 cases, one with 0.3 in 85 of 100
MOST_CANDIDATES = 20  # texts of one template are all alike: the closest few are enough
CHUNK = 4096  # shingles hashed at a time

UIntArray = np.ndarray[tuple[int], np.dtype[np.uint64]]

_random = np.random.default_rng(20261121)  # any seed will do, as long as it stays
_FACTORS = _random.integers(1, 2**63, BANDS * ROWS, np.uint64) | np.uint64(1)
_MIX = np.uint64(0x9E3779B97F4A7C15)


def shingles(words: Sequence[str]) -> UIntArray:
    """Hashes of the SHINGLE characters from each place of the joined words on, sorted, each once; the whole if shorter.

    >>> len(shingles(["return", "it"])), len(shingles(["a"]))
    (5, 1)
    """
    codes = np.frombuffer(" ".join(words).ljust(SHINGLE).encode("utf-32-le", "surrogatepass"), np.uint32)
    hashed = np.zeros(codes.size - SHINGLE + 1, np.uint64)
    for place in range(SHINGLE):
        hashed = (hashed ^ codes[place : codes.size - SHINGLE + 1 + place]) * _MIX
        hashed ^= hashed >> np.uint64(29)
    return np.unique(hashed)


def jaccard(first: UIntArray, second: UIntArray) -> float:
    """Share of the shingles of either that are in both, 0 to 1.

    >>> jaccard(np.array([1, 2, 3], np.uint64), np.array([2, 3, 4], np.uint64))
    0.5
    """
    both = np.intersect1d(first, second, assume_unique=True).size
    return both / (first.size + second.size - both)


class NearDuplicates:
    """Texts, given as words, to be found again by texts that are nearly the same.

    >>> known = NearDuplicates([["how", "to", "return", "a", "pair", "of", "shoes"], ["something", "else"]])
    >>> [(number, round(alike, 2)) for number, alike in known.of(["how", "to", "return", "a", "pair", "of", "shoe"])]
    [(0, 0.96)]
    """

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self._shingles = [shingles(words) for words in texts]
        sizes = [one.size for one in self._shingles]
        self._sizes = (min(sizes, default=0) * ALIKE, max(sizes, default=0) / ALIKE)
        self._bands: dict[bytes, list[int]] = defaultdict(list)
        for number, one in enumerate(self._shingles):
            for band in _bands(one):
                self._bands[band].append(number)

    def of(self, words: Sequence[str]) -> Iterator[tuple[int, float]]:
        """Number and Jaccard index of each text that is at least ALIKE, the closest MOST_CANDIDATES at most."""
        own = shingles(words)
        if not self._sizes[0] <= own.size <= self._sizes[1]:
            return
        shared = Counter(number for band in _bands(own) for number in self._bands.get(band, ()))
        for number, _ in shared.most_common(MOST_CANDIDATES):
            alike = jaccard(own, self._shingles[number])
            if alike >= ALIKE:
                yield number, alike


def _bands(hashed: UIntArray) -> Iterator[bytes]:
    """The MinHash signature in BANDS pieces, each with its number."""
    least = np.full(_FACTORS.size, np.iinfo(np.uint64).max, np.uint64)
    for start in range(0, hashed.size, CHUNK):
        products = hashed[start : start + CHUNK, None] * _FACTORS
        np.minimum(least, (products ^ (products >> np.uint64(31))).min(axis=0), out=least)
    return (bytes([band]) + least[band * ROWS : (band + 1) * ROWS].tobytes() for band in range(BANDS))
