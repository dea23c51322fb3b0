"""Which answers does a small classification model expect to be thumbed up?"""

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaForSequenceClassification, PreTrainedTokenizerFast

from judges.tiny.training import answer_ids, padded, question_ids, save, seeded, small_config, train

FloatArray = np.ndarray[tuple[int], np.dtype[np.float64]]

ROWS = 2048  # answers scored at once


@dataclass(frozen=True)
class TinyReward:
    """A sequence-classification model with one output and its tokenizer. Training gives a new one."""

    model: LlamaForSequenceClassification
    tokenizer: PreTrainedTokenizerFast

    @classmethod
    def build(cls, tokenizer: PreTrainedTokenizerFast, seed: int) -> "TinyReward":
        """A reward model with random weights."""
        with seeded(seed):
            config = small_config(tokenizer)
            config.num_labels = 1
            model = LlamaForSequenceClassification(config)  # type: ignore[no-untyped-call]
        return cls(model.eval(), tokenizer)  # type: ignore[no-untyped-call]

    @property
    def revision(self) -> str:
        """Hash of the weights: two equal revisions are the same ruler."""
        digest = hashlib.blake2b(digest_size=8)
        for name, weight in sorted(self.model.state_dict().items()):
            digest.update(name.encode() + weight.numpy().tobytes())
        return digest.hexdigest()

    def fitted(
        self,
        prompts: Sequence[str],
        answers: Sequence[str],
        thumbs: Sequence[int],
        *,
        seed: int,
        passes: int = 4,
        rate: float = 2e-3,
    ) -> "TinyReward":
        """A reward model trained on thumbs, 1 up and 0 down, by the likelihood of their logits.

        Raises ValueError for unequal lengths, other values, or thumbs that all point one way.
        """
        up = torch.tensor(thumbs, dtype=torch.float32)
        if not len(prompts) == len(answers) == len(thumbs) or set(thumbs) != {0, 1}:
            raise ValueError(
                f"need one thumb, 0 or 1 and both present, per answer; got {len(thumbs)} of {len(answers)}"
            )
        ids = self._ids(prompts, answers)
        model = copy.deepcopy(self.model)

        def loss(batch: torch.Tensor) -> torch.Tensor:
            logits = model(input_ids=ids[batch], use_cache=False).logits[:, 0]
            return torch.nn.functional.binary_cross_entropy_with_logits(logits, up[batch])

        with seeded(seed):
            train(model, loss, len(thumbs), passes=passes, rate=rate)
        return TinyReward(model, self.tokenizer)

    def score(self, prompts: Sequence[str], answers: Sequence[str]) -> FloatArray:
        """Raw logits of a thumbs-up, shape (answers,); equal pairs are scored once, so they score the same."""
        asked = list(zip(prompts, answers, strict=True))
        distinct = list(dict.fromkeys(asked))
        with seeded(0), torch.inference_mode():
            parts = [self._score(distinct[at : at + ROWS]) for at in range(0, len(distinct), ROWS)]
        known = dict(zip(distinct, (score for part in parts for score in part), strict=True))
        return np.array([known[pair] for pair in asked], np.float64)

    def save(self, folder: Path) -> None:
        """Write safetensors, configuration and tokenizer into a folder."""
        save(self.model, self.tokenizer, folder)

    def _score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        ids = self._ids([prompt for prompt, _ in pairs], [answer for _, answer in pairs])
        logits: list[float] = self.model(input_ids=ids, use_cache=False).logits[:, 0].tolist()
        return logits

    def _ids(self, prompts: Sequence[str], answers: Sequence[str]) -> torch.Tensor:
        questions = question_ids(self.tokenizer, prompts)
        rows = [q + a for q, a in zip(questions, answer_ids(self.tokenizer, answers), strict=True)]
        return padded(rows, self.tokenizer.pad_token_id)
