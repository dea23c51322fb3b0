"""How are packs computed on several devices at once? The plan is the same; Ray carries packs out and scores back.

Every device loads the model for itself, from the sealed folder, and must come to the ruler that the plan was made with.
A pack that is computed twice, because a worker died, is kept once: the store takes the first score of a key. The only
module that knows Ray; it is an extra, and a single process needs none of it.
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import torch
from msgspec import Struct

from consumers.mendable import Mendable
from judges.artefacts.loading import load_model, load_tokenizer
from judges.checkpoints import Checkpoint, open_checkpoint
from judges.engine.device import DTYPES, Place
from judges.engine.items import Encoded
from judges.engine.packing import Group, Pack
from judges.engine.scorer import How, Ruler, Scorer, likelihood_scorer, reward_scorer
from judges.engine.spec import ScoreSpec

BLOCKS_PER_WORKER = 4  # fewer leave devices idle at the end
Results = Iterator[tuple[int, list[tuple[float, ...]]]]


class RayMissing(Mendable):
    """Several devices were asked for, and Ray is not installed."""


class AnotherRuler(Exception):  # noqa: N818 - a noun of the domain
    """A worker's model is not the ruler that the plan was made with: other files, libraries or hardware."""


@dataclass(frozen=True)
class Ready:
    """How a worker loads what the planner has loaded. folder, base: sealed. digest: what the folder must have."""

    folder: Path
    digest: str
    base: Path | None
    reading: Literal["reward", "likelihood"]
    dtype: str
    spec: ScoreSpec


class _Sent(Struct, frozen=True, gc=False, array_like=True):
    """An item on its way to a worker; arrays as lists."""

    tokens: list[int]
    prompt_end: int
    reads: list[int]
    answer_bytes: int
    types: list[int] | None


class _Order(Struct, frozen=True, gc=False, array_like=True):
    """A pack on its way. groups: (length of the prefix, how many of the items, which follow in order)."""

    number: int
    size: int
    tokens: int
    groups: list[tuple[int, int]]
    items: list[_Sent]


class Devices:
    """Computes packs on `workers` devices: GPUs where the ruler's place is one, else processes of this machine."""

    def __init__(self, workers: int, checkpoint: Checkpoint, place: Place) -> None:
        self._workers, self._checkpoint, self._place = workers, checkpoint, place

    def __call__(self, ruler: Ruler, packs: Sequence[Pack], encoded: Sequence[Encoded]) -> Results:
        """(number of the pack, numbers of its members), in the order of completion. Raises RayMissing, AnotherRuler."""
        if not packs:
            return
        base = self._checkpoint.base.folder.resolve() if self._checkpoint.base else None
        folder, digest = self._checkpoint.folder.resolve(), self._checkpoint.digest
        ready = Ready(folder, digest, base, _reading(ruler), self._dtype(), ruler.spec)
        orders = [{"order": msgspec.msgpack.encode(_order(n, pack, encoded))} for n, pack in enumerate(packs)]
        with _ray(self._workers) as ray:
            blocks = min(len(orders), BLOCKS_PER_WORKER * self._workers)
            done = ray.data.from_items(orders, override_num_blocks=blocks).map_batches(
                _Worker,
                fn_constructor_args=(ready,),
                batch_size=1,
                batch_format="numpy",
                compute=ray.data.ActorPoolStrategy(size=self._workers),
                num_gpus=1 if self._place.device.type == "cuda" else 0,
                num_cpus=1,
            )
            for row in done.iter_rows():
                number, outputs = msgspec.msgpack.decode(row["done"], type=tuple[int, list[tuple[float, ...]]])
                yield number, outputs

    def _dtype(self) -> str:
        return next(name for name, dtype in DTYPES.items() if dtype == self._place.dtype)


class _Worker:
    """One device with the model on it."""

    def __init__(self, ready: Ready) -> None:
        torch.set_num_threads(ready.spec.threads)
        self._scorer = _load(ready)
        if self._scorer.spec != ready.spec:
            raise AnotherRuler(f"planned with {ready.spec.as_json()}, this worker has {self._scorer.spec.as_json()}")

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        done = [msgspec.msgpack.encode(self._compute(bytes(order))) for order in batch["order"]]
        return {"done": np.array(done, dtype=object)}

    def _compute(self, raw: bytes) -> tuple[int, list[tuple[float, ...]]]:
        order = msgspec.msgpack.decode(raw, type=_Order)
        return order.number, self._scorer.score(_pack(order), [_encoded(sent) for sent in order.items])


def _load(ready: Ready) -> Scorer:
    checkpoint = open_checkpoint(ready.folder, expected=ready.digest, base=ready.base)
    device = torch.device("cpu" if ready.spec.device.startswith("cpu") else "cuda")
    task: Literal["causal", "sequence_classification"]
    task, make = (
        ("sequence_classification", reward_scorer) if ready.reading == "reward" else ("causal", likelihood_scorer)
    )
    model = load_model(checkpoint, task, dtype=DTYPES[ready.dtype], device=device)
    how = How(size=ready.spec.size, share=ready.spec.shares_prefixes, pack=ready.spec.runs == "packed")
    return make(model, load_tokenizer(checkpoint), checkpoint.digest, how)


def _reading(ruler: Ruler) -> Literal["reward", "likelihood"]:
    return "reward" if ruler.spec.reading == "reward" else "likelihood"


def _order(number: int, pack: Pack, encoded: Sequence[Encoded]) -> _Order:
    groups = [(group.prefix, len(group.members)) for group in pack.groups]
    return _Order(number, pack.size, pack.tokens, groups, [_sent(encoded[member]) for member in pack.members])


def _sent(item: Encoded) -> _Sent:
    types = None if item.types is None else item.types.tolist()
    return _Sent(item.tokens.tolist(), item.prompt_end, item.reads.tolist(), item.answer_bytes, types)


def _encoded(sent: _Sent) -> Encoded:
    types = None if sent.types is None else np.array(sent.types, np.int32)
    tokens, reads = np.array(sent.tokens, np.int32), np.array(sent.reads, np.int32)
    return Encoded(tokens, sent.prompt_end, reads, sent.answer_bytes, types)


def _pack(order: _Order) -> Pack:
    """The pack over the items that came with it, which stand in the order of its groups."""
    members = iter(range(len(order.items)))
    groups = (Group(prefix, tuple(next(members) for _ in range(count))) for prefix, count in order.groups)
    return Pack(order.size, tuple(groups), order.tokens)


@contextlib.contextmanager
def _ray(workers: int) -> Iterator[Any]:
    """Ray on this machine for as long as it is needed, unless the caller has joined a cluster already."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as fault:
        raise RayMissing(f"several workers need Ray: pip install 'reward-drift-monitor[ray]' ({fault})") from fault
    ours = not ray.is_initialized()
    if ours:
        ray.init(num_cpus=workers + 1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()
