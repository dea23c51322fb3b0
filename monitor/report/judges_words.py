"""How are a judge's figures said in words, the same in text and on the page?"""

from collections.abc import Iterator, Sequence

from monitor.check import Interval, Slice
from monitor.judging.judge_card import AnchorMaker, Cards, JudgeCard
from monitor.judging.judge_figures import Anchored, Beside, Estimate
from monitor.judging.leaderboard import SameAtEqualLength, Standing
from monitor.report.wording import NO_DATA, count, name, percent, percent_interval, points_interval
from monitor.statistics.agreement import Share
from monitor.statistics.coverage_bound import difference_bounds

WORST = 3
RELATIVES = {"same_family": "own family", "own_student": "own students"}


def level(found: Estimate | Share | None) -> str:
    """A share with its interval.

    >>> level(Estimate(0.7, 0.6, 0.8, 90)), level(None)
    ('70.0% (60.0..80.0)', 'no data')
    """
    return percent_interval(Interval(found.value, found.low, found.high)) if found else NO_DATA


def apart(found: Estimate) -> str:
    """A difference of shares with its interval."""
    return points_interval(Interval(found.value, found.low, found.high))


def standing_line(card: JudgeCard) -> str:
    """Whether a gate may use the judge, and why not."""
    state = card.calibration
    return f"{state.status}, {state.gate}" + (f": {state.reason}" if state.reason else " by a gate")


def figure_lines(card: JudgeCard, teacher: str | None) -> Iterator[tuple[str, str]]:
    """Every figure of a judge: what it is, and how it came out."""
    whole = card.whole
    yield "people", _people(whole)
    failed = [f"{count(number)} {status}" for status, number in card.statuses.items() if status != "ok"]
    told = f"{percent(whole.coverage)} of {count(whole.pairs)} pairs" if whole.pairs else "no pair"
    failures = ", ".join(failed) or "none failed"
    yield "coverage", f"{told} with a human verdict; of all {count(card.offered)} pairs {failures}"
    yield "teacher", _teacher(card, teacher)
    yield "capture", _capture(whole)
    yield "longer answer", _beside(card.longer) if card.longer else _alone(card.longer_chosen)
    yield (
        "both orders",
        f"{level(card.position)} the same choice, n={count(card.position.n)}" if card.position else NO_DATA,
    )
    for relation, title in RELATIVES.items():
        found = card.relatives[relation]
        yield title, _beside(found) if found else NO_DATA
    if card.slices:
        yield "worst slices", "; ".join(_part(slice_words(key), found) for key, found in worst_slices(card)) or NO_DATA
    if len(card.revisions) > 1:
        yield "revisions", f"{len(card.revisions)}; the last is {name(card.revision or 'unnamed', 30)}"


def worst_slices(card: JudgeCard) -> Sequence[tuple[Slice, Anchored]]:
    """Slices whose agreement is shown lowest: by the upper end of its interval."""
    known = [(key, found) for key, found in card.slices if found.agreement]
    return sorted(known, key=lambda part: part[1].agreement.share.high if part[1].agreement else 1.0)[:WORST]


def slice_words(key: Slice) -> str:
    """A slice in few words."""
    return ", ".join(f"{name(k, 14)}={name(v, 18)}" for k, v in sorted(key.items()))


def length_sentence(found: SameAtEqualLength) -> str:
    """Two checkpoints whose difference is length, not quality."""
    longer, shorter = found.longer, found.shorter
    raw = [percent((row.soft or row.win_rate).value) for row in (longer, shorter)]
    even = [level(row.length_controlled) for row in (longer, shorter)]
    return (
        f"{name(longer.checkpoint, 40)} wins {raw[0]} and {name(shorter.checkpoint, 40)} {raw[1]} against"
        f" {name(found.opponent, 40)}, {apart(found.apart)} apart; at equal lengths {even[0]} and {even[1]}:"
        f" {name(found.judge, 40)} pays for length, not quality"
    )


def coverage_sentence(row: Standing) -> str:
    """Why a win rate says nothing beside another: the judge failed on the pairs of one more often."""
    found, (other, full) = row.covered, row.beside
    low, high = difference_bounds(found, full)
    return (
        f"{name(row.checkpoint, 40)} against {name(row.opponent, 40)} is INCONCLUSIVE: {name(row.judge, 40)} gave a"
        f" verdict on {percent(found.coverage)} of its {count(found.offered)} pairs, on {percent(full.coverage)} of"
        f" those of {name(other, 40)}; with what failed it wins {percent(found.least)} to {percent(found.most)},"
        f" {100 * low:+.1f} to {100 * high:+.1f} points beside the other"
    )


def opening_sentences(cards: Cards) -> Iterator[str]:
    """Who made the human verdicts, whose labels were refused, and what the intervals are."""
    used = [maker for maker in cards.anchors if maker.used]
    refused = [maker for maker in cards.anchors if maker.refused]
    if used:
        yield "Human verdicts come from " + _makers(used, [maker.used for maker in used]) + "."
    else:
        yield "No pair has a human verdict: there is no human anchor, and every judge is report-only."
    if refused:
        yield "Refused as anchors: " + _makers(refused, [maker.labels for maker in refused]) + "."
    if cards.contradicted:
        yield f"{count(cards.contradicted)} pairs are left out: events disagree about whose answers a and b are."
    yield "Intervals are 95% and take pairs as independent."


def _makers(makers: Sequence[AnchorMaker], labels: Sequence[int]) -> str:
    ranked = sorted(zip(makers, labels, strict=True), key=lambda pair: -pair[1])
    told = [
        f"{name(maker.annotator or maker.judge, 30)} ({maker.refused or maker.kind or 'kind unknown'}, {count(number)})"
        for maker, number in ranked
    ]
    rest = f" and {len(told) - WORST} more" if len(told) > WORST else ""
    return f"{', '.join(told[:WORST])}{rest}; {count(sum(labels))} labels"


def _people(whole: Anchored) -> str:
    if whole.agreement is None:
        return NO_DATA
    found, kappa = whole.agreement, whole.agreement.kappa
    told = f"kappa {kappa.value:.2f} ({kappa.low:.2f}..{kappa.high:.2f})" if kappa else "no kappa"
    return f"{level(found.share)} agree, n={count(found.share.n)}; best constant {percent(found.base_rate)}; {told}"


def _teacher(card: JudgeCard, teacher: str | None) -> str:
    if card.agreement_teacher is None:
        return NO_DATA if teacher else "none named"
    return f"{level(card.agreement_teacher)} agree with {name(teacher or '', 40)}, n={count(card.agreement_teacher.n)}"


def _capture(whole: Anchored) -> str:
    if whole.capture is None:
        return NO_DATA
    sides = f"{level(whole.capture)} side with the teacher where people differ, n={count(whole.capture.n)}"
    return sides + f", {count(whole.capture_ties)} more tied"


def _beside(found: Beside) -> str:
    return (
        f"judge {level(found.judge)}, people {level(found.people)}, apart {apart(found.difference)},"
        f" n={count(found.difference.n)}"
    )


def _alone(found: Estimate | None) -> str:
    return f"judge {level(found)}, n={count(found.n)}; people unknown" if found else NO_DATA


def _part(words: str, found: Anchored) -> str:
    share = found.agreement.share if found.agreement else None
    return f"{words} {percent(share.value)} (n={share.n})" if share else words
