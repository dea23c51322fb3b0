"""What does a gate say to somebody without statistics? Its headline, the story behind it, its words, how sure it is."""

from collections.abc import Callable, Iterator, Sequence

from monitor.check import Interval, Verdict
from monitor.gate.causes import OF_OUTCOMES
from monitor.gate.inference import NO_ROOM
from monitor.gate.result import Decision, GateFinding, GateReport
from monitor.report import gate_page, gate_words
from monitor.report.gate_page import NAME, Blocker
from monitor.report.gate_subjects import subject_of
from monitor.report.wording import count, name, slice_name

MOST = 3  # causes that the story tells; the list below it holds all
MOST_OF_CAVEAT = 600  # characters
RULE = (
    "A failed check always blocks, unless it only informs; a broken check always does. An undecided check blocks only"
    " if it is required. A required check must pass overall and for each protected group (every group, if the settings"
    " protect none by name). A check without data never counts as passed; if it is required, it blocks."
)


def headline(report: GateReport, write: Callable[[str], str] = lambda text: name(text, NAME)) -> str:
    """The decision in one line. write: how a name is written."""
    candidate, reference = write(report.candidate), write(report.reference)
    if report.decision is Decision.GO:
        return f"GO: {candidate} may replace {reference}."
    if report.decision is Decision.NO_GO:
        return f"NO-GO: keep {reference}, do not ship {candidate}."
    return f"INCONCLUSIVE: keep {reference} for now, do not ship {candidate}."


def story(report: GateReport) -> list[str]:
    """Why, in a few sentences: what changed where, from what to what, and what was allowed."""
    if report.decision is Decision.GO:
        return list(_why_go(report))
    blocking = gate_page.blockers(report)
    told = [_of_blocker(report, one, blocking[:at]) for at, one in enumerate(blocking[:MOST])]
    more = len(blocking) - MOST
    listed = "One more cause is" if more == 1 else f"{count(more)} more causes are"
    told += [f"{listed} listed below."] if more > 0 else []
    return told + (_better(report) if report.decision is Decision.NO_GO else _passed(report))


def definitions(report: GateReport) -> str:
    """Every word of the house that a reader needs, once."""
    outcome = f" {_quoted(report.outcome)}," if report.outcome else ""
    reward = f" {_quoted(report.reward)}," if report.reward else ""
    apart = any(
        gate_words.noun_of(one) == "unit" and gate_words.between(gate_words.measured(one)[1])
        for one in gate_page.tested(report)
    )
    unit = " A unit is what the settings count once (`unit`)." if apart else ""
    turned = "" if report.higher_is_better else " (less of it is better: turned round here)"
    return (
        f"Candidate: {name(report.candidate, NAME)}, the new model. Reference: {name(report.reference, NAME)}, the one"
        f" it would replace. Outcome:{outcome} what really came of an answer{turned}. Reward:{reward} what the model is"
        " trained on. Changes are candidate minus reference, in percentage points; minus is"
        f" worse.{unit}"
    )


def how_sure(report: GateReport) -> str:
    """What the decision promises, for somebody who is no statistician, and what else could explain what was seen."""
    return " ".join([_promise(report), *(name(one, MOST_OF_CAVEAT) for one in report.caveats)])


def _promise(report: GateReport) -> str:
    if report.decision is Decision.GO:
        return _sure_of_go(report)
    if report.decision is Decision.NO_GO:
        return _sure_of_harm(report)
    if _lacks_only_data(report):
        return "Too little data to decide: it may be better or worse, so it does not ship."
    return "Not decided: what is missing or broken may hide harm, so it does not ship."


def _lacks_only_data(report: GateReport) -> bool:
    """Whether everything that blocks was looked at, and only not decided."""
    found = [one.finding for one in gate_page.blockers(report)]
    return bool(found) and all(
        one is not None and one.n and one.verdict is Verdict.INCONCLUSIVE and not _barred(one) for one in found
    )


def _barred(finding: GateFinding) -> str:
    """What keeps anything from being concluded from evidence that is there; "" where it is only too little."""
    open_ = finding.verdict is Verdict.INCONCLUSIVE and finding.n and finding.needs not in NO_ROOM.values()
    return finding.needs if open_ else ""


def _why_go(report: GateReport) -> Iterator[str]:
    required = [one for one in report.findings if one.required]
    resting = sorted(required, key=lambda one: bool(one.slice))
    compared = [one for one in resting if gate_words.measured(one)[1].value is not None and not subject_of(one).counted]
    for at, finding in enumerate(compared[:MOST]):
        yield _sentence(report, finding, compared[:at], ranged=True)
    checks = ", ".join(dict.fromkeys(_quoted(one.check) for one in required))
    yield f"Required, and passed: {checks}." if checks else "No finding says that it was required."
    yield _groups(report)
    for finding in gate_page.reported(report):
        yield f"One failed that only informs: {_quoted(finding.name)}."


def _groups(report: GateReport) -> str:
    groups = dict.fromkeys(slice_name(one.slice) for one in report.findings if one.required and one.slice and one.n)
    if not groups:
        return "No groups were checked separately: one group may be worse off, and this would not show it."
    return f"Groups that had to pass, each for itself: {'; '.join(groups)}."


def _of_blocker(report: GateReport, blocker: Blocker, before: Sequence[Blocker]) -> str:
    """before: the blockers that were told already."""
    finding = blocker.finding
    if finding is None:
        return f"{_quoted(blocker.names[0])} is {gate_page.ABSENT}."
    compared = finding.verdict is not Verdict.ERROR and not subject_of(finding).counted
    if compared and gate_words.measured(finding)[1].value is not None:
        told = [one.finding for one in before if one.finding]
        barred, known = _barred(finding), {_barred(one) for one in told}
        why = f" Nothing is concluded from it; it needs {name(barred, 300)}." if barred and barred not in known else ""
        return _sentence(report, finding, told, ranged=finding.verdict is Verdict.INCONCLUSIVE) + why
    required = " is required:" if finding.required and not finding.n else ":"
    return f"{_quoted(finding.name)}{required} {gate_words.told(finding)}."


def _better(report: GateReport) -> list[str]:
    """Groups whose outcome was shown to rise, where others stop the candidate."""
    better = [
        (gate_words.where(one), gate_words.measured(one)[1])
        for one in report.findings
        if one.check in OF_OUTCOMES and one.verdict is Verdict.PASS
    ]
    risen = {where: change.value for where, change in better if change.value and (change.low or 0.0) > 0}
    return [f"{_opened(where)} it is {_size(value)} points higher." for where, value in list(risen.items())[:MOST]]


def _passed(report: GateReport) -> list[str]:
    """What was shown to be good enough over all, where a group is not decided."""
    whole = [one for one in report.findings if one.required and not one.slice and one.verdict is Verdict.PASS]
    changes = [gate_words.measured(one)[1] for one in whole if not subject_of(one).counted]
    return [
        f"Overall it passed: {gate_words.points(change.value)} points, {gate_words.between(change)}."
        for change in changes[:1]
        if change.value is not None
    ]


def _sentence(report: GateReport, finding: GateFinding, before: Sequence[GateFinding], ranged: bool) -> str:
    """What changed where. before: what was told already; ranged: with the range, which tells how much is known."""
    noun, change = gate_words.measured(finding)
    value = change.value or 0.0
    so_far = " so far" if finding.verdict is Verdict.INCONCLUSIVE else ""
    way = "the same" if _size(value) == "0.0" else f"{_size(value)} points {'lower' if value < 0 else 'higher'}"
    again = any((gate_words.measured(one)[0], one.tolerance) == (noun, finding.tolerance) for one in before)
    what = ", " + f"{name(report.candidate, NAME)}'s {noun}" if not again else " it"
    facts = [
        gate_words.from_to(finding),
        gate_words.between(change) if ranged else "",
        gate_words.by_itself(finding),
        "" if again else _limit(finding),
        gate_words.units(finding),
    ]
    reward = _reward(gate_words.known(finding.reward_change))
    return (
        f"{_opened(gate_words.where(finding))}{what} is {way}{so_far}"
        f" ({'; '.join(part for part in facts if part)}){reward}."
    )


def _limit(finding: GateFinding) -> str:
    allowed = gate_words.allowed(finding)
    if finding.verdict is Verdict.PASS:
        return f"a fall of more than {allowed} would not have been allowed"
    if finding.verdict is Verdict.INCONCLUSIVE and not _barred(finding):
        return f"a fall of more than {allowed} must be ruled out, and is not"
    return f"{allowed} allowed"


def _reward(change: Interval) -> str:
    if change.value is None:
        return ""
    size = gate_words.points(change.value)
    if change.low is not None and change.low > 0:
        return f", while its reward rose {_size(change.value)} points"
    if change.high is not None and change.high < 0:
        return f", and its reward fell {_size(change.value)} points"
    unclear = "was not shown to fall" if change.value >= 0 else "showed no clear change"
    return f", while its reward {unclear} ({size} points)"


def _sure_of_go(report: GateReport) -> str:
    promise = (
        f"If it were worse than allowed on any required check, this gate would wrongly say GO at most {_times(report)}"
    )
    sampled = [one for one in report.findings if one.required and not subject_of(one).counted]
    lows = [low for one in sampled if (low := gate_words.measured(one)[1].low) is not None]
    if not lows:
        return f"{promise}."
    if min(lows) >= 0:
        return f"{promise}; here even the low end of every required range, {gate_words.points(min(lows))}, is no drop."
    return f"{promise}; a drop of up to {_size(min(lows))} points can still have happened."


def _sure_of_harm(report: GateReport) -> str:
    harmful = [one.finding for one in gate_page.blockers(report) if one.finding and one.verdict is Verdict.FAIL]
    if any(not subject_of(one).counted for one in harmful):
        harmful = [one for one in harmful if not subject_of(one).counted]
    elif harmful and all(gate_words.known(one.effect).value is None for one in harmful):
        return "Somebody stopped every promotion: no chance is in it."
    if harmful and all(subject_of(finding).counted for finding in harmful):
        return "What blocks was counted, every one of them: no chance is in it."
    promise = (
        f"If {name(report.candidate, NAME)} were acceptable on everything that was looked at, this gate would wrongly"
        f" say NO-GO at most {_times(report)}"
    )
    ends = [(gate_words.measured(one)[1].high, one) for one in harmful if not subject_of(one).counted]
    for high, one in ends:
        if high is not None and high < 0:
            return (
                f"{promise}; here the drop {gate_words.where(one)} is at least {_size(high)} points where"
                f" {gate_words.allowed(one)} is allowed."
            )
    return f"{promise}."


def _times(report: GateReport) -> str:
    return f"{100 * report.alpha:.3g} times in 100"


def _quoted(text: str) -> str:
    """A name between marks, by which each output sets it apart; one that holds such a mark needs no other."""
    shown = name(text, NAME)
    return shown if "`" in shown or not shown else f"`{shown}`"


def _size(share: float) -> str:
    return f"{100 * abs(share):.1f}"


def _opened(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"
