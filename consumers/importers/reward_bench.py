"""What do results of RewardBench say? How a reward model scored chosen and rejected, item by item; accuracy by subset.

Items give a preference of the reward model each (sides in an order that depends on the item alone, not on the label)
and one evaluation a subset. A missing score is a null preference and counts as wrong in the accuracy: whoever cannot
score the hard items gains nothing by it. Files of accuracies alone (subset -> share), and those of the command
`rewardbench` (`accuracy`, `num_prompts`, `extra_results`), give evaluations. In RewardBench 2 an item is one right
answer among several wrong ones, which is no pair, so that it gives evaluations alone. Its ties are scored by margins
too: what items come to there is `item_accuracy`, while `accuracy` is the published score.
Source: Lambert et al. 2024, arXiv:2403.13787; Malik et al. 2025, arXiv:2506.01937; the project's README.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from consumers.importers.cells import digest
from consumers.importers.foreign import Cells, Format, Given, Told, number_of, text_of
from consumers.importers.rows import RowFault
from consumers.importers.samples import item_id

SUITE = "reward_bench"
OUTCOMES = (0.0, 0.5, 1.0)
TIES = "ties"


@dataclass
class RewardBench:
    """A file of one reward model. results: by model and subset, what each item came to."""

    given: Given
    results: dict[tuple[str, str, str], list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def row(self, cells: Cells) -> Iterable[Told]:
        """The preference of one item, or the accuracies of a whole file."""
        model = self.given.judge or text_of(cells, "model")
        if "subset" not in cells:
            return _accuracies(cells, model)
        subset, of_several = text_of(cells, "subset"), _is_best_of_several(cells)
        won = _share_won(cells) if of_several else _won(cells)
        item = str(cells["id"]) if cells.get("id") is not None else _texts(cells)
        metric = "item_accuracy" if of_several and subset.lower() == TIES else "accuracy"
        self.results[model, subset, metric].append({"id": item_id(item), "value": won})
        return [] if of_several else [_preference(subset, item, won, self._judge(cells, model))]

    def finish(self) -> Iterator[Told]:
        """The accuracy in each subset, with the items it comes from."""
        for (model, subset, metric), samples in sorted(self.results.items()):
            value = sum(one["value"] or 0.0 for one in samples) / len(samples)
            told = sorted(samples, key=lambda one: one["id"])
            yield _evaluation(model, subset, value, metric=metric, n=len(samples), samples=told)

    def _judge(self, cells: Cells, model: str) -> dict[str, Any]:
        speaks = "generative" in str(cells.get("model_type", "")).lower()
        return {"name": model, "kind": self.given.kind or ("model" if speaks else "reward_model")}


REWARD_BENCH = Format("reward_bench", RewardBench)


def _is_best_of_several(cells: Cells) -> bool:
    """Whether an item is of RewardBench 2: its answers, or their scores, stand in one list."""
    scores = cells.get("scores")
    return "num_correct" in cells or (isinstance(scores, list) and "scores_chosen" not in cells)


def _share_won(cells: Cells) -> float | None:
    """1 the right answer won, a share where it tied with others; None where it was not scored."""
    result = number_of(cells.get("results"), "results")
    if result is not None and not 0 <= result <= 1:
        raise RowFault(f"results is {result:g}, not within 0..1")
    return result


def _won(cells: Cells) -> float | None:
    """1 chosen won, 0 rejected won, .5 neither; None where it was not scored."""
    if "scores_chosen" in cells and "scores_rejected" in cells:
        chosen, rejected = (number_of(cells[name], name) for name in ("scores_chosen", "scores_rejected"))
        if chosen is not None and rejected is not None:
            return 0.5 if chosen == rejected else float(chosen > rejected)
        if "results" not in cells:
            return None
    elif "results" not in cells:
        raise RowFault("neither 'scores_chosen' and 'scores_rejected' nor 'results'")
    result = number_of(cells["results"], "results")
    if result is not None and result not in OUTCOMES:
        raise RowFault(f"results is {result:g}, not one of 0, 0.5, 1")
    return result


def _texts(cells: Cells) -> str:
    return digest(text_of(cells, "text_chosen", "chosen"), text_of(cells, "text_rejected", "rejected"))


def _preference(subset: str, item: str, won: float | None, judge: dict[str, Any]) -> Told:
    pair = digest(SUITE, subset, item)
    chosen, rejected = ("a", "b") if int(pair, 16) % 2 else ("b", "a")
    choices = {1.0: chosen, 0.0: rejected, 0.5: "tie"}
    data = {
        "pair_id": pair,
        "judge": judge,
        "choice": None if won is None else choices[won],
        "status": "unscoreable" if won is None else None,
        "prompt_id": f"{SUITE}/{subset}/{item}",
        chosen: {"checkpoint": f"{SUITE}:chosen"},
        rejected: {"checkpoint": f"{SUITE}:rejected"},
        "cohort": {"category": subset},
    }
    return Told("preference", data)


def _accuracies(cells: Cells, model: str) -> Iterator[Told]:
    shares = {name: cell for name, cell in cells.items() if _is_number(cell)}
    if _is_number(count := shares.pop("num_prompts", None)):
        more = cells.get("extra_results")
        shares = {"all": shares["accuracy"], **(more if isinstance(more, dict) else {})} if "accuracy" in shares else {}
    if not shares:
        raise RowFault("neither an item (subset) nor accuracies by subset")
    for subset, share in sorted(shares.items()):
        if _is_number(share):
            n = int(count) if subset == "all" and _is_number(count) else None
            yield _evaluation(model, subset, float(share), n=n)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool) and math.isfinite(cell)


def _evaluation(model: str, subset: str, value: float, metric: str = "accuracy", **more: Any) -> Told:
    data = {"checkpoint": model, "suite": SUITE, "category": subset, "metric": metric, "value": value, **more}
    return Told("evaluation", data)
