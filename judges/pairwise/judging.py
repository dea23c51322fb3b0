"""How are pairs judged? Both orders of each, what is on record first, with canaries around whatever is asked."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from consumers.mendable import Mendable
from judges.pairwise.judge_canaries import CANARIES, RunVoid, fooled_by
from judges.pairwise.judge_prompt import Question, question
from judges.pairwise.judgments import Judgments, Stored
from judges.pairwise.pairs import ORDERS, Order, Pair
from judges.pairwise.verdict import Asks, Judgment, by_answer, merged


class JudgeSilent(Mendable):
    """The judge answered no canary at all, so nothing was asked of it."""


class Judged(NamedTuple):
    """A pair, what is on record of it in both orders, and what that means."""

    pair: Pair
    stored: Mapping[Order, Stored]
    judgment: Judgment


class Run(NamedTuple):
    """What a run did. asked: questions sent, canaries apart, which are counted in `canaries`."""

    judged: Sequence[Judged]
    asked: int
    canaries: int


class Progress(NamedTuple):
    """How far a run is: questions answered, of those to ask, and how many answers are no verdict."""

    answered: int
    to_ask: int
    without: int


def judge_pairs(
    pairs: Sequence[Pair],
    judge: Asks,
    judgments: Judgments,
    *,
    now_us: Callable[[], int],
    progress: Callable[[Progress], None] = lambda _: None,
) -> Run:
    """Every pair with its judgment, in the order given. Asks only what is not on record, and errors once more.

    Killed at any moment, the same call goes on where it stopped. Raises RunVoid if a canary failed, JudgeSilent if none
    was answered, and whatever the judge raises when it cannot be asked at all.
    """
    secret = judgments.secret()
    questions = {(pair.pair_id, order): question(pair, order, secret) for pair in pairs for order in ORDERS}  # 1. fence
    known = judgments.stored([*questions.values()])  # 2. look up
    missing = _missing(questions.values(), known, judgments)
    canaries = 0
    if missing or not _all_passed(known):
        run = judgments.begin(now_us())
        rulers = _ask_canaries(judge, judgments, run, secret)  # 3. canaries first: a fooled judge is not paid further
        for told in _ask(missing, judge, judgments, run, now_us):  # 4. ask, and store each answer as it comes
            progress(told)
        known = judgments.stored([*questions.values()])
        canaries = 2 * len(CANARIES)
        if {stored.raw.served for stored in known.values() if not stored.passed} - rulers:
            _ask_canaries(judge, judgments, run, secret)  # 5. canaries last, for another model answers now
            canaries *= 2
        judgments.end(run)
    judged = [  # 6. merge both orders
        _judged(pair, {order: known[judgments.key(questions[pair.pair_id, order])] for order in ORDERS})
        for pair in pairs
    ]
    return Run(judged, len(missing), canaries)


def _missing(
    questions: Iterable[Question], known: Mapping[bytes, Stored], judgments: Judgments
) -> Mapping[bytes, Question]:
    """What has no answer on record, each question once however many pairs ask it."""
    by_key = {judgments.key(one): one for one in questions}
    return {key: one for key, one in by_key.items() if key not in known or known[key].raw.status == "error"}


def _all_passed(known: Mapping[bytes, Stored]) -> bool:
    return all(stored.passed for stored in known.values())


def _ask_canaries(judge: Asks, judgments: Judgments, run: int, secret: bytes) -> set[str | None]:
    """Ask every canary in both orders, and return the models that answered. A failure makes the run void."""
    asked = [question(pair, order, secret) for pair in CANARIES for order in ORDERS]
    answers = {(one.pair.pair_id, one.order): raw for one, raw in judge.ask(asked)}
    if fooled := fooled_by(answers):
        judgments.end(run, "canaries: " + ", ".join(pair.pair_id for pair in fooled))
        raise RunVoid(fooled)
    if all(raw.status == "error" for raw in answers.values()):
        reasons = sorted({raw.reason or "" for raw in answers.values()})
        raise JudgeSilent(f"the judge answered none of {len(asked)} canary questions ({'; '.join(reasons)[:300]})")
    return {raw.served for raw in answers.values() if raw.status != "error"}


def _ask(
    missing: Mapping[bytes, Question], judge: Asks, judgments: Judgments, run: int, now_us: Callable[[], int]
) -> Iterator[Progress]:
    without = 0
    for answered, (asked, raw) in enumerate(judge.ask([*missing.values()]), start=1):
        judgments.add(run, asked, raw, now_us())
        without += raw.status != "ok"
        yield Progress(answered, len(missing), without)


def _judged(pair: Pair, stored: Mapping[Order, Stored]) -> Judged:
    ab, ba = (by_answer(order, stored[order].raw) for order in ORDERS)
    return Judged(pair, stored, merged(ab, ba))
