"""How much does this text sound like the teacher? P(teacher | text), by a frozen classifier of two voices.

Logistic regression on hashed character 2-, 3- and 4-grams, trained on texts of the teacher and of the reference student
that answer the same prompts, so that what is asked about speaks for neither. Rivals, where there are any, stand beside
the student, so that what other models share with the teacher does not count as his. No weights come from elsewhere.
Source: Koppel and Winter 2014, J. Assoc. Inf. Sci. Technol. 65:178 (authors told apart by character n-grams).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse, special

CODE_VERSION = 1  # raised whenever the same weights would give another score
BUCKETS = 1 << 14
LONGEST_GRAM = 4
OPENING = 500  # characters of a text that are read, so that a longer answer is not another voice
PENALTY = 0.05  # half the inverse variance of a weight's normal prior, where texts have length 1
MULTIPLIER, MIX, TOP = np.uint64(0x9E3779B97F4A7C15), np.uint64(29), np.uint64(64 - 14)

Array = NDArray[np.float64]
Features = sparse.csr_array[np.float64, tuple[int, int]]


class StyleModelError(ValueError):
    """A saved style model is not one, is of another code version, or does not match its own revision."""


@dataclass(frozen=True)
class StyleModel:
    """A classifier of two voices that never changes again.

    weights: BUCKETS weights, one a hashed n-gram. bias: the logit of a text without any. centre: the mean features of
    the teacher's texts, so that one can ask how far from them others lie.
    """

    weights: tuple[float, ...]
    bias: float
    centre: tuple[float, ...]

    @property
    def revision(self) -> str:
        """Hash of the weights and of the code version: two equal revisions are the same ruler."""
        canonical = json.dumps(self._content(), sort_keys=True).encode()
        return hashlib.blake2b(canonical, digest_size=8).hexdigest()

    def score(self, texts: Sequence[str]) -> Array:
        """P(teacher | text), shape (texts,), in [0, 1]: of the two voices it knows, and of no other."""
        return self.score_features(style_features(texts))

    def score_features(self, features: Features) -> Array:
        """The same of texts whose `style_features` are at hand."""
        return np.asarray(special.expit(features @ np.array(self.weights) + self.bias), np.float64)

    def save(self, path: Path) -> None:
        """Write the model as JSON, with its revision."""
        path.write_text(json.dumps(self.to_plain()), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "StyleModel":
        """Read a saved model. Raises StyleModelError if the file is not a model or was altered."""
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise StyleModelError(f"{path} is not a saved style model: {error!r}") from error
        return cls.from_plain(saved, str(path))

    def to_plain(self) -> dict[str, Any]:
        """The model as plain JSON types, with its revision."""
        return {"revision": self.revision, **self._content()}

    @classmethod
    def from_plain(cls, saved: Any, name: str) -> "StyleModel":
        """The model of `to_plain`; `name` stands in messages. Raises StyleModelError as `load` does."""
        try:
            weights, centre = (tuple(map(float, saved[name])) for name in ("weights", "centre"))
            model = cls(weights, float(saved["bias"]), centre)
            told, version = saved["revision"], saved["code_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise StyleModelError(f"{name} is not a saved style model: {error!r}") from error
        if version != CODE_VERSION or {len(weights), len(centre)} != {BUCKETS} or told != model.revision:
            raise StyleModelError(f"{name} was altered, or saved by another code version than {CODE_VERSION}")
        return model

    def _content(self) -> dict[str, Any]:
        return {"code_version": CODE_VERSION, "weights": self.weights, "bias": self.bias, "centre": self.centre}


def fit(teacher: Sequence[str], own: Sequence[str], rivals: Sequence[Sequence[str]] = ()) -> StyleModel:
    """Fit the classifier by penalised maximum likelihood (L-BFGS).

    teacher, own: the two answers to each of the same prompts, in one order. rivals: answers of others to such prompts,
    a sequence for each; own and every rival weigh alike, and together as much as the teacher. Weights are rounded to 6
    decimals, so that a revision does not hang on the last bits of an optimiser.
    Raises ValueError for unequal lengths, no pair, or a rival without an answer.
    """
    if len(teacher) != len(own) or not teacher:
        raise ValueError(f"need both answers to each prompt, got {len(teacher)} of the teacher and {len(own)} own")
    if not all(rivals):
        raise ValueError("a rival needs at least one answer")
    others = (own, *rivals)
    features = style_features([*teacher, *(text for side in others for text in side)])
    taught = np.arange(features.shape[0]) < len(teacher)
    shares = [len(teacher) / len(others) / len(side) for side in others]
    heed = np.repeat([1.0, *shares], [len(teacher), *map(len, others)])

    def loss(weights: Array) -> tuple[float, Array]:
        logits = features @ weights[:-1] + weights[-1]
        residual = heed * (special.expit(logits) - taught)
        gradient = np.append(features.T @ residual + 2 * PENALTY * weights[:-1], residual.sum())
        value = heed @ (np.logaddexp(0, logits) - taught * logits) + PENALTY * weights[:-1] @ weights[:-1]
        return float(value), gradient

    found = optimize.minimize(loss, np.zeros(BUCKETS + 1), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    *weights, bias = found.x.round(6).tolist()
    centre = np.asarray(features[: len(teacher)].mean(axis=0), np.float64).ravel()
    return StyleModel(tuple(weights), bias, tuple(centre.round(6).tolist()))


def told_apart(model: StyleModel, teacher: Sequence[str], own: Sequence[str]) -> float:
    """Accuracy on prompts that were not trained on: share of the pairs' texts put to the voice they are of.

    Raises ValueError without a text.
    """
    right = np.concatenate([model.score(teacher) > 0.5, model.score(own) <= 0.5])
    if not right.size:
        raise ValueError("accuracy needs at least one text")
    return float(right.mean())


def style_features(texts: Sequence[str]) -> Features:
    """Square roots of the counts of hashed n-grams of each text's opening, scaled to length 1: shape (texts, BUCKETS).

    The root keeps a phrase that is repeated from speaking for ten; equal lengths keep a long text from doing so.
    """
    ends, columns, values = [0], [np.zeros(0, np.int64)], [np.zeros(0)]
    for text in texts:
        distinct, counts = np.unique(_buckets(text), return_counts=True)
        ends.append(ends[-1] + distinct.size)
        columns.append(distinct)
        values.append(np.sqrt(counts / max(counts.sum(), 1)))
    parts = (np.concatenate(values), np.concatenate(columns), np.array(ends))
    return sparse.csr_array(parts, shape=(len(texts), BUCKETS))


def _buckets(text: str) -> NDArray[np.int64]:
    """The bucket of every n-gram; the same in every process and on every platform."""
    codes = np.frombuffer(text[:OPENING].encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    hashed, found = codes * MULTIPLIER, []
    for length in range(2, min(LONGEST_GRAM, codes.size) + 1):
        hashed = hashed[:-1] ^ (hashed[:-1] >> MIX)
        hashed = (hashed + codes[length - 1 :]) * MULTIPLIER
        found.append((hashed >> TOP).astype(np.int64))
    return np.concatenate(found) if found else np.zeros(0, np.int64)
