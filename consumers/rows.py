"""What rows does an event become? Tuples in the order of the columns of `consumers.tables`, for the hot path."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from consumers.canonical import canonical_json
from consumers.payloads import (
    Actor,
    Candidate,
    Checkpoint,
    Erasure,
    Evaluation,
    Feedback,
    Outcome,
    Preference,
    Response,
    Score,
    Surface,
    microseconds,
)
from consumers.purpose import Purpose

Row = tuple[Any, ...]
_encode_cohort = msgspec.json.Encoder(order="sorted").encode
_NO_ACTOR, _NO_SURFACE, _NO_CANDIDATE = Actor(), Surface(), Candidate()


class RowKind(NamedTuple):
    """Where an event's own row goes, how it is built from (seq, time_us, data, purpose), and its words if it has any.

    words: returns (prompt, response, correction, comment, a, b), or None when all of them are absent.
    """

    table: str
    row: Callable[[int, int, Any, Purpose | None], Row]
    words: Callable[[Any], Row | None] = lambda _data: None


def _checkpoint(seq: int, time_us: int, data: Checkpoint, _purpose: Purpose | None) -> Row:
    lineage = None if data.lineage is None else canonical_json(data.lineage)
    return (
        seq,
        time_us,
        data.checkpoint,
        _signless(data.order),
        data.stage,
        _signless(data.traffic_share),
        data.parent,
        data.base_model,
        data.teacher,
        data.reward_model,
        _signless(data.kl_nats),
        _signless(data.steps),
        data.artifact,
        data.sha256,
        lineage,
    )


def _response(seq: int, time_us: int, data: Response, _purpose: Purpose | None) -> Row:
    return (
        seq,
        time_us,
        data.response_id,
        data.checkpoint,
        data.prompt_id,
        data.conversation_id,
        data.user,
        _cohort(data.cohort),
        data.environment or "production",
        _length(data.length, data.response),
        _signless(data.latency_ms),
        data.input_tokens,
        data.output_tokens,
    )


def _feedback(seq: int, time_us: int, data: Feedback, purpose: Purpose | None) -> Row:
    assert purpose is not None, "feedback is stored with its purpose"
    actor, surface = data.actor or _NO_ACTOR, data.surface or _NO_SURFACE
    low, high = data.scale or (None, None)
    return (
        seq,
        time_us,
        data.response_id,
        data.signal,
        _signless(data.value),
        _signless(low),
        _signless(high),
        actor.id,
        actor.role or "unknown",
        surface.name,
        surface.environment or "unknown",
        surface.purpose or "unknown",
        data.rubric,
        data.task_id,
        purpose.purpose,
        purpose.rule,
    )


def _outcome(seq: int, time_us: int, data: Outcome, _purpose: Purpose | None) -> Row:
    return (
        seq,
        time_us,
        data.metric,
        data.value + 0.0,
        data.response_id,
        data.conversation_id,
        data.user,
        data.method,
        data.anchor_set,
        _signless(data.propensity),
    )


def _score(seq: int, time_us: int, data: Score, _purpose: Purpose | None) -> Row:
    scorer = data.scorer
    return (
        seq,
        time_us,
        data.response_id,
        scorer.name,
        scorer.kind,
        scorer.revision,
        scorer.family,
        scorer.rubric,
        scorer.prompt_sha256,
        scorer.trained_on,
        _signless(data.value),
        data.status or "ok",
    )


def _preference(seq: int, time_us: int, data: Preference, _purpose: Purpose | None) -> Row:
    judge, a, b = data.judge, data.a or _NO_CANDIDATE, data.b or _NO_CANDIDATE
    return (
        seq,
        time_us,
        data.pair_id,
        judge.name,
        judge.kind,
        judge.annotator,
        judge.family,
        judge.revision,
        judge.prompt_sha256,
        judge.rubric,
        data.choice,
        data.status or "ok",
        _signless(data.probability_a),
        data.prompt_id,
        a.response_id,
        a.checkpoint,
        _length(a.length, a.text),
        a.family,
        b.response_id,
        b.checkpoint,
        _length(b.length, b.text),
        b.family,
        data.order,
        data.anchor_set,
        _cohort(data.cohort),
    )


def _evaluation(seq: int, time_us: int, data: Evaluation, _purpose: Purpose | None) -> Row:
    return (
        seq,
        time_us,
        data.checkpoint,
        data.suite,
        data.category,
        data.metric,
        data.value + 0.0,
        data.n,
        _signless(data.stderr),
        data.higher_is_better is not False,
        None if data.samples is None else canonical_json(data.samples),
    )


def _erasure(seq: int, time_us: int, data: Erasure, _purpose: Purpose | None) -> Row:
    times = [None if time is None else microseconds(time) for time in (data.requested_at, data.deadline)]
    return (seq, time_us, data.user, *times)


def _response_words(data: Response) -> Row | None:
    if data.prompt is None and data.response is None:
        return None
    return (data.prompt, data.response, None, None, None, None)


def _feedback_words(data: Feedback) -> Row | None:
    if data.correction is None and data.comment is None:
        return None
    return (None, None, data.correction, data.comment, None, None)


def _preference_words(data: Preference) -> Row | None:
    a, b = data.a and data.a.text, data.b and data.b.text
    return None if a is None and b is None else (None, None, None, None, a, b)


def _cohort(cohort: dict[str, str] | None) -> str | None:
    return _encode_cohort(cohort).decode() if cohort else None


def _signless(number: float | None) -> float | None:
    """0.0 for -0.0, whose sign one database keeps and the other does not."""
    return number or (None if number is None else 0.0)


def _length(length: int | None, text: str | None) -> int | None:
    return len(text) if length is None and text is not None else length


KINDS: Mapping[str, RowKind] = {
    "rewarddrift.checkpoint.v1": RowKind("checkpoint", _checkpoint),
    "rewarddrift.response.v1": RowKind("response", _response, _response_words),
    "rewarddrift.feedback.v1": RowKind("feedback", _feedback, _feedback_words),
    "rewarddrift.outcome.v1": RowKind("outcome", _outcome),
    "rewarddrift.score.v1": RowKind("score", _score),
    "rewarddrift.preference.v1": RowKind("preference", _preference, _preference_words),
    "rewarddrift.evaluation.v1": RowKind("evaluation", _evaluation),
    "rewarddrift.erasure.v1": RowKind("erasure", _erasure),
}
NO_WORDS: Row = (None,) * 6
