"""What does a checkpoint answer? Greedy text, in batches, with the reason why it stopped.

The last bits of a batch's numbers hang on its company, so the same prompt may be answered otherwise in another batch.
An answer is therefore kept when it is first given, and whatever is measured is measured on what was kept.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from transformers import GenerationConfig

from consumers.chunks import in_chunks
from judges.engine.items import Item, Unscoreable
from judges.engine.models import attend_with, plain_attention
from judges.engine.rendering import Renderer
from judges.engine.scorer import longest_of, surroundings

Stop = Literal["end", "length"]


@dataclass(frozen=True)
class Answer:
    """What was generated. stop: end if the model ended it, length if the limit did. tokens: of the answer alone."""

    text: str
    stop: Stop
    tokens: int


@dataclass(frozen=True)
class GenerationSpec:
    """What an answer hangs on, its company in a batch apart. checkpoint: digest of the sealed folder."""

    checkpoint: str
    template_sha256: str
    adds_special_tokens: bool
    max_new_tokens: int
    ends: tuple[int, ...]
    dtype: str
    attention: str
    device: str
    threads: int
    torch: str
    transformers: str

    @property
    def spec_id(self) -> str:
        """32 hexadecimal digits of a hash over all fields."""
        return hashlib.blake2b(json.dumps(asdict(self), sort_keys=True).encode(), digest_size=16).hexdigest()


class Generator:
    """A causal language model that answers greedily. batch: prompts at a time."""

    def __init__(self, model: Any, tokenizer: Any, digest: str, *, max_new_tokens: int, batch: int = 32) -> None:
        self._model, self._tokenizer, self._batch = model, tokenizer, batch
        self._renderer = Renderer(tokenizer, longest_of(model.config) - max_new_tokens)
        self.spec = GenerationSpec(
            checkpoint=digest,
            template_sha256=self._renderer.template_sha256,
            adds_special_tokens=self._renderer.adds_special_tokens,
            max_new_tokens=max_new_tokens,
            ends=_ends(model, tokenizer),
            dtype=str(model.dtype).removeprefix("torch."),
            **surroundings(model.device),
        )
        model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call] # a checkpoint's own may sample
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=list(self.spec.ends),
            pad_token_id=self.spec.ends[0],
        )

    def answer(self, prompts: Sequence[Item]) -> Iterator[list[tuple[Item, Answer | Unscoreable]]]:
        """Answers to items that hold only a prompt, a batch at a time, those of like length together."""
        encoded = list(zip(prompts, self._renderer.questions(prompts), strict=True))
        failed = [(item, result) for item, result in encoded if isinstance(result, Unscoreable)]
        if failed:
            yield list(failed)
        good = [(item, result.tokens) for item, result in encoded if not isinstance(result, Unscoreable)]
        for some in in_chunks(sorted(good, key=lambda pair: (-len(pair[1]), pair[0].item_id)), self._batch):
            answers = self._generate([tokens.tolist() for _, tokens in some])
            yield [(item, answer) for (item, _), answer in zip(some, answers, strict=True)]

    @torch.inference_mode()
    def _generate(self, prompts: Sequence[list[int]]) -> list[Answer]:
        """Filled up on the left under a mask: generation goes on from the last column; positions follow the mask."""
        attend_with(self._model, plain_attention(self._model))
        longest = max(map(len, prompts))
        filler = self.spec.ends[0]
        rows = torch.tensor([[filler] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        written = self._model.generate(
            input_ids=rows.to(self._model.device),
            attention_mask=mask.to(self._model.device),
        )
        return [self._cut(row) for row in written[:, longest:].tolist()]

    def _cut(self, tokens: list[int]) -> Answer:
        ended = next((at for at, token in enumerate(tokens) if token in self.spec.ends), None)
        kept = tokens if ended is None else tokens[:ended]
        text = self._tokenizer.decode(kept, skip_special_tokens=True).replace("\0", "\ufffd").strip()
        return Answer(text, "length" if ended is None else "end", len(kept))


def _ends(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Tokens that end an answer: of the generation settings, else of the tokenizer. Raises ValueError without any."""
    told = model.generation_config.eos_token_id
    ends = told if isinstance(told, list) else [told]
    known = tuple(int(end) for end in ends if end is not None) or tuple(
        end for end in [tokenizer.eos_token_id] if end is not None
    )
    if not known:
        raise ValueError("the checkpoint names no token that ends an answer (eos_token_id)")
    return known
