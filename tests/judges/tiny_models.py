"""Models of every architecture in miniature: random weights, a tokenizer trained in process, real code paths."""

import functools
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from judges.engine.items import Item

VOCABULARY = 400
WIDTH = 64
POSITIONS = 2048
TEXTS = tuple(
    f"{who} {does} {what} {when}."
    for who in ("The agent", "A customer", "My colleague", "Nobody", "The system")
    for does in ("opens", "closes", "returns", "forgets", "repairs")
    for what in ("the invoice", "a parcel", "an account", "the old password", "many tickets")
    for when in ("today", "before noon", "after the second call", "as soon as possible")
)
CHAT = (
    "{{ '<s>' }}{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '</s>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
DECODERS = ("llama", "qwen2", "qwen3", "mistral", "gpt2", "gpt_neox", "olmo2", "smollm3")


@functools.cache
def _trained() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def chat_tokenizer(*, pad: str = "<pad>", chat: bool = True) -> Any:
    """A tokenizer that adds `<s>` by itself, with a template that writes it too: the way two of them come about."""
    tokenizer = Tokenizer.from_str(_trained().to_str())
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, bos_token="<s>", eos_token="</s>"
    )
    fast.chat_template = CHAT if chat else None
    return fast


def config_of(kind: str, **changes: Any) -> Any:
    """A configuration of two small layers; four query heads over two key heads where the architecture can."""
    common = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "num_labels": 1}
    if kind == "gpt2":
        own = {"n_embd": WIDTH, "n_layer": 2, "n_head": 4, "n_positions": POSITIONS}
    elif kind == "bloom":
        own = {"hidden_size": WIDTH, "n_layer": 2, "n_head": 4}
    else:
        own = {
            "hidden_size": WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 2 * WIDTH,
            "max_position_embeddings": POSITIONS,
        }
        if kind not in ("bert", "roberta", "gpt_neox"):
            own["num_key_value_heads"] = 2
    if kind == "mistral":
        own["sliding_window"] = None
    if kind == "qwen3":
        own["head_dim"] = 32  # heads together wider than the layer, as in the real ones
    if kind == "gemma2":
        own |= {"head_dim": 16, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0, "sliding_window": 24}
    if kind == "qwen3_next":
        own |= {"layer_types": ["linear_attention", "full_attention"], "head_dim": 16, "num_experts": 0}
        own |= {"linear_num_key_heads": 2, "linear_num_value_heads": 4}
        own |= {"linear_key_head_dim": 16, "linear_value_head_dim": 16}
    return transformers.AutoConfig.for_model(kind, **{**common, **own, **changes})


def reward_model(kind: str, dtype: torch.dtype = torch.float32, **changes: Any) -> Any:
    """A sequence classifier with weights large enough that who sees whom shows in its scores."""
    return _spread(transformers.AutoModelForSequenceClassification, kind, dtype, changes)


def language_model(kind: str, dtype: torch.dtype = torch.float32, **changes: Any) -> Any:
    """A causal language model."""
    return _spread(transformers.AutoModelForCausalLM, kind, dtype, changes)


def _spread(factory: Any, kind: str, dtype: torch.dtype, changes: dict[str, Any]) -> Any:
    torch.manual_seed(7)
    model = factory.from_config(config_of(kind, **changes))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.mul_(64.0 if name.startswith(("score", "lm_head", "embed_out", "classifier")) else 8.0)
    return model.to(dtype).eval()


def conversations(prompts: int, answers: int, seed: int = 0) -> list[Item]:
    """Random questions with several random answers each, in random order; lengths vary widely."""
    rng = np.random.default_rng(seed)

    def words(least: int, most: int) -> str:
        return " ".join(TEXTS[i] for i in rng.integers(len(TEXTS), size=int(rng.integers(least, most))).tolist())

    asked = [words(1, 8) for _ in range(prompts)]
    items = [Item.of(f"{p}-{a}", prompt, words(1, 12)) for p, prompt in enumerate(asked) for a in range(answers)]
    return [items[i] for i in rng.permutation(len(items)).tolist()]
