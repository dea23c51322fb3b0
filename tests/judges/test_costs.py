"""Is what a plan is said to cost what it costs?"""

import gc
import weakref
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from judges.engine.costs import Cost, Shape, cost_of, peak_bytes, shape_of, total_cost
from judges.engine.items import Encoded
from judges.engine.packing import Pack
from judges.engine.scorer import How, Scorer, reward_scorer
from tests.judges.tiny_models import DECODERS, chat_tokenizer, conversations, reward_model

ITEMS = conversations(4, 4, seed=6)


def planned(kind: str, size: int, **changes: Any) -> tuple[Scorer, list[Pack], list[Encoded]]:
    scorer = reward_scorer(reward_model(kind, **changes), chat_tokenizer(), "0" * 64, How(size=size))
    encoded = [result for result in scorer.encode(ITEMS) if isinstance(result, Encoded)]
    return scorer, scorer.plan(encoded), encoded


@pytest.mark.parametrize("kind", DECODERS)
def test_operations_are_as_many_as_torch_counts(kind: str) -> None:
    """Torch counts what is computed: filler rows too, and of each segment the whole square, seen or not."""
    scorer, packs, encoded = planned(kind, 512)
    pack = packs[0]
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        scorer.runs.hidden(pack, encoded)
    shape, cost = scorer.shape, cost_of(pack, encoded, scorer.shape)
    squares = 0
    for group in pack.groups:
        squares += group.prefix**2
        squares += sum((len(encoded[at].tokens) - group.prefix) * len(encoded[at].tokens) for at in group.members)
    attended = (cost.flops - 2 * shape.body * pack.tokens) / (4 * shape.layers * shape.heads * shape.head_size)
    assert squares / 2 < attended < squares
    expected = 2 * shape.body * pack.size + 4 * shape.layers * shape.heads * shape.head_size * squares
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.02)


def test_attended_pairs_are_counted_by_hand() -> None:
    shape = Shape(layers=1, heads=1, head_size=1, hidden=1, inner=1, body=0, parameters=0)
    scorer, packs, encoded = planned("llama", 512)
    for pack in packs:
        pairs = 0
        for group in pack.groups:
            pairs += sum(row + 1 for row in range(group.prefix))
            for at in group.members:
                pairs += sum(row + 1 for row in range(group.prefix, len(encoded[at].tokens)))
        assert cost_of(pack, encoded, shape).flops == 4 * pairs
    assert scorer.shape.layers == 2


@pytest.mark.parametrize("kind", [*DECODERS, "bert", "roberta", "bloom", "gemma2"])
def test_the_shape_of_every_architecture_is_read(kind: str) -> None:
    model = reward_model(kind)
    tensors = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    shape = shape_of(model.config.to_dict(), tensors)
    assert (shape.layers, shape.heads, shape.hidden) == (2, 4, 64)
    assert shape.head_size == (32 if kind == "qwen3" else 16)
    assert shape.inner in (128, 256)
    layers = [w for name, w in model.named_parameters() if ("layer" in name or ".h." in name) and w.dim() > 1]
    assert shape.body - sum(weight.numel() for weight in layers) in (0, 64 * 64)  # an encoder's pooler
    assert shape.parameters == sum(weight.numel() for weight in model.parameters())


def test_a_configuration_that_tells_too_little_is_refused() -> None:
    with pytest.raises(KeyError, match="hidden_size, n_embd"):
        shape_of({}, {})


def test_the_costs_of_packs_add_up() -> None:
    scorer, packs, encoded = planned("llama", 256)
    whole = total_cost(packs, encoded, scorer.shape)
    assert whole.naive == sum(len(item.tokens) for item in encoded)
    assert whole.tokens < whole.naive
    assert whole.computed == 256 * len(packs)
    assert total_cost([], encoded, scorer.shape) == Cost.nothing()


class Living(TorchDispatchMode):
    """Counts the bytes of tensors that are alive, and remembers the most."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.most, self._known = 0, 0, set[int]()

    def __torch_dispatch__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        out = function(*given, **(named or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, torch.Tensor):
                self._watch(tensor.untyped_storage())
        return out

    def _watch(self, storage: Any) -> None:
        place, size = storage.data_ptr(), storage.nbytes()
        if place not in self._known:
            self._known.add(place)
            self.now += size
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._gone, place, size)

    def _gone(self, place: int, size: int) -> None:
        self._known.discard(place)
        self.now -= size


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_predicted_memory_is_of_the_right_order(kind: str) -> None:
    scorer, packs, encoded = planned(kind, 1024)
    gc.collect()
    with Living() as living:
        scorer.runs.hidden(packs[0], encoded)
    weights = 4 * scorer.shape.parameters
    predicted = peak_bytes(scorer.shape, 1024, 4)
    assert 0.5 * predicted < living.most + weights < 2 * predicted
