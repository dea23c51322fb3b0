"""What is read from hidden states? Rewards, likelihoods of answers, likelihoods of single tokens.

Always in a fixed number of rows and reduced in 32 bits: the number of rows of a matrix product decides its last bits.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch

from judges.engine.items import Encoded

REWARD_ROWS = 64
VOCABULARY_ROWS = 128


class Head(Protocol):
    """names: of the numbers that come out for an item; the first one is the score."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def read(self, hidden: Sequence[torch.Tensor], items: Sequence[Encoded]) -> list[tuple[float, ...]]:
        """One tuple of numbers an item."""
        ...

    def stock(self, logits: torch.Tensor, item: Encoded) -> tuple[float, ...]:
        """The same numbers from the logits that the model's own forward pass gives for this item alone."""
        ...


class RewardHead:
    """The linear head of a sequence classifier on the state of the last token: raw logits, no activation."""

    def __init__(self, model: Any) -> None:
        self._weight = model.score.weight.detach().float()
        bias = model.score.bias
        self._bias = None if bias is None else bias.detach().float()
        self.names = label_names(model.config)

    @torch.inference_mode()
    def read(self, hidden: Sequence[torch.Tensor], items: Sequence[Encoded]) -> list[tuple[float, ...]]:
        logits = [
            torch.nn.functional.linear(rows, self._weight, self._bias) for rows in fixed_rows(hidden, REWARD_ROWS)
        ]
        return [tuple(row) for row in torch.cat(logits)[: len(items)].tolist()]

    def stock(self, logits: torch.Tensor, item: Encoded) -> tuple[float, ...]:
        return tuple(logits.float().tolist())


class LogitsHead:
    """The logits are there already: an encoder's own head computed them."""

    def __init__(self, model: Any) -> None:
        self.names = label_names(model.config)

    def read(self, hidden: Sequence[torch.Tensor], items: Sequence[Encoded]) -> list[tuple[float, ...]]:
        return [tuple(row) for row in torch.cat(list(hidden)).float().tolist()]

    def stock(self, logits: torch.Tensor, item: Encoded) -> tuple[float, ...]:
        return tuple(logits.float().tolist())


class LikelihoodHead:
    """Log-likelihood of the answer given its prompt, in nats: whole, per token and per UTF-8 byte."""

    names = ("log_likelihood", "per_token", "per_byte")

    def __init__(self, model: Any) -> None:
        self._vocabulary = Vocabulary(model)

    @torch.inference_mode()
    def read(self, hidden: Sequence[torch.Tensor], items: Sequence[Encoded]) -> list[tuple[float, ...]]:
        foretold = torch.cat([torch.from_numpy(item.tokens[item.reads + 1]).long() for item in items])
        logs: list[float] = []
        for logits in self._vocabulary.logits(hidden):
            wanted = foretold[len(logs) : len(logs) + len(logits)].to(logits.device)
            chosen = logits[: len(wanted)].gather(1, wanted[:, None])[:, 0]
            logs += (chosen - logits[: len(wanted)].logsumexp(1)).tolist()
        return list(self._summed(logs, items))

    def stock(self, logits: torch.Tensor, item: Encoded) -> tuple[float, ...]:
        reads = torch.from_numpy(item.reads).to(logits.device).long()
        logs = logits[reads].float().log_softmax(-1)
        wanted = [float(logs[row, token]) for row, token in enumerate(item.tokens[item.reads + 1].tolist())]
        return next(self._summed(wanted, [item]))

    def _summed(self, logs: list[float], items: Sequence[Encoded]) -> Iterator[tuple[float, ...]]:
        at = 0
        for item in items:
            total = sum(logs[at : at + len(item.reads)])
            at += len(item.reads)
            yield total, total / len(item.reads), total / max(item.answer_bytes, 1)


class TokenHead:
    """Log-probabilities of given tokens at the one position that is read. tokens: name -> id."""

    def __init__(self, model: Any, tokens: dict[str, int]) -> None:
        self._vocabulary = Vocabulary(model)
        self.names = tuple(tokens)
        self._ids = torch.tensor(list(tokens.values()))

    @torch.inference_mode()
    def read(self, hidden: Sequence[torch.Tensor], items: Sequence[Encoded]) -> list[tuple[float, ...]]:
        logs = [
            logits[:, self._ids.to(logits.device)] - logits.logsumexp(1, keepdim=True)
            for logits in self._vocabulary.logits(hidden)
        ]
        return [tuple(row) for row in torch.cat(logs)[: len(items)].tolist()]

    def stock(self, logits: torch.Tensor, item: Encoded) -> tuple[float, ...]:
        return tuple(logits[int(item.reads[0])].float().log_softmax(-1)[self._ids.to(logits.device)].tolist())


def label_names(config: Any) -> tuple[str, ...]:
    """Names of a classifier's outputs, in their order."""
    return tuple(str(config.id2label[label]) for label in range(config.num_labels))


def fixed_rows(hidden: Sequence[torch.Tensor], count: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """All rows below one another, in blocks of `count` filled up with zeros."""
    rows = torch.cat(list(hidden)).to(dtype)
    filled = torch.nn.functional.pad(rows, (0, 0, 0, -len(rows) % count))
    return list(torch.split(filled, count))


class Vocabulary:
    """The output layer of a language model, with what some families do to its logits: Cohere multiplies them, Granite
    divides them, Gemma 2 bends them. A family that does something else disagrees with its own forward pass."""

    def __init__(self, model: Any) -> None:
        config = model.config.get_text_config()
        self._layer = model.get_output_embeddings()
        self._factor = getattr(config, "logit_scale", None) or 1.0
        self._divisor = getattr(config, "logits_scaling", None) or 1.0
        self._cap = getattr(config, "final_logit_softcapping", None)

    def logits(self, hidden: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Logits in 32 bits, block by block: all at once they would need gigabytes."""
        for rows in fixed_rows(hidden, VOCABULARY_ROWS, self._layer.weight.dtype):
            logits = self._layer(rows).float() * self._factor / self._divisor
            yield logits if self._cap is None else torch.tanh(logits / self._cap) * self._cap
