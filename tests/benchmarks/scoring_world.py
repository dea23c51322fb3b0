"""On which models and items is scoring measured? Random weights of Qwen2's architecture, texts of seeded lengths.

Its chat template has the shape of Qwen2's, a system message included, and costs 20 tokens around a prompt, as it does
there. Every word of a text is one token.
"""

import functools
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from judges.engine.items import Item

PROMPT_TOKENS, RESPONSE_TOKENS, SPREAD = 60, 90, 0.8  # medians of two log-normal laws, and the deviation of both logs
LONGEST = 900  # tokens of a text
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
CHAT = (
    "{{ system }}{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
).replace("{{ system }}", SYSTEM)
TEXT = (
    "the of to and a in is it you that he was for on are with as I his they be at one have this from or had by hot but"
    " some what there we can out other were all your when up use word how said an each she which do their time if will"
    " way about many then them would write like so these her long make thing see him two has look more day could go"
)
WORDS = TEXT.split(" ")


@functools.cache
def tokenizer() -> Any:
    """Trained here and now, on the words it will see."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=800,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([" ".join(WORDS)] * 3 + [SYSTEM, "user\n", "assistant\n"] * 3, trainer)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<|endoftext|>")
    fast.chat_template = CHAT
    return fast


def reward_model(layers: int, width: int, dtype: torch.dtype = torch.float32) -> Any:
    """A sequence classifier whose scores have a standard deviation of about 1.4, as trained reward models' have."""
    torch.manual_seed(7)
    config = transformers.Qwen2Config(
        vocab_size=len(tokenizer()),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=max(1, width // 128),
        max_position_embeddings=2 * LONGEST + 128,
        num_labels=1,
        pad_token_id=0,
    )
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.mul_(1.4 / (0.02 * width**0.5) if name.startswith("score") else 4.0)
    return model.to(dtype).eval()


def conversations(prompts: int, answers: int, seed: int) -> list[Item]:
    """Prompts with their answers, in shuffled order, as production would deliver them."""
    rng = np.random.default_rng(seed)

    def text(median: int) -> str:
        length = min(LONGEST, max(1, round(rng.lognormal(np.log(median), SPREAD))))
        return " ".join(WORDS[word] for word in rng.integers(len(WORDS), size=length).tolist())

    asked = [text(PROMPT_TOKENS) for _ in range(prompts)]
    items = [
        Item.of(f"{seed}-{p}-{a}", prompt, text(RESPONSE_TOKENS))
        for p, prompt in enumerate(asked)
        for a in range(answers)
    ]
    return [items[at] for at in rng.permutation(len(items)).tolist()]
