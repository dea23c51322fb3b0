"""A reward model on a real encoder: MiniLM's lower layers as they are, under a head fitted to recorded preferences.

The state of the first token is standardised and squashed (BERT's pooler), then weighed (its classifier). The weights
are the one optimum of a Bradley-Terry likelihood with an L2 penalty, so that nothing is drawn and a fit repeats itself.
Both constants were chosen by cross-validation among the training pairs alone.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit
from transformers import AutoTokenizer, BertForSequenceClassification

from tests.harmless_pairs import Pair

LAYERS = 4  # of six: the upper ones were trained to tell topics, and know less of tone
PENALTY = 0.3
BATCH = 32
Array = np.ndarray


class Encoder:
    """MiniLM's lower layers and its tokenizer, with a head that knows nothing yet."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.model = BertForSequenceClassification.from_pretrained(
            folder, local_files_only=True, num_labels=1, num_hidden_layers=LAYERS
        ).eval()

    def features(self, pairs: Sequence[Pair]) -> Array:
        """State of the first token: shape (pairs, 2, width), the chosen answer first. Texts over 512 tokens fail."""
        texts = [(pair.request, answer) for pair in pairs for answer in (pair.chosen, pair.rejected)]
        found = np.empty((len(texts), self.model.config.hidden_size), np.float32)
        by_length = sorted(range(len(texts)), key=lambda at: len(texts[at][0]) + len(texts[at][1]))
        for start in range(0, len(texts), BATCH):
            batch = by_length[start : start + BATCH]
            found[batch] = self._states([texts[at] for at in batch])
        return found.reshape(len(pairs), 2, -1)

    def margins(self, features: Array) -> list[float]:
        """Score of the chosen answer minus that of the rejected one, by the head in place."""
        with torch.inference_mode():
            pooled = torch.tanh(self.model.bert.pooler.dense(torch.from_numpy(features)))
            scores = self.model.classifier(pooled)[..., 0]
        return (scores[:, 0] - scores[:, 1]).tolist()

    def fit(self, features: Array) -> None:
        """Put in place the head that explains these preferences best. features: as of `features`."""
        mean, spread = features.mean((0, 1)), features.std((0, 1))
        pooled = np.tanh((features - mean) / (2 * spread))
        weights = _bradley_terry(pooled[:, 0] - pooled[:, 1])
        pooler, classifier = self.model.bert.pooler.dense, self.model.classifier
        with torch.no_grad():
            pooler.weight.copy_(torch.from_numpy(np.diag(0.5 / spread)))
            pooler.bias.copy_(torch.from_numpy(-mean / (2 * spread)))
            classifier.weight.copy_(torch.from_numpy(weights)[None])
            classifier.bias.zero_()

    def save(self, folder: Path) -> None:
        """Weights as safetensors, configuration and tokenizer."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    @torch.inference_mode()
    def _states(self, texts: Sequence[tuple[str, str]]) -> Array:
        batch = self.tokenizer(*zip(*texts, strict=True), padding=True, return_tensors="pt")
        states: Array = self.model.bert(**batch).last_hidden_state[:, 0].numpy()
        return states


def _bradley_terry(differences: Array) -> Array:
    """Weights under which the preferred side of each pair wins most plausibly. differences: (pairs, width)."""

    def loss(weights: Array) -> tuple[float, Array]:
        margins = differences @ weights
        value = np.logaddexp(0, -margins).mean() + PENALTY * (weights @ weights) / 2
        return value, PENALTY * weights - (differences * expit(-margins)[:, None]).mean(0)

    found: Array = minimize(loss, np.zeros(differences.shape[1]), jac=True, method="L-BFGS-B").x
    return found
