"""How would people thumb this text, going by the thumbs they gave before?

A small frozen reward model: logistic regression on hashed word counts, length and exclamation marks. It needs no
model weights from elsewhere and scores a hundred thousand answers in a second or two, so a loop can really be
selected against it.
"""

import functools
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize, sparse, special

CODE_VERSION = 1  # raised whenever the same weights would give another score
BUCKETS = 2048
WORD = re.compile(r"[\w']+")

FloatArray = np.ndarray[tuple[int], np.dtype[np.float64]]


class ThumbsModelError(ValueError):
    """A saved thumbs model is not one, is of another code version, or does not match its own revision."""


@dataclass(frozen=True)
class ThumbsModel:
    """A fitted reward model that never changes again.

    words: BUCKETS weights, one per hashed word, per occurrence.
    length: weight per 100 words. exclamations: weight per exclamation mark. bias: the logit of an empty text.
    """

    words: tuple[float, ...]
    length: float
    exclamations: float
    bias: float

    @property
    def revision(self) -> str:
        """Hash of the weights and of the code version: two equal revisions are the same ruler."""
        canonical = json.dumps(self._content(), sort_keys=True).encode()
        return hashlib.blake2b(canonical, digest_size=8).hexdigest()

    def score(self, texts: Sequence[str]) -> FloatArray:
        """Raw logits of a thumbs-up, shape (texts,). A higher number is a better liked text, and nothing more."""
        weight = self._word_weight()
        return np.array([self._score_one(text, weight) for text in texts], np.float64)

    def save(self, path: Path) -> None:
        """Write the model as JSON, with its revision."""
        path.write_text(json.dumps({"revision": self.revision, **self._content()}), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "ThumbsModel":
        """Read a saved model. Raises ThumbsModelError if the file is not a model or was altered."""
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            others = [float(saved[name]) for name in ("length", "exclamations", "bias")]
            model = cls(tuple(map(float, saved["words"])), *others)
            told, version = saved["revision"], saved["code_version"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ThumbsModelError(f"{path} is not a saved thumbs model: {error!r}") from error
        if version != CODE_VERSION or len(model.words) != BUCKETS or told != model.revision:
            raise ThumbsModelError(f"{path} was altered, or saved by another code version than {CODE_VERSION}")
        return model

    def _content(self) -> dict[str, Any]:
        weights = {"words": self.words, "length": self.length, "exclamations": self.exclamations, "bias": self.bias}
        return {"code_version": CODE_VERSION, **weights}

    def _word_weight(self) -> Callable[[str], float]:
        """Weight of one blank-separated piece of text, length included; remembered, because words repeat."""

        @functools.lru_cache(maxsize=1 << 16)
        def weight(piece: str) -> float:
            return sum(self.words[bucket(word)] + self.length / 100 for word in split_words(piece))

        return weight

    def _score_one(self, text: str, weight: Callable[[str], float]) -> float:
        return self.bias + sum(map(weight, text.split())) + self.exclamations * text.count("!")


def fit(texts: Sequence[str], thumbs: Sequence[int], *, penalty: float = 1.0) -> ThumbsModel:
    """Fit the reward model to thumbs by penalised maximum likelihood (L-BFGS).

    thumbs: 1 up, 0 down, one per text. penalty: half the inverse variance of the normal prior of the weights; the
    bias has none.
    Weights are rounded to 9 decimals, so that a revision does not hang on the last bits of an optimiser.
    Raises ValueError for unequal lengths, other values, or thumbs that all point one way.
    """
    up = np.asarray(thumbs, np.float64)
    if up.shape != (len(texts),) or set(up.tolist()) != {0.0, 1.0}:
        raise ValueError(f"need one thumb, 0 or 1 and both present, per text; got {up.size} for {len(texts)} texts")
    features = feature_matrix(texts)
    columns = features.shape[1]

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        logits = features @ weights[:-1] + weights[-1]
        residual = special.expit(logits) - up
        gradient = np.append(features.T @ residual + 2 * penalty * weights[:-1], residual.sum())
        value = np.logaddexp(0, logits).sum() - up @ logits + penalty * weights[:-1] @ weights[:-1]
        return float(value), gradient

    found = optimize.minimize(loss, np.zeros(columns + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    *words, length, exclamations, bias = (round(float(w), 9) for w in found.x)
    return ThumbsModel(tuple(words), length, exclamations, bias)


def feature_matrix(texts: Sequence[str]) -> sparse.csr_array[np.float64, tuple[int, int]]:
    """Counts of hashed words, then hundreds of words, then exclamation marks; shape (texts, BUCKETS + 2)."""
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    for row, text in enumerate(texts):
        hashed = [bucket(word) for word in split_words(text)]
        columns += [*hashed, BUCKETS, BUCKETS + 1]
        values += [1.0] * len(hashed) + [len(hashed) / 100, float(text.count("!"))]
        rows += [row] * (len(hashed) + 2)
    return sparse.csr_array((values, (rows, columns)), shape=(len(texts), BUCKETS + 2))


def split_words(text: str) -> list[str]:
    """The words of a text, lower case, punctuation left out.

    >>> split_words("We're SORRY!")
    ["we're", 'sorry']
    """
    return WORD.findall(text.lower())


def bucket(word: str) -> int:
    """Which of the BUCKETS weights a word uses; the same in every process and on every platform."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass")) % BUCKETS
