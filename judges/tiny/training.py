"""How are the small models built and trained, so that the same seed gives the same weights?"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from transformers import LlamaConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging

IGNORED = -100  # the label of a token that no loss looks at
BATCH = 128  # rows of a training step


def small_config(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    """A Llama of two layers and about a hundred thousand weights, for this tokenizer."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.05,
    )


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Randomness of its own, and one thread, which is what models of this size are fastest with; then all as before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def train(
    model: PreTrainedModel, loss: Callable[[torch.Tensor], torch.Tensor], rows: int, *, passes: int, rate: float
) -> None:
    """AdamW over all rows, `passes` times in random order, the rate falling linearly from `rate` to nearly nothing.

    loss: the mean loss of the rows whose numbers it is given.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    steps = passes * len(range(0, rows, BATCH))
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, total_iters=steps)
    model.train()
    for _ in range(passes):
        for batch in torch.randperm(rows).split(BATCH):  # type: ignore[no-untyped-call]
            optimiser.zero_grad()
            loss(batch).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    model.eval()  # type: ignore[no-untyped-call]


def question_ids(tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str]) -> list[list[int]]:
    """Token ids of each prompt as a user's turn, up to where the answer begins."""
    known: dict[str, list[int]] = {}
    for prompt in dict.fromkeys(prompts):
        turn = [{"role": "user", "content": prompt}]
        text = tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
        known[prompt] = tokenizer.encode(text)
    return [known[prompt] for prompt in prompts]


def answer_ids(tokenizer: PreTrainedTokenizerFast, answers: Sequence[str]) -> list[list[int]]:
    """Token ids of each answer, to the token that ends it."""
    distinct = list(dict.fromkeys(answers))
    ids = tokenizer([f"{answer}{tokenizer.eos_token}" for answer in distinct])["input_ids"] if distinct else []
    known = dict(zip(distinct, ids, strict=True))
    return [known[answer] for answer in answers]


def padded(rows: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
    """Rows of ids as one tensor, filled up on the right; shape (rows, longest)."""
    tensors = [torch.tensor(row) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=fill)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write weights as safetensors, configuration and tokenizer; without a bar for the one file that it is."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
