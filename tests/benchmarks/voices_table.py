"""Is a student nearest to its own teacher, and is anybody else accused? Published models, with rivals and without.

`python -m tests.benchmarks.voices_table` writes tests/benchmarks/results/voices.{json,md}. Needs REWARD_DRIFT_DATA;
about a minute of one core. Either half of the prompts trains once, and the other one is measured.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from judges.style import fit, told_apart
from tests.benchmarks.results_file import save
from tests.published_voices import (
    LEARNED_FROM,
    PEOPLE,
    TEACHERS,
    beside,
    datasets,
    half,
    house,
    on_other_prompts,
    rivals_of,
    said,
)

STUDENT_OF_ANOTHER = "alpaca-farm-ppo-human"
SHORT = dict(zip(TEACHERS, ("davinci-003", "gpt-3.5", "gpt-4", "claude"), strict=True))
CALLED = 0.025  # one-sided: the p-value of one look


def main() -> None:
    by_own = {own: list(_rows(own)) for own in (PEOPLE, STUDENT_OF_ANOTHER)}
    details = {
        "cells": "D in points with its 95% interval by prompts, of the teacher whose D is largest; accused: D beyond 2"
        " points and nearer as a whole, each at one-sided p .025. Two voices: trained on teacher and reference alone;"
        " rivals: the three other teachers stand beside the reference. Errors are of prompts: each model is one model",
        "chosen_here": "weighing others alike, and together as the teacher, was chosen on these very models among three"
        " ways (each text alike; one multinomial fit)",
        **{f"beside_{own}": _counted(rows) for own, rows in by_own.items()},
        **dict(_topics()),
    }
    rows = [row for own in by_own.values() for row in own]
    save("voices", "Who sounds like whom? Published models on 805 prompts", "none: these are facts", rows, details)


def _rows(own: str) -> Iterator[dict[str, Any]]:
    for name in LEARNED_FROM:
        for swapped in (False, True) if name != own else ():
            yield _row(name, own, swapped)


def _row(name: str, own: str, swapped: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"beside": own, "model": name, "half": 2 if swapped else 1}
    row["learned_from"] = " or ".join(SHORT[teacher] for teacher in LEARNED_FROM[name]) or "none of these"
    for title, with_rivals in (("two voices", False), ("rivals", True)):
        heard = {t: beside(name, t, own, rivals_of(t) if with_rivals else (), swapped) for t in TEACHERS}
        nearest = max(TEACHERS, key=lambda teacher: float(heard[teacher].gains.mean()))
        accused = [SHORT[teacher] for teacher in TEACHERS if heard[teacher].p <= CALLED]
        row[f"nearest, {title}"] = f"{SHORT[nearest]} {_interval(heard[nearest].gains)}"
        row[f"accused of, {title}"] = ", ".join(accused) or "-"
    return row


def _interval(gains: np.ndarray) -> str:
    middle, room = 100 * gains.mean(), 196 * gains.std(ddof=1) / np.sqrt(gains.size)
    return f"{middle:+.1f} [{middle - room:+.1f}, {middle + room:+.1f}]"


def _counted(rows: list[dict[str, Any]]) -> str:
    return "; ".join(f"{title}: {_count(rows, title)}" for title in ("two voices", "rivals"))


def _count(rows: list[dict[str, Any]], title: str) -> str:
    """How many are nearest to their own teacher, are accused of theirs, and of another house's."""
    exact = right_house = owed = caught = wrong = chances = controls = innocent = 0
    for row in rows:
        taught = set(LEARNED_FROM[row["model"]])
        kin = {SHORT[teacher] for teacher in house(row["model"])}
        nearest = row[f"nearest, {title}"].split()[0]
        accused = {name for name in SHORT.values() if name in row[f"accused of, {title}"].split(", ")}
        wrong += len(accused - kin)
        chances += len(TEACHERS) - len(kin)
        owed += bool(taught)
        exact += nearest in {SHORT[teacher] for teacher in taught}
        right_house += nearest in kin
        caught += bool(accused & kin)
        controls += not taught
        innocent += not taught and not accused
    return (
        f"nearest is the teacher itself in {exact} of {owed}, its house (gpt-3.5 and gpt-4 as one) in {right_house};"
        f" accused of that house {caught} of {owed}, wrongly of another {wrong} of {chances};"
        f" controls accused of none {innocent} of {controls}"
    )


def _topics() -> Iterator[tuple[str, str]]:
    """Trained without one data set, on the half that trains: accuracy there, and D of people beside people."""
    for left_out in sorted(set(datasets().values())):
        kept, here = ([i for i in half(trained) if datasets()[i] != left_out] for trained in (True, False))
        elsewhere = [item for item, dataset in sorted(datasets().items()) if dataset == left_out]
        told = []
        for teacher in TEACHERS:
            model = fit(said(teacher, kept), said(PEOPLE, kept))
            same, other = (told_apart(model, said(teacher, i), said(PEOPLE, i)) for i in (here, elsewhere))
            moved = on_other_prompts(model, teacher, here, elsewhere)
            assert moved.effect.value is not None
            called = ", accused" if moved.p <= CALLED else ""
            told.append(
                f"{SHORT[teacher]} {same:.2f} -> {other:.2f}, D of people {100 * moved.effect.value:+.1f}{called}"
            )
        yield f"trained_without_{left_out}, accuracy here -> on its {len(elsewhere)} prompts", "; ".join(told)


if __name__ == "__main__":
    main()
