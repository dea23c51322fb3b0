"""Can a ruler be trusted today? Before a run a few of its items are scored both ways, and the canaries once more."""

from collections.abc import Sequence
from dataclasses import dataclass

from judges.engine.canaries import encoded_canaries
from judges.engine.items import Encoded
from judges.engine.scorer import Ruler
from judges.engine.spec import item_key
from judges.engine.verify import Disagreement, probe
from judges.scores import ScoreBoard, Value, value_of

PACK = -1  # of what the trial scored, which no later pack scores again


@dataclass(frozen=True)
class Trial:
    """What came out. apart: how the items differ from scoring one by one, None when they do not. values: of the items
    and the canaries. moved: what is wrong with the canaries, None if nothing is."""

    apart: Disagreement | None
    values: Sequence[Value]
    moved: str | None


def try_out(ruler: Ruler, encoded: Sequence[Encoded], board: ScoreBoard) -> Trial:
    """Score a few of the items, and the canaries, whose every bit is compared with the first time."""
    items, canaries = probe(encoded), encoded_canaries(ruler)
    if ruler.spec.runs == "packed":
        outputs = _outputs(ruler, [*items, *canaries])
    else:  # company moves bits here, so canaries keep to themselves
        outputs = [*_outputs(ruler, items), *_outputs(ruler, canaries)]
    apart = ruler.disagreement(items, outputs[: len(items)])
    values = [
        value_of(item_key(ruler.spec.spec_id, item), numbers, len(item.tokens), item.split, PACK)
        for item, numbers in zip([*items, *canaries], outputs, strict=True)
    ]
    return Trial(apart, values, _moved(values[len(items) :], board))


def _outputs(ruler: Ruler, items: Sequence[Encoded]) -> list[tuple[float, ...]]:
    outputs: list[tuple[float, ...]] = [()] * len(items)
    for pack in ruler.plan(items):
        for member, numbers in zip(pack.members, ruler.score(pack, items), strict=True):
            outputs[member] = numbers
    return outputs


def _moved(canaries: Sequence[Value], board: ScoreBoard) -> str | None:
    before = board.values(value.key for value in canaries)
    moved = [value for value in canaries if value.key in before and before[value.key].outputs != value.outputs]
    if not moved:
        return None
    was = before[moved[0].key].outputs
    return f"{len(moved)} of {len(canaries)} canaries moved, the first from {was} to {moved[0].outputs}"
