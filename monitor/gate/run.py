"""One trial of a candidate against a reference, step by step.

1 trial     what both checkpoints answered, and what came of it
2 checks    every check of the gate measures
3 test      each measurement, once, for safety and for harm
4 decide    all of them together
5 tell      notes, next steps, what the decision binds
"""

import datetime as dt
import difflib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import text

from consumers.canary import SUITE as CANARY
from consumers.mendable import Mendable
from consumers.store import EventStore
from monitor.anchored.anchored_pairs import PairedMeasurement
from monitor.check import REGISTRY, Check, Finding, Interval, Measurement, Slice, Verdict, load_checks
from monitor.detection.runner import broken, refuse_nonsense
from monitor.gate.advice import next_steps, notes_of
from monitor.gate.cohorts import assumptions, with_cohorts
from monitor.gate.contract import required_by
from monitor.gate.decide import decide, judged_together
from monitor.gate.decoupling import ANCHORED, anchored, decoupling
from monitor.gate.decoupling import CHECK as DECOUPLING
from monitor.gate.inference import Group, Tested, by_finding, tested, worst_of
from monitor.gate.maturing import explained, still_to_come
from monitor.gate.read_first import read_first
from monitor.gate.result import Decision, GateFinding, GateReport
from monitor.gate.same_days import served_apart
from monitor.gate.search import Searched, searched
from monitor.gate.sides import prepare_trial
from monitor.gate.trial import Trial
from monitor.production.items import day_of
from monitor.settings import Settings
from monitor.snapshot import slice_name

log = logging.getLogger(__name__)

MOST_NAMED = 20  # checkpoints that an error lists
KNOWN = """
    SELECT checkpoint FROM checkpoint UNION SELECT checkpoint FROM response
    UNION SELECT checkpoint FROM evaluation WHERE suite <> :canary
    UNION SELECT a_checkpoint FROM preference UNION SELECT b_checkpoint FROM preference
"""


class NoSuchCheckpoint(Mendable):
    """The gate was asked about a checkpoint that no event names."""


def run_gate(
    store: EventStore,
    settings: Settings,
    candidate: str,
    reference: str,
    as_of: dt.datetime,
    *,
    stage: str = "offline",
    frozen: str = "",
    bound: Callable[[Trial], Mapping[str, str]] | None = None,
    **more: Any,
) -> GateReport:
    """May the candidate take the reference's place, as far as what had matured by a moment tells?

    stage: offline, or canary, ramp, full in a rollout. frozen: why every promotion is stopped; "" while none is. bound:
    tells what the decision is to hold to; None to bind nothing. more: other fields of `Trial` (base, files, training,
    contract). Raises NoSuchCheckpoint for a name that no event has, and for a candidate that is its own reference.
    """
    _known(store, candidate, reference)
    trial = prepare_trial(store.engine, settings, candidate, reference, as_of, stage, **more)
    decision, findings, blocking, measured = decide_trial(trial, load_checks().values(), required_checks(trial))
    findings = explained(trial, findings)
    later = still_to_come(trial) if decision is Decision.INCONCLUSIVE else ""
    if frozen:
        decision, findings, blocking = _stopped(frozen, findings, blocking)
    examples = read_first(trial, findings, blocking)
    return GateReport(
        decision=decision,
        candidate=candidate,
        reference=reference,
        loop=settings.loop,
        as_of=as_of,
        stage=stage,
        alpha=trial.alpha,
        findings=findings,
        blocking=blocking,
        notes=[*notes_of(trial, required_checks(trial), findings), *assumptions(trial, measured)],
        next_steps=next_steps(decision, findings, blocking, candidate, reference, examples, later),
        bound=bound(trial) if bound else {},
        outcome=settings.outcome.metric,
        reward=settings.reward.label,
        higher_is_better=settings.outcome.higher_is_better,
        examples=examples,
        caveats=[apart] if (apart := served_apart(trial)) else [],
    )


class Decided(NamedTuple):
    """The decision, every finding, the names of what blocks, and what was measured."""

    decision: Decision
    findings: list[GateFinding]
    blocking: list[str]
    measured: list[tuple[str, Measurement]]


def decide_trial(trial: Trial, checks: Iterable[Check], required: Sequence[str]) -> Decided:
    """Measure, test and decide."""
    measured, errors = measure(trial, checks)
    tests = test(trial, with_cohorts(trial, measured), trial.alpha)
    findings = judged_together([*tests, *errors], trial.alpha)
    decided = decide(findings, required, lambda part: must_pass(trial, part))
    return Decided(*decided, measured=measured)


def must_pass(trial: Trial, part: Slice) -> bool:
    """Whether a slice of a required check has to pass.

    A category as the contract says; a cohort if it is protected, or none is named; everything else always.
    """
    if trial.contract and part.get("category") in trial.contract.names:
        return trial.contract.must_pass(part["category"])
    protected = trial.settings.gate.protected
    return not part or not protected or not part.keys() <= {*trial.settings.cohorts} or slice_name(part) in protected


def measure(trial: Trial, checks: Iterable[Check]) -> tuple[list[tuple[str, Measurement]], list[Tested]]:
    """What every check of the gate measures, and an ERROR for each that broke."""
    measured: list[tuple[str, Measurement]] = []
    errors = []
    for item in checks:
        if "gate" in item.on:
            try:
                found = item.measure(trial, trial.settings.checks.get(item.name, {}))
                for one in found:
                    refuse_nonsense(one)
            except Exception as fault:  # a broken check must be told, and not stop the others
                log.exception("check %s broke", item.name)
                errors.append(_error(broken(item.name, fault)))
            else:
                measured.extend((item.name, one) for one in found)
    return measured, errors


def test(trial: Trial, measured: Iterable[tuple[str, Measurement]], alpha: float) -> list[Tested]:
    """Each check's finding of each slice."""
    oldest = day_of(trial.as_of - trial.settings.gate.max_age)
    groups = by_finding(measured, trial.candidate)
    return [found for group in groups for found in _tested(trial, group, alpha, oldest)]


def required_checks(trial: Trial) -> tuple[str, ...]:
    """What the settings require, by default the meaning of the reward; and what the contract does."""
    meaning = DECOUPLING if trial.has_served or not trial.anchor_sets else ANCHORED
    named = trial.settings.gate.required or (meaning,)
    return tuple(dict.fromkeys((*named, *(required_by(trial.contract) if trial.contract else ()))))


def _tested(trial: Trial, group: Group, alpha: float, oldest: int) -> Iterator[Tested]:
    name, part, measured = group
    first = measured[0]
    if name == DECOUPLING:
        worth = float({**REGISTRY[name].defaults, **trial.settings.checks.get(name, {})}["worth"])
        scored = trial.settings.reward.scorer is not None
        yield decoupling(part, {one.series: one for one in measured}, trial.baseline, worth, alpha, oldest, scored)
    elif isinstance(first, PairedMeasurement):
        yield anchored(part, first, alpha, oldest)
    elif isinstance(first, Searched):
        yield from searched(name, first, alpha, oldest)
    else:
        yield worst_of([tested(name, part, one, alpha, oldest) for one in measured])


def _error(finding: Finding) -> Tested:
    plain = GateFinding(
        finding.check, finding.slice, Verdict.ERROR, Interval(), 0.0, 0, None, finding.message,
        needs="a mended check: see the log",
    )  # fmt: skip
    return Tested(plain, census=True)


def _stopped(
    why: str, findings: Sequence[GateFinding], blocking: Sequence[str]
) -> tuple[Decision, list[GateFinding], list[str]]:
    """A freeze stops everything, whatever was found; that is still told."""
    freeze = GateFinding(
        "frozen", {}, Verdict.FAIL, Interval(), 0.0, 1, 0, why, required=True, blocks=True, method="census",
        needs="`reward-drift unfreeze --reason ...`, once it is safe",
    )  # fmt: skip
    return Decision.NO_GO, [freeze, *findings], [freeze.name, *blocking]


def _known(store: EventStore, candidate: str, reference: str) -> None:
    if candidate == reference:
        raise NoSuchCheckpoint(f"{candidate} is its own reference; `reward-drift gate --aa` does that on purpose")
    with store.engine.connect() as connection:
        known = {name for name in connection.execute(text(KNOWN), {"canary": CANARY}).scalars() if name}
    for name in (candidate, reference):
        if name not in known:
            raise NoSuchCheckpoint(f"no event names the checkpoint {name!r}; {_there_are(name, sorted(known))}")


def _there_are(name: str, known: Sequence[str]) -> str:
    """The closest name that is known, and all of them, as many as can be read.

    >>> _there_are("bot-3", ["bot-1", "bot-2"])
    'closest is bot-2; 2 are known: bot-1, bot-2'
    """
    if not known:
        return "the events name no checkpoint at all"
    close = difflib.get_close_matches(name, known, 1, 0.5)
    more = len(known) - MOST_NAMED
    listed = [*known[: MOST_NAMED // 2], f"{more} more", *known[-MOST_NAMED // 2 :]] if more > 0 else known
    closest = f"closest is {close[0]}; " if close else ""
    return f"{closest}{len(known)} {'is' if len(known) == 1 else 'are'} known: {', '.join(listed)}"
