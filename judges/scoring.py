"""How is a set of items scored so that nothing is computed twice, lost, or half done?

One flat run: encode, look up, plan, try a few both ways, score pack by pack, each pack's records in one transaction.
Killed at any moment and started again it goes on where it was and repeats at most one pack.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from consumers.mendable import Mendable
from judges.engine.costs import Cost, cost_of, total_cost
from judges.engine.items import Encoded, Item, Unscoreable
from judges.engine.packing import Pack
from judges.engine.scorer import Ruler
from judges.engine.spec import ScoreSpec, item_key, text_key
from judges.engine.trial import try_out
from judges.engine.verify import Disagreement
from judges.scores import Run, ScoreBoard, Value, value_of

log = logging.getLogger(__name__)

Clock = Callable[[], int]  # microseconds since 1970-01-01 UTC


class RulerMoved(Mendable):
    """The same ruler measured its canaries differently than before: no score of this run can be trusted."""

    def __init__(self, spec_id: str, detail: str) -> None:
        super().__init__(
            f"ruler {spec_id}: {detail}; nothing was scored. Its files and libraries are the same, so look at the"
            " machine (memory, driver, clock) and score again; `reward-drift incidents list` has it on record"
        )


class PacksTooLarge(Mendable):
    """Even the smallest packs do not fit into memory."""


@dataclass(frozen=True)
class Progress:
    """How far a run is. done, planned: of this run, without what was known before. hits: items known before."""

    done: Cost
    planned: Cost
    hits: int
    seconds: float


@dataclass(frozen=True)
class Scored:
    """A finished run: one value per item asked for, whatever became of it."""

    run: Run
    values: Mapping[str, Value]
    progress: Progress
    spec: ScoreSpec
    fell_back: Disagreement | None = None


Compute = Callable[[Ruler, Sequence[Pack], Sequence[Encoded]], Iterator[tuple[int, list[tuple[float, ...]]]]]


def in_process(
    ruler: Ruler, packs: Sequence[Pack], encoded: Sequence[Encoded]
) -> Iterator[tuple[int, list[tuple[float, ...]]]]:
    """One pack after the other, here: (number of the pack, numbers of its members)."""
    return ((number, ruler.score(pack, encoded)) for number, pack in enumerate(packs))


def score_items(
    ruler: Ruler,
    items: Sequence[Item],
    board: ScoreBoard,
    *,
    subject: str,
    now_us: Clock,
    tell: Callable[[Progress], None] = lambda _: None,
    compute: Compute = in_process,
) -> Scored:
    """Score every item, or say why it has no score. subject: whose answers these are, for the record. compute: where
    packs are computed.

    Items of one name must be one item. Raises ValueError when they are not or a name cannot be stored, RulerRefused
    when no way to run the model agrees with its own, RulerMoved when the canaries moved, PacksTooLarge when even the
    smallest do not fit, and whatever the database raises; a run that is raised out of stays open and goes on
    when called again.
    """
    by_name = _by_name(items)
    while True:
        try:
            return _run(ruler, by_name, board, subject, now_us, tell, compute)
        except (MemoryError, RuntimeError) as fault:
            if not _is_out_of_memory(fault):
                raise
            message = str(fault).partition("\n")[0]
        smaller = ruler.smaller()  # outside of the handler, whose frames hold the tensors
        if smaller is None:
            raise PacksTooLarge(
                f"packs of {ruler.spec.size} tokens do not fit into memory, and there are no smaller ones: {message};"
                " take a larger device or numbers of 16 bits (--dtype bf16)"
            )
        log.warning("out of memory with packs of %d tokens; again with %d", ruler.spec.size, smaller.spec.size)
        ruler = smaller


def _run(
    ruler: Ruler,
    items: Mapping[str, Item],
    board: ScoreBoard,
    subject: str,
    now_us: Clock,
    tell: Callable[[Progress], None],
    compute: Compute,
) -> Scored:
    texts = {name: text_key(ruler.spec.spec_id, item) for name, item in items.items()}
    led = board.keys_of(texts.values())  # 1. what was asked before, without a token
    fresh = [item for name, item in items.items() if texts[name] not in led]
    encoded = dict(zip((item.item_id for item in fresh), ruler.encode(fresh), strict=True))  # 2. encode the rest
    trial = try_out(ruler, [result for result in encoded.values() if isinstance(result, Encoded)], board)  # 3. try it
    if trial.apart is not None:
        log.warning("%s: %s", ruler.spec.runs, trial.apart)
        plain = ruler.unpacked(trial.apart)
        return replace(_run(plain, items, board, subject, now_us, tell, compute), fell_back=trial.apart)
    own = {name: _key(ruler, items[name], result) for name, result in encoded.items()}
    keys = {name: own[name] if name in own else led[texts[name]] for name in items}
    ways = {texts[name]: key for name, key in own.items()}
    run = board.begin(_run_id(ruler, subject, keys), ruler.spec, subject, keys, ways, now_us())
    if trial.moved is not None:
        board.violated(ruler.spec.spec_id, trial.moved, now_us())
        raise RulerMoved(ruler.spec.spec_id, trial.moved)
    known = board.values(set(keys.values()))
    encoded |= _encoded_again(ruler, items, keys, known, encoded)
    board.write(run, [*trial.values, *_unscoreable(encoded, keys, known)], now_us())
    done = known.keys() | {value.key for value in trial.values}
    todo = {keys[name]: r for name, r in encoded.items() if isinstance(r, Encoded) and keys[name] not in done}
    hits = sum(key in known for key in keys.values())
    progress = _score_packs(ruler, todo, board, run, now_us, tell, compute, hits)  # 4. score the rest
    if not board.complete(run, now_us()):
        raise RuntimeError(f"run {run.run_id} has items without a record")
    return Scored(board.run(run.run_id), board.results(run), progress, ruler.spec)


def _encoded_again(
    ruler: Ruler,
    items: Mapping[str, Item],
    keys: Mapping[str, bytes],
    known: Mapping[bytes, Value],
    encoded: Mapping[str, Encoded | Unscoreable],
) -> dict[str, Encoded | Unscoreable]:
    """Items that a run before this one encoded and was killed before it scored them."""
    left = [item for name, item in items.items() if name not in encoded and keys[name] not in known]
    return dict(zip((item.item_id for item in left), ruler.encode(left), strict=True))


def _score_packs(
    ruler: Ruler,
    todo: Mapping[bytes, Encoded],
    board: ScoreBoard,
    run: Run,
    now_us: Clock,
    tell: Callable[[Progress], None],
    compute: Compute,
    hits: int,
) -> Progress:
    keys, encoded, started = list(todo), list(todo.values()), time.monotonic()
    packs = ruler.plan(encoded)
    progress = Progress(Cost.nothing(), total_cost(packs, encoded, ruler.shape), hits, 0.0)
    for number, outputs in compute(ruler, packs, encoded):
        pack = packs[number]
        values = [
            value_of(keys[at], numbers, len(encoded[at].tokens), encoded[at].split, number)
            for at, numbers in zip(pack.members, outputs, strict=True)
        ]
        board.write(run, values, now_us())
        done = progress.done + cost_of(pack, encoded, ruler.shape)
        progress = Progress(done, progress.planned, hits, time.monotonic() - started)
        tell(progress)
    return progress


def _by_name(items: Sequence[Item]) -> dict[str, Item]:
    by_name: dict[str, Item] = {}
    for item in items:
        if by_name.setdefault(item.item_id, item) != item:
            raise ValueError(f"two different items are called {item.item_id!r}")
        if "\0" in item.item_id or item.item_id.encode(errors="replace").decode() != item.item_id:
            raise ValueError(f"an item's name holds a NUL or half a character: {item.item_id!r}")
    return by_name


def _unscoreable(
    encoded: Mapping[str, Encoded | Unscoreable], keys: Mapping[str, bytes], known: Mapping[bytes, Value]
) -> list[Value]:
    failed = {keys[name]: r for name, r in encoded.items() if isinstance(r, Unscoreable) and keys[name] not in known}
    return [Value(key, result.status, None, (), result.detail, 0, 0) for key, result in failed.items()]


def _key(ruler: Ruler, item: Item, result: Encoded | Unscoreable) -> bytes:
    spec_id = ruler.spec.spec_id
    return item_key(spec_id, result) if isinstance(result, Encoded) else text_key(spec_id, item)


def _run_id(ruler: Ruler, subject: str, keys: Mapping[str, bytes]) -> str:
    """The same request, the same run: of the ruler, the subject, and the names and contents of all items."""
    content = hashlib.blake2b(f"{ruler.spec.spec_id}\0{subject}\0".encode(), digest_size=16)
    for name, key in sorted(keys.items()):
        content.update(name.encode("utf-8", "surrogatepass") + b"\0" + key)
    return content.hexdigest()


def _is_out_of_memory(fault: Exception) -> bool:
    """Of a GPU (torch.OutOfMemoryError) or of this machine (torch says so in words)."""
    return isinstance(fault, MemoryError) or "out of memory" in str(fault) or "can't allocate memory" in str(fault)
