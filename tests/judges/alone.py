"""What does plain transformers say of one conversation alone? Written out without a line of the engine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from judges.engine.items import Item


@torch.inference_mode()
def reward(model: Any, tokenizer: Any, item: Item) -> list[float]:
    """The classifier's logits at the last token."""
    with written_out(model), pooling_the_last(model):
        logits = model(torch.tensor([_turns(tokenizer, item.messages)])).logits[0]
    return list(logits.float().tolist())


@torch.inference_mode()
def likelihood(model: Any, tokenizer: Any, item: Item) -> list[float]:
    """Sum, mean a token and mean a byte of the answer's log-likelihood."""
    prompt = _turns(tokenizer, item.prompt, add_generation_prompt=True)
    answer = tokenizer(item.answer, add_special_tokens=False)["input_ids"]
    with written_out(model):
        logs = model(torch.tensor([prompt + answer])).logits[0].float().log_softmax(-1)
    total = sum(float(logs[len(prompt) + at - 1, token]) for at, token in enumerate(answer))
    return [total, total / len(answer), total / len(item.answer.encode())]


@torch.inference_mode()
def tokens(model: Any, tokenizer: Any, item: Item, ids: Sequence[int]) -> list[float]:
    """Log-probabilities of tokens as the first of an answer to the whole conversation."""
    with written_out(model):
        logits = model(torch.tensor([_turns(tokenizer, item.messages, add_generation_prompt=True)])).logits
    return [float(logits[0, -1].float().log_softmax(-1)[token]) for token in ids]


@contextmanager
def written_out(model: Any) -> Iterator[None]:
    """Under attention in plain matrix products, which every architecture has; put back afterwards. In 16 bits under the
    kernel that users get, whose rounding is part of the score."""
    kept = model.config._attn_implementation
    model.set_attn_implementation("eager" if model.dtype == torch.float32 else "sdpa")
    yield
    model.set_attn_implementation(kept)


@contextmanager
def pooling_the_last(model: Any) -> Iterator[None]:
    """Without a padding token the last one is read, whatever it is."""
    kept, model.config.pad_token_id = model.config.pad_token_id, None
    yield
    model.config.pad_token_id = kept


def far(ours: Any, alone: Any, half: float | None = None) -> float:
    """The largest difference, 1 being what is allowed. half: in 16 bits, the share of the spread that is."""
    found, expected = np.array(ours), np.array(alone)
    assert found.shape == expected.shape
    size = np.abs(expected).mean(axis=0)
    if half is None:
        allowed = 1e-4 * np.maximum(1.0, size)
    else:
        allowed = half * np.maximum(np.maximum(expected.std(axis=0), 0.02 * size), 0.1)
    return float((np.abs(found - expected) / allowed).max())


def _turns(tokenizer: Any, messages: Sequence[Any], **how: Any) -> list[int]:
    turns = [{"role": message.role, "content": message.content} for message in messages]
    return list(tokenizer.apply_chat_template(turns, return_dict=False, **how))
