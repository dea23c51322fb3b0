"""What does a small language model answer, and how is it tuned to please a reward?

Tuning is best-of-n fine-tuning: sample drafts, keep those the reward likes best, train on them a little.
Source: Stiennon et al. 2020, arXiv:2009.01325 (best of n); Anthony et al. 2017, arXiv:1705.08439 (expert iteration).
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from judges.tiny.training import IGNORED, answer_ids, padded, question_ids, save, seeded, small_config, train

FloatArray = np.ndarray[tuple[int], np.dtype[np.float64]]
RewardOf = Callable[[Sequence[str], Sequence[str]], FloatArray]

ROWS = 2048  # answers written or read at once


@dataclass(frozen=True)
class TinyPolicy:
    """A causal language model with its tokenizer. Training gives a new policy; this one stays as it is."""

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast

    @classmethod
    def build(cls, tokenizer: PreTrainedTokenizerFast, seed: int) -> "TinyPolicy":
        """A policy with random weights."""
        with seeded(seed):
            model = LlamaForCausalLM(small_config(tokenizer))
        return cls(model.eval(), tokenizer)  # type: ignore[no-untyped-call]

    def fitted(
        self, prompts: Sequence[str], answers: Sequence[str], *, seed: int, passes: int = 4, rate: float = 3e-3
    ) -> "TinyPolicy":
        """A policy trained to answer each prompt as its answer does; the loss is over answers, not over prompts.

        Raises ValueError for unequal lengths or no rows.
        """
        questions = question_ids(self.tokenizer, prompts)
        wanted = answer_ids(self.tokenizer, answers)
        if not wanted or len(wanted) != len(questions):
            raise ValueError(f"need one answer per prompt, got {len(wanted)} answers for {len(questions)} prompts")
        ids = padded([q + a for q, a in zip(questions, wanted, strict=True)], self.tokenizer.pad_token_id)
        labels = padded([[IGNORED] * len(q) + a for q, a in zip(questions, wanted, strict=True)], IGNORED)
        model = copy.deepcopy(self.model)

        def loss(batch: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = model(input_ids=ids[batch], labels=labels[batch], use_cache=False).loss
            return found

        with seeded(seed):
            train(model, loss, len(wanted), passes=passes, rate=rate)
        return TinyPolicy(model, self.tokenizer)

    def tuned(
        self,
        prompts: Sequence[str],
        reward: RewardOf,
        *,
        seed: int,
        best_of: int = 4,
        passes: int = 1,
        rate: float = 5e-4,
        longest: int = 16,
    ) -> "TinyPolicy":
        """A policy trained a little on the best of `best_of` drafts for every prompt, by the reward.

        reward: raw scores of answers to prompts, shape (answers,). Give a prompt many times for many drafts kept.
        """
        asked = [prompt for prompt in prompts for _ in range(best_of)]
        drafts = self.sample(asked, seed=seed, longest=longest)
        scores = reward(asked, drafts).reshape(len(prompts), best_of)
        best = scores.argmax(axis=1) + np.arange(len(prompts)) * best_of
        return self.fitted(prompts, [drafts[row] for row in best.tolist()], seed=seed, passes=passes, rate=rate)

    def sample(self, prompts: Sequence[str], *, seed: int, longest: int = 16) -> list[str]:
        """One answer per prompt at temperature 1, of at most `longest` tokens; one that is longer is cut there."""
        questions = question_ids(self.tokenizer, prompts)
        by_length: dict[int, list[int]] = {}
        for row, question in enumerate(questions):
            by_length.setdefault(len(question), []).append(row)
        answers = [""] * len(questions)
        with seeded(seed), torch.inference_mode():
            for rows in by_length.values():
                for batch in (rows[at : at + ROWS] for at in range(0, len(rows), ROWS)):
                    written = self._continue(torch.tensor([questions[row] for row in batch]), longest)
                    texts = self.tokenizer.batch_decode(written, skip_special_tokens=True)
                    for row, text in zip(batch, texts, strict=True):
                        answers[row] = text.strip()
        return answers

    def log_likelihood(self, prompts: Sequence[str], answers: Sequence[str]) -> FloatArray:
        """Natural log of the chance of each answer to its prompt, end included; shape (answers,)."""
        questions = question_ids(self.tokenizer, prompts)
        rows = list(zip(questions, answer_ids(self.tokenizer, answers), strict=True))
        parts = [self._log_likelihood(rows[at : at + ROWS]) for at in range(0, len(rows), ROWS)]
        return np.concatenate([np.empty(0), *parts])

    def save(self, folder: Path) -> None:
        """Write safetensors, configuration and tokenizer into a folder."""
        save(self.model, self.tokenizer, folder)

    def _continue(self, ids: torch.Tensor, longest: int) -> torch.Tensor:
        """Token ids that follow rows of equal length; every row goes on with the end token once it has ended."""
        end = self.tokenizer.eos_token_id
        ended = torch.zeros(len(ids), dtype=torch.bool)
        written: list[torch.Tensor] = []
        cache = None
        while len(written) < longest and not ended.all():
            output = self.model(input_ids=ids, past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            ids = _drawn(output.logits[:, -1])
            ids[ended] = end
            ended |= ids[:, 0] == end
            written.append(ids)
        return torch.cat(written, dim=1)

    def _log_likelihood(self, rows: Sequence[tuple[list[int], list[int]]]) -> FloatArray:
        ids = padded([question + answer for question, answer in rows], self.tokenizer.pad_token_id)
        labels = padded([[IGNORED] * len(question) + answer for question, answer in rows], IGNORED)[:, 1:]
        with seeded(0), torch.inference_mode():
            logs = self.model(input_ids=ids, use_cache=False).logits[:, :-1].float().log_softmax(-1)
        chosen = logs.gather(2, labels.clamp(min=0).unsqueeze(2)).squeeze(2)
        total: FloatArray = (chosen * (labels != IGNORED)).double().sum(1).numpy()
        return total


def _drawn(logits: torch.Tensor) -> torch.Tensor:
    """One token id a row by the inverse of its distribution; torch.multinomial takes as long as the model itself."""
    reached = logits.softmax(-1).cumsum(-1)
    return torch.searchsorted(reached, torch.rand(len(logits), 1) * reached[:, -1:])
