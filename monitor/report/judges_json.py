"""What do scripts read of the judges? The output contract, and more fields beside it."""

from collections.abc import Mapping
from typing import Any

from monitor.judging.judge_card import FEWEST_ANCHORED, OLDEST_DAYS, AnchorMaker, Cards, JudgeCard
from monitor.judging.judge_figures import Anchored, Beside, Estimate
from monitor.judging.leaderboard import ESTIMATOR, SameAtEqualLength, Standing
from monitor.report.judges_words import length_sentence
from monitor.statistics.agreement import Share


def cards_json(cards: Cards) -> dict[str, Any]:
    """The cards as one JSON object; whatever has no data is null."""
    return {
        "loop": cards.loop,
        "as_of": cards.as_of.isoformat(),
        "human": cards.human,
        "teacher": cards.teacher,
        "judges": [_judge(card) for card in cards.judges],
        "leaderboard": [_standing(row) for row in cards.leaderboard],
        "length_not_quality": [_same(found) for found in cards.same_at_equal_length],
        "anchors": [_maker(maker) for maker in cards.anchors],
        "contradicted_pairs": cards.contradicted,
        "thresholds": {"fewest_anchored_pairs": FEWEST_ANCHORED, "oldest_anchored_days": OLDEST_DAYS},
        "length_control": ESTIMATOR,
    }


def _judge(card: JudgeCard) -> dict[str, Any]:
    whole, longer = card.whole, card.longer
    kappa = whole.agreement.kappa if whole.agreement else None
    return {
        "judge": card.judge,
        "family": card.family,
        "revision": card.revision,
        "status": card.calibration.status,
        "gate": card.calibration.gate,
        "reason": card.calibration.reason,
        **_anchored(whole),
        "kappa_interval": {"low": kappa.low, "high": kappa.high} if kappa else None,
        "base_rate": whole.agreement.base_rate if whole.agreement else None,
        "agreement_teacher": _estimate(card.agreement_teacher),
        "longer_preferred": longer.judge.value if longer else None,
        "longer_preferred_human": longer.people.value if longer else None,
        "longer_difference": _estimate(longer.difference) if longer else None,
        "longer_chosen": _estimate(card.longer_chosen),
        "position_consistent": card.position.value if card.position else None,
        "position_interval": _estimate(card.position),
        "self_preference": {relation: _beside(found) for relation, found in card.relatives.items()},
        "offered": card.offered,
        "statuses": card.statuses,
        "slices": [{"slice": dict(key), **_anchored(found)} for key, found in card.slices],
        "trend": [{"week": week.isoformat(), **_anchored(found)} for week, found in card.weeks],
        "revisions": [{"revision": name or None, **_anchored(found)} for name, found in card.revisions],
    }


def _anchored(found: Anchored) -> dict[str, Any]:
    agreement = found.agreement
    return {
        "pairs": found.pairs,
        "coverage": found.coverage,
        "agreement_human": _estimate(agreement.share) if agreement else None,
        "kappa_human": agreement.kappa.value if agreement and agreement.kappa else None,
        "teacher_capture": _estimate(found.capture),
        "capture_ties": found.capture_ties,
    }


def _standing(row: Standing) -> dict[str, Any]:
    return {
        "judge": row.judge,
        "checkpoint": row.checkpoint,
        "opponent": row.opponent,
        "pairs": row.pairs,
        "win_rate": _estimate(row.win_rate),
        "soft_win_rate": _estimate(row.soft),
        "length_controlled": _estimate(row.length_controlled),
        "length_controlled_missing": row.uncontrolled,
        "human": _estimate(row.human),
        "length": row.length,
        "opponent_length": row.opponent_length,
        "coverage": row.covered.coverage,
        "bounds": {"low": row.covered.least, "high": row.covered.most},
        "comparable": row.comparable,
    }


def _same(found: SameAtEqualLength) -> dict[str, Any]:
    return {
        "judge": found.judge,
        "opponent": found.opponent,
        "longer": found.longer.checkpoint,
        "shorter": found.shorter.checkpoint,
        "apart": _estimate(found.apart),
        "message": length_sentence(found),
    }


def _maker(maker: AnchorMaker) -> dict[str, Any]:
    return {
        "judge": maker.judge,
        "annotator": maker.annotator,
        "kind": maker.kind,
        "labels": maker.labels,
        "used": maker.used,
        "refused": maker.refused,
        "newest": maker.newest.isoformat(),
    }


def _beside(found: Beside | None) -> dict[str, Any] | None:
    return {name: _estimate(value) for name, value in found._asdict().items()} if found else None


def _estimate(found: Estimate | Share | None) -> Mapping[str, float | int] | None:
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n} if found else None
