"""What do judgments of MT-Bench say? Pairs judged in both orders, and single answers with a score.

`g1_winner` is the verdict with model_1 shown first, `g2_winner` with model_2 shown first; both name models, not places.
`error` is a failed judgment, and so is a score of -1: told with a null, never left out. A score also tells the answer
it belongs to, without its text, in the environment `evaluation`.
Source: Zheng et al. 2023, arXiv:2306.05685; FastChat's llm_judge.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from consumers.importers.cells import digest
from consumers.importers.foreign import Cells, Format, Given, Told, number_of, text_of
from consumers.importers.rows import RowFault

SUITE = "mt_bench"
ORDERS = (("g1_winner", "1"), ("g2_winner", "2"))
WINNERS = ("model_1", "model_2", "tie", "error")


@dataclass(frozen=True)
class MtBench:
    """Rows of *_pair.jsonl and of *_single.jsonl, told apart by their columns."""

    given: Given

    def row(self, cells: Cells) -> Iterable[Told]:
        """Two preferences of a judged pair, or the answer and the score of a single one."""
        if "g1_winner" in cells:
            return _pair(cells, self.given)
        if "score" in cells:
            return _single(cells, self.given)
        raise RowFault("neither a judged pair (g1_winner, g2_winner) nor a single answer (score)")

    def finish(self) -> Iterable[Told]:
        """Rows say nothing together."""
        return ()


MT_BENCH = Format("mt_bench", MtBench, has_times=True)


def _pair(cells: Cells, given: Given) -> Iterator[Told]:
    models = {"1": text_of(cells, "model_1"), "2": text_of(cells, "model_2")}
    if models["1"] == models["2"]:
        raise RowFault(f"both answers are of {models['1']}")
    a, b = sorted(models, key=lambda number: models[number])
    prompt = _prompt_id(cells)
    for column, first in ORDERS:
        winner = text_of(cells, column)
        if winner not in WINNERS:
            raise RowFault(f"{column} is {winner[:60]!r}; known: {', '.join(WINNERS)}")
        named = winner.removeprefix("model_")
        data = {
            "pair_id": digest(prompt, models[a], models[b]),
            "judge": {"name": _judge(cells, given), "kind": given.kind or "model", "rubric": _rubric(cells)},
            "choice": {a: "a", b: "b", "tie": "tie"}.get(named),
            "status": "error" if winner == "error" else None,
            "prompt_id": prompt,
            "order": "ab" if first == a else "ba",
            "a": {"response_id": _response_id(prompt, models[a]), "checkpoint": models[a]},
            "b": {"response_id": _response_id(prompt, models[b]), "checkpoint": models[b]},
        }
        yield Told("preference", data, _time(cells))


def _single(cells: Cells, given: Given) -> Iterator[Told]:
    model, prompt, value = text_of(cells, "model"), _prompt_id(cells), number_of(cells["score"], "score")
    failed = value is None or value < 0
    answer = {
        "response_id": _response_id(prompt, model),
        "checkpoint": model,
        "prompt_id": prompt,
        "environment": "evaluation",
    }
    score = {
        "response_id": answer["response_id"],
        "scorer": {"name": _judge(cells, given), "kind": "judge", "rubric": _rubric(cells)},
        "value": None if failed else value,
        "status": "error" if failed else None,
    }
    yield Told("response", dict(answer), _time(cells))
    yield Told("score", score, _time(cells))


def _judge(cells: Cells, given: Given) -> str:
    told = cells.get("judge")
    named = told[0] if isinstance(told, list) and told else told
    if given.judge is None and not isinstance(named, str):
        raise RowFault("no 'judge'; name the judge with --judge")
    return given.judge or str(named)


def _rubric(cells: Cells) -> str | None:
    """The prompt template the judge worked under, which stands beside its name."""
    told = cells.get("judge")
    return str(told[1]) if isinstance(told, list) and len(told) > 1 else None


def _prompt_id(cells: Cells) -> str:
    turn = cells.get("turn")
    return f"{SUITE}/{text_of(cells, 'question_id')}" + (f"/{turn}" if turn is not None else "")


def _response_id(prompt: str, model: str) -> str:
    return f"{prompt}:{model}"


def _time(cells: Cells) -> dt.datetime | None:
    stamp: Any = number_of(cells.get("tstamp"), "tstamp")
    try:
        return None if stamp is None else dt.datetime.fromtimestamp(stamp, dt.UTC)
    except (OverflowError, OSError, ValueError):
        raise RowFault(f"tstamp {stamp} is no time in seconds since 1970") from None
