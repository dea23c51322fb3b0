"""How does a model put numbers on items? A rendering, a way to run the model, and a head that reads the result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
import transformers

from judges.engine.costs import Shape, shape_of
from judges.engine.heads import Head, LikelihoodHead, LogitsHead, RewardHead, TokenHead
from judges.engine.items import Encoded, Item, Unscoreable
from judges.engine.models import Encoder, Packed, Padded, Runs, is_packable
from judges.engine.packing import Pack
from judges.engine.rendering import Renderer
from judges.engine.spec import ScoreSpec
from judges.engine.verify import Disagreement, RulerRefused, compare_with_stock, disagreement

CPU_SIZE = 2048
SMALLEST = 64
COUNTS_FROM_PAD = frozenset({"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet"})  # their positions
PRECISIONS = frozenset({"float32", "bfloat16", "float16"})
GPU_SIZE, GPU_SIZE_LARGE, LARGE = 16_384, 8_192, 3_000_000_000  # tokens, tokens, parameters


class Ruler(Protocol):
    """The port of everything that puts numbers on items."""

    @property
    def spec(self) -> ScoreSpec:
        """What the numbers hang on."""
        ...

    @property
    def shape(self) -> Shape:
        """What a pack costs."""
        ...

    def encode(self, items: Sequence[Item]) -> list[Encoded | Unscoreable]:
        """One result an item, in order; what cannot be scored says why."""
        ...

    def plan(self, encoded: Sequence[Encoded]) -> list[Pack]:
        """Which of them are computed together."""
        ...

    def score(self, pack: Pack, encoded: Sequence[Encoded]) -> list[tuple[float, ...]]:
        """The numbers of the pack's members, in its order."""
        ...

    def verified(self, encoded: Sequence[Encoded]) -> tuple["Ruler", Disagreement | None]:
        """This ruler, if it agrees with one-by-one scoring on a few of these; else one that does not pack, and why.

        Raises RulerRefused when that one does not agree either: no such score is ever recorded.
        """
        ...

    def disagreement(self, items: Sequence[Encoded], outputs: Sequence[tuple[float, ...]]) -> Disagreement | None:
        """Whether these numbers are those of scoring one by one; None when they are."""
        ...

    def unpacked(self, apart: Disagreement) -> "Ruler":
        """The same model run without packing, under another spec. Raises RulerRefused when it is not packed now."""
        ...

    def smaller(self) -> "Ruler | None":
        """The same model in packs of half the size, under another spec; None when they cannot be smaller."""
        ...


@dataclass(frozen=True)
class Scorer:
    """A loaded model as a ruler."""

    model: Any
    renderer: Renderer
    runs: Runs
    head: Head
    spec: ScoreSpec
    shape: Shape

    def encode(self, items: Sequence[Item]) -> list[Encoded | Unscoreable]:
        if self.spec.reading == "reward":
            return self.renderer.conversations(items)
        return self.renderer.answers(items) if self.spec.reading == "likelihood" else self.renderer.questions(items)

    def plan(self, encoded: Sequence[Encoded]) -> list[Pack]:
        return self.runs.plan(encoded)

    def score(self, pack: Pack, encoded: Sequence[Encoded]) -> list[tuple[float, ...]]:
        hidden = self.runs.hidden(pack, encoded)
        return self.head.read(hidden, [encoded[member] for member in pack.members])

    def verified(self, encoded: Sequence[Encoded]) -> "tuple[Scorer, Disagreement | None]":
        apart = compare_with_stock(self.model, self.runs, self.head, encoded)
        return (self, None) if apart is None else (self.unpacked(apart).verified(encoded)[0], apart)

    def disagreement(self, items: Sequence[Encoded], outputs: Sequence[tuple[float, ...]]) -> Disagreement | None:
        return disagreement(self.model, self.runs, self.head, items, outputs)

    def unpacked(self, apart: Disagreement) -> "Scorer":
        if isinstance(self.runs, Packed):
            return self._run_by(Padded(self.model, self.spec.size))
        raise RulerRefused(
            f"{self.model.config.model_type}: {apart}, even without packing, so that no score of it can be trusted; "
            "score with a model of another architecture, or with another release of transformers"
        )

    def smaller(self) -> "Scorer | None":
        half = self.spec.size // 2
        if half < SMALLEST:
            return None
        runs = self.runs
        return self._run_by(
            Packed(self.model, half, share=runs.share) if isinstance(runs, Packed) else type(runs)(self.model, half)
        )

    def _run_by(self, runs: Runs) -> "Scorer":
        longest = min(self.spec.longest, runs.size)
        spec = replace(
            self.spec,
            runs=runs.name,
            shares_prefixes=runs.share,
            size=runs.size,
            longest=longest,
            attention=_attention(runs, self.model.device),
        )
        return replace(self, runs=runs, spec=spec, renderer=replace(self.renderer, longest=longest))


@dataclass(frozen=True)
class How:
    """The settings of a run. size: tokens of a pack, None for the device's default. share: compute prefixes once.
    pack: without padding, where the architecture allows it."""

    size: int | None = None
    share: bool = True
    pack: bool = True


def reward_scorer(model: Any, tokenizer: Any, digest: str, how: How = How()) -> Scorer:
    """Rewards by a sequence classifier: raw logits, the first label's as the score. digest: of its sealed folder."""
    head: Head = RewardHead(model) if hasattr(model, "score") else LogitsHead(model)
    return _assemble(model, tokenizer, digest, "reward", head, how)


def likelihood_scorer(model: Any, tokenizer: Any, digest: str, how: How = How()) -> Scorer:
    """Log-likelihoods of answers by a causal language model, in nats."""
    return _assemble(model, tokenizer, digest, "likelihood", LikelihoodHead(model), how)


def token_scorer(model: Any, tokenizer: Any, digest: str, tokens: Mapping[str, int], how: How = How()) -> Scorer:
    """Log-probabilities of single tokens as the first of an answer. tokens: name -> id."""
    reading = "tokens:" + ",".join(f"{name}={token}" for name, token in tokens.items())
    return _assemble(model, tokenizer, digest, reading, TokenHead(model, dict(tokens)), how)


def _assemble(model: Any, tokenizer: Any, digest: str, reading: str, head: Head, how: How) -> Scorer:
    precision = precision_of(model)
    model.eval()
    size = how.size or default_size(model.device.type, model.num_parameters())
    encodes = isinstance(head, LogitsHead)
    runs: Runs = Encoder(model, size) if encodes else Padded(model, size)
    if how.pack and is_packable(model.config) and not encodes:
        runs = Packed(model, size, share=how.share)
    renderer = Renderer(tokenizer, min(size, longest_of(model.config)), pairs=encodes)
    spec = ScoreSpec(
        checkpoint=digest,
        reading=reading,
        outputs=head.names,
        template_sha256=renderer.template_sha256,
        adds_special_tokens=renderer.adds_special_tokens,
        longest=renderer.longest,
        runs=runs.name,
        shares_prefixes=runs.share,
        size=size,
        dtype=precision,
        **{**surroundings(model.device), "attention": _attention(runs, model.device)},
    )
    shapes = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    return Scorer(model, renderer, runs, head, spec, shape_of(model.config.get_text_config().to_dict(), shapes))


def surroundings(device: torch.device) -> dict[str, Any]:
    """What of this machine and its libraries may move the last bits of a score."""
    on_cpu = device.type == "cpu"
    return {
        "device": f"cpu {torch.backends.cpu.get_cpu_capability()}" if on_cpu else torch.cuda.get_device_name(device),
        "attention": "sdpa" if on_cpu else f"sdpa cuda {torch.version.cuda}",
        "threads": torch.get_num_threads() if on_cpu else 1,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _attention(runs: Runs, device: torch.device) -> str:
    return runs.attention if device.type == "cpu" else f"{runs.attention} cuda {torch.version.cuda}"


def precision_of(model: Any) -> str:
    """The numbers a model computes with, for its spec: of its weights, and of its products where these are rounded.

    Raises RulerRefused for weights in fewer than 16 bits.
    """
    found = {str(weight.dtype).removeprefix("torch.") for weight in model.parameters()}
    odd = sorted(found - PRECISIONS)
    if odd or getattr(model.config, "quantization_config", None) is not None:
        raise RulerRefused(
            f"weights in {', '.join(odd) or 'a quantised form'}: scores are compared over time, and only "
            f"{', '.join(sorted(PRECISIONS))} are; seal the checkpoint in one of these"
        )
    products = torch.get_float32_matmul_precision()
    return "+".join(sorted(found)) + ("" if products == "highest" else f", products {products}")


def default_size(device_type: str, parameters: int) -> int:
    """Tokens of a pack: as many as keep the device busy."""
    if device_type == "cpu":
        return CPU_SIZE
    return GPU_SIZE_LARGE if parameters >= LARGE else GPU_SIZE


def longest_of(config: Any) -> int:
    """Tokens a model was made for."""
    config = config.get_text_config()
    told = (getattr(config, name, None) for name in ("max_position_embeddings", "n_positions"))
    first = config.pad_token_id + 1 if config.model_type in COUNTS_FROM_PAD else 0
    return min((int(n) - first for n in told if n), default=1 << 30)
