"""Does each combination of confirmed components give its one verdict?"""

import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.statistics.verdicts import FEEDBACK, JUDGE, LEVEL, VOICE, Row, verdict

COMPONENTS = ("O-", "O0", "O+", "C", "C0", "R+", "U", "R-", "R0", "V", "H-", "P0")
JUDGES = ("B1", "B2", "T-", "T0", "D")


def combinations(components: tuple[str, ...]) -> Iterator[frozenset[str]]:
    for size in range(len(components) + 1):
        yield from map(frozenset, itertools.combinations(components, size))


def of_the_loop(fired: frozenset[str]) -> str | None:
    """The table in words."""
    if {"H-", "P0"} <= fired:
        return "shared_degradation"
    if {"C", "R+"} <= fired:
        return "gaming" if "O-" in fired else "inflation" if "O0" in fired else "decoupling"
    if "O-" in fired and "R-" in fired:
        return "plain_harm"
    if "O-" in fired and "U" in fired:
        return "blind_reward" if "R0" in fired else "harm"
    return "benign" if {"O+", "C0"} <= fired else None


def of_the_judge(fired: frozenset[str]) -> str | None:
    if {"B1", "T0"} <= fired:
        return "judge_capture"
    return "judge_noise" if {"B2", "T-"} <= fired else None


def of_the_voice(fired: frozenset[str]) -> str | None:
    return "teacher_voice" if "D" in fired else None


@pytest.mark.parametrize(
    ("table", "components", "stated"),
    [(FEEDBACK, COMPONENTS, of_the_loop), (JUDGE, JUDGES, of_the_judge), (VOICE, JUDGES, of_the_voice)],
)
def test_every_combination_of_fired_components_has_its_stated_verdict(
    table: tuple[Row, ...], components: tuple[str, ...], stated: Callable[[frozenset[str]], str | None]
) -> None:
    """Of the loop's twelve components 4,096 combinations, of the judge's five 32."""
    for fired in combinations(components):
        told = verdict({name: LEVEL if name in fired else LEVEL - 0.1 for name in components}, table)
        assert (told and told[0]) == stated(fired), fired


VALUES = st.one_of(st.floats(0, 100), st.sampled_from([0.0, LEVEL, 1e300, float("inf"), float("nan")]))
EVIDENCE = st.dictionaries(st.sampled_from(COMPONENTS), VALUES)
ORDER = [row.verdict for row in FEEDBACK]


@given(EVIDENCE, st.sampled_from(COMPONENTS), st.floats(1, 1e6))
def test_more_evidence_withdraws_a_verdict_only_for_one_higher_in_the_table(
    evidence: dict[str, float], component: str, factor: float
) -> None:
    before, after = verdict(evidence), verdict({**evidence, component: evidence.get(component, 0.0) * factor})
    if before is not None:
        assert after is not None
        assert ORDER.index(after[0]) <= ORDER.index(before[0])
        assert after[0] != before[0] or after[1] >= before[1]


@given(EVIDENCE, st.randoms(use_true_random=False))
def test_the_order_of_the_evidence_does_not_matter(evidence: dict[str, float], chance) -> None:  # type: ignore[no-untyped-def]
    items = list(evidence.items())
    chance.shuffle(items)
    assert verdict(dict(items)) == verdict(evidence)


@given(EVIDENCE)
def test_a_verdict_is_as_sure_as_the_weakest_claim_it_makes(evidence: dict[str, float]) -> None:
    told = verdict(evidence)
    if told is not None:
        row = next(row for row in FEEDBACK if row.verdict == told[0])
        assert told[1] == min(evidence[component] for component in row.needs) >= LEVEL


def test_a_claim_that_did_not_fire_is_no_evidence_of_its_contrary() -> None:
    """Reward up and residual: whether the outcome fell is left open until one of the two claims is made."""
    assert verdict({"C": 1e9, "R+": 1e9, "O-": 0.0}) == ("decoupling", 1e9)
    assert verdict({"O-": 1e9, "R+": 0.0}) is None
