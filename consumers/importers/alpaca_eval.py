"""What do files of AlpacaEval say? Annotations (who preferred which output), model outputs, leaderboards.

A preference lies between 1 (output_1) and 2 (output_2); 1.5 and 0 are ties, null or NaN is a failed annotation. The
judge is the file's annotator, a model unless told otherwise; with `judge` given, the annotator stands beside it. A pair
has one id and one order of sides in every file that holds it, so that judges of it can be compared.
Source: Dubois et al. 2024, arXiv:2404.04475; the project's README.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from consumers.importers.cells import digest
from consumers.importers.foreign import Cells, Format, Given, Told, in_one_order, number_of, text_of
from consumers.importers.rows import RowFault

SUITE = "alpaca_eval"
RATES = (("win_rate", "standard_error"), ("length_controlled_winrate", "lc_standard_error"))


@dataclass(frozen=True)
class AlpacaEval:
    """Rows of any of the three kinds of file, told apart by their columns."""

    given: Given

    def row(self, cells: Cells) -> Iterable[Told]:
        """What one annotation, one output or one line of a leaderboard says."""
        if "preference" in cells:
            return [_annotation(cells, self.given)]
        if "win_rate" in cells:
            return _leaderboard(cells, self.given)
        if "output" in cells:
            return [_output(cells)]
        raise RowFault("neither an annotation (preference), an output (output) nor a leaderboard's line (win_rate)")

    def finish(self) -> Iterable[Told]:
        """Rows say nothing together."""
        return ()


ALPACA_EVAL = Format("alpaca_eval", AlpacaEval)


def _annotation(cells: Cells, given: Given) -> Told:
    instruction = text_of(cells, "instruction")
    sides = [_side(cells, instruction, number) for number in ("1", "2")]
    soft = number_of(cells.get("preference"), "preference")
    if soft is not None and soft != 0 and not 1 <= soft <= 2:
        raise RowFault(f"preference {soft:g} is neither 1..2, 0 nor null")
    of_second = None if soft is None else 0.5 if soft == 0 else soft - 1
    kept = in_one_order(*sides)
    a, b = sides if kept else reversed(sides)
    of_a = None if of_second is None else 1 - of_second if kept else of_second
    data: dict[str, Any] = {
        "pair_id": digest(SUITE, instruction, a["response_id"], b["response_id"]),
        "judge": _judge(cells, given),
        "choice": None if of_a is None else "tie" if of_a == 0.5 else "a" if of_a > 0.5 else "b",
        "status": "unscoreable" if of_a is None else None,
        "probability_a": of_a,
        "prompt_id": _prompt_id(instruction),
        "a": a,
        "b": b,
        "cohort": _cohort(cells),
    }
    return Told("preference", data)


def _judge(cells: Cells, given: Given) -> dict[str, Any]:
    annotator = cells.get("annotator")
    if given.judge is None and annotator is None:
        raise RowFault("no 'annotator'; name the judge with --judge")
    beside = None if given.judge is None or annotator is None else str(annotator)
    return {"name": given.judge or str(annotator), "kind": given.kind or "model", "annotator": beside}


def _side(cells: Cells, instruction: str, number: str) -> dict[str, Any]:
    output, generator = text_of(cells, f"output_{number}"), text_of(cells, f"generator_{number}")
    return {
        "response_id": digest(generator, instruction, output),
        "checkpoint": generator,
        "length": len(output),
        "text": output,
    }


def _output(cells: Cells) -> Told:
    instruction, output, generator = (text_of(cells, name) for name in ("instruction", "output", "generator"))
    data = {
        "response_id": digest(generator, instruction, output),
        "checkpoint": generator,
        "prompt_id": _prompt_id(instruction),
        "prompt": instruction,
        "response": output,
        "environment": "evaluation",
        "cohort": _cohort(cells),
    }
    return Told("response", data)


def _leaderboard(cells: Cells, given: Given) -> Iterator[Told]:
    """Rates in percent become shares; a rate that stands empty is left out."""
    model = text_of(cells, "", "model", "name", "Unnamed: 0")
    for name, error in RATES:
        rate, spread = (number_of(cells.get(column), column) for column in (name, error))
        if rate is not None:
            data: dict[str, Any] = {
                "checkpoint": model,
                "suite": SUITE,
                "category": given.judge or "all",
                "metric": name,
                "value": rate / 100,
                "stderr": None if spread is None else spread / 100,
                "n": _count(cells.get("n_total")),
            }
            yield Told("evaluation", data)


def _count(cell: Any) -> int | None:
    found = number_of(cell, "n_total")
    return None if found is None else int(found)


def _prompt_id(instruction: str) -> str:
    return f"{SUITE}/{digest(instruction)}"


def _cohort(cells: Cells) -> dict[str, str] | None:
    dataset = cells.get("dataset")
    return {"category": str(dataset)} if dataset else None
