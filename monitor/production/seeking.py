"""Which production answers have a phrase of a kind, as far as their words are still in the store?"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from judges.lexicon import KINDS, Lexicon

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

WORDS = """
    SELECT r.response_id, t.response FROM response AS r JOIN text AS t ON t.seq = r.seq
    WHERE r.environment = 'production' AND t.response IS NOT NULL AND r.time_us >= :since
    ORDER BY r.time_us, t.response
"""


def marked_answers(engine: Engine, answers: Sequence[str], since_us: int, lexicon: Lexicon) -> Mapping[str, Array]:
    """By kind 1 for an answer with at least one phrase of it, 0 for one without, NaN where its words are gone.

    answers: response ids; since_us: none of them is earlier. Shape (answers,) each.
    """
    with engine.connect() as connection:
        words = dict(tuple(row) for row in connection.execute(text(WORDS), {"since": since_us}))
    kept = np.array([name in words for name in answers], bool)
    told = [words[name] for name in answers if name in words]
    marks = {kind: np.full(len(answers), np.nan) for kind in KINDS}
    for kind, mine in marks.items():
        mine[kept] = lexicon.marked(kind, told)
    return marks


def shares_by_cohort(marks: Array, cohort: Codes, cohorts: int) -> tuple[list[float], int]:
    """Share of marked answers of each cohort, of all answers in the last place, and how many answers that rests on.

    marks: of the reference, shape (answers,), NaN unknown; cohort: codes of that shape, below `cohorts` - 1, or -1.
    A cohort without an answer has the share of all.
    """
    known = ~np.isnan(marks)
    if not known.any():
        return [float("nan")] * cohorts, 0
    everybody = float(marks[known].mean())
    of = [marks[known & (cohort == code)] for code in range(cohorts - 1)]
    return [*(float(mine.mean()) if mine.size else everybody for mine in of), everybody], int(known.sum())
